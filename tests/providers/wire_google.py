"""The wire shape of Google's Gemini API: long-running Veo operations, pictures at once."""

import base64

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Stage, Upstream, Verb, media_of, payload, unauthorised

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import Kind
from kinetoscope.providers.google import GOOGLE

OPERATIONS = "/v1beta/models/veo-3.1-generate-preview/operations/{id}"
FILTERED = "The generated video was filtered because it may violate our usage guidelines."


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        assert "key" not in request.query
        if unauthorised(request, KEY, "x-goog-api-key"):
            return web.json_response(payload("google_key.json"), status=400)
        return None

    def name_of(job_id: str) -> str:
        return f"models/veo-3.1-generate-preview/operations/{job_id}"

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.new_job(await request.json(), MediaKind.VIDEO)
        return web.json_response({"name": name_of(job.id)})

    async def image(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        upstream.new_job(await request.json(), MediaKind.IMAGE)
        encoded = base64.b64encode(media_of(MediaKind.IMAGE)[1]).decode()
        part = {"inlineData": {"mimeType": "image/png", "data": encoded}}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
        return web.json_response({"candidates": [candidate], "usageMetadata": {}})

    async def operation(request: web.Request) -> web.Response:
        job = upstream.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": {"code": 404, "status": "NOT_FOUND"}}, status=404)
        stage = job.step()
        shown: dict[str, object] = {"name": name_of(job.id)}
        if stage is Stage.WORKING:
            shown["metadata"] = {"progressPercent": 40}
        if stage is Stage.DONE:
            uri = upstream.file_url(job)
            made = {"generatedSamples": [{"video": {"uri": uri}}]}
            shown |= {"done": True, "response": {"generateVideoResponse": made}}
        if stage is Stage.REFUSED:
            none = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [FILTERED]}
            shown |= {"done": True, "response": {"generateVideoResponse": none}}
        if stage in {Stage.FAILED, Stage.CANCELLED}:
            shown |= {"done": True, "error": {"code": 13, "message": "Internal error."}}
        return web.json_response(shown)

    async def models(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"models": []})

    models_path = "/v1beta/models"
    upstream.route(Verb.SUBMIT, "POST", models_path + "/{model}:predictLongRunning", create)
    upstream.route(Verb.SUBMIT, "POST", models_path + "/{model}:generateContent", image)
    upstream.route(Verb.STATUS, "GET", OPERATIONS, operation)
    upstream.route(Verb.CHECK, "GET", models_path, models)


REFUSALS = (
    Payload(400, "google_invalid.json", Kind.PERMANENT),
    Payload(400, "google_moderated.json", Kind.MODERATION),
    Payload(400, "google_key.json", Kind.UNSUPPORTED),
    Payload(403, "google_denied.json", Kind.UNSUPPORTED),
    Payload(429, "google_exhausted.json", Kind.TEMPORARY),
)

CASES = (
    Case(
        name="google-veo",
        adapter=GOOGLE,
        wire=wire,
        path="/v1beta",
        model="seedance-20",
        upstream_model="veo-3.1-generate-preview",
        inputs={"prompt": "A fox in the snow", "duration": 8},
        with_image={"prompt": "It runs", "imageUrls": ["https://example.com/fox.png"]},
        refusals=REFUSALS,
        has_no_odd_words=True,
    ),
    Case(
        name="google-image",
        adapter=GOOGLE,
        wire=wire,
        path="/v1beta",
        model="nanobanana-pro",
        inputs={"prompt": "A fox in the snow"},
        with_image={"prompt": "Add snow", "imageUrls": ["https://example.com/fox.png"]},
        refusals=REFUSALS,
        at_once=True,
    ),
)
