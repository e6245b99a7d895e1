"""The wire shape of Google's Gemini API: interactions for clips, content for pictures at once."""

import base64

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import (
    KEY,
    Stage,
    Upstream,
    UpstreamJob,
    Verb,
    media_of,
    payload,
    unauthorised,
)

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import CancelOutcome, Kind
from kinetoscope.providers.google import GOOGLE

HOST = "https://generativelanguage.googleapis.com"
WORDS = {
    Stage.WAITING: "queued",
    Stage.WORKING: "in_progress",
    Stage.DONE: "completed",
    Stage.FAILED: "failed",
    Stage.REFUSED: "completed",
    Stage.CANCELLED: "cancelled",
    Stage.ODD: "pondering",
}
REFUSAL = "I cannot make a video of that."
PICTURE_USAGE = {
    "promptTokenCount": 1130,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 10},
        {"modality": "IMAGE", "tokenCount": 1120},
    ],
    "candidatesTokenCount": 1120,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    "thoughtsTokenCount": 90,
    "totalTokenCount": 2340,
}


def refused(request: web.Request) -> web.Response | None:
    assert "key" not in request.query
    if unauthorised(request, KEY, "x-goog-api-key"):
        return web.json_response(payload("google_key.json"), status=400)
    return None


def missing() -> web.Response:
    error = {"code": "not_found", "message": "Requested entity was not found."}
    return web.json_response({"error": error}, status=404)


def interaction(job: UpstreamJob, stage: Stage) -> dict[str, object]:
    """Show one, as it is answered to a create, a get and a cancel."""
    steps: list[dict[str, object]] = [*job.body["input"]]
    shown: dict[str, object] = {
        "id": job.id,
        "object": "interaction",
        "status": WORDS[stage],
        "model": job.body["model"],
        "created": "2026-11-23T12:00:00Z",
        "updated": "2026-11-23T12:00:30Z",
        "steps": steps,
    }
    if stage is Stage.DONE:
        uri = f"{HOST}/v1beta/files/{job.id.replace('-', '')}:download?alt=media"
        clip = {"type": "video", "mime_type": "video/mp4", "uri": uri}
        steps += [{"type": "thought", "signature": "c2ln"}]
        steps += [{"type": "model_output", "content": [clip]}]
        shown["usage"] = {"output_tokens_by_modality": [{"modality": "video", "tokens": 46336}]}
    if stage is Stage.REFUSED:
        words = {"type": "text", "text": REFUSAL}
        steps += [{"type": "model_output", "content": [words]}]
        shown["usage"] = {"output_tokens_by_modality": [{"modality": "text", "tokens": 9}]}
    if stage is Stage.FAILED:
        shown["errors"] = [{"code": "internal", "message": "Internal error encountered."}]
    return shown


def _is_asked_right(body: dict[str, object]) -> bool:
    """Whether it is one that the page allows for."""
    shape = body["response_format"]
    assert isinstance(shape, dict)
    duration = shape.get("duration", "3s")
    steps = body["input"]
    assert isinstance(steps, list)
    return (
        body["background"] is True
        and [step["type"] for step in steps] == ["user_input"]
        and shape["type"] == "video"
        and shape.get("aspect_ratio", "16:9") in {"16:9", "9:16"}
        and shape.get("resolution", "720p") in {"360p", "720p", "1080p", "4k"}
        and duration.removesuffix("s").isdigit()
        and duration.endswith("s")
    )


def wire(upstream: Upstream) -> None:
    """Serve it."""

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        body = await request.json()
        if not _is_asked_right(body):
            error = {"code": "invalid_request", "message": "Invalid value."}
            return web.json_response({"error": error}, status=400)
        job = upstream.new_job(body, MediaKind.VIDEO)
        return web.json_response(interaction(job, job.stage))

    async def get(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.jobs.get(request.match_info["id"])
        return web.json_response(interaction(job, job.step())) if job is not None else missing()

    async def stop(request: web.Request) -> web.Response:
        job = upstream.jobs[request.match_info["id"]]
        if job.stage is Stage.DONE:
            error = {"code": "invalid_request", "message": "It is not running."}
            return web.json_response({"error": error}, status=400)
        job.stay(Stage.CANCELLED)
        return web.json_response(interaction(job, Stage.CANCELLED))

    async def image(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        upstream.new_job(await request.json(), MediaKind.IMAGE)
        encoded = base64.b64encode(media_of(MediaKind.IMAGE)[1]).decode()
        picture = {"inlineData": {"mimeType": "image/png", "data": encoded}}
        parts = [{**picture, "thought": True}, {**picture, "thoughtSignature": "c2ln"}]
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
        return web.json_response({"candidates": [candidate], "usageMetadata": PICTURE_USAGE})

    async def file(request: web.Request) -> web.StreamResponse:
        """Leads on: https://github.com/maximhq/bifrost/pull/3037."""
        place = f"/download{request.path_qs}"
        return refused(request) or web.Response(status=302, headers={"Location": place})

    async def download(request: web.Request) -> web.StreamResponse:
        if (answer := refused(request)) is not None:
            return answer
        assert request.query["alt"] == "media"
        names = {job.id.replace("-", ""): job for job in upstream.jobs.values()}
        media_type, content = media_of(names[request.match_info["file"]].kind)
        return web.Response(body=content, content_type=media_type)

    async def models(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"models": []})

    base = "/v1beta"
    upstream.route(Verb.SUBMIT, "POST", base + "/interactions", create)
    upstream.route(Verb.STATUS, "GET", base + "/interactions/{id}", get)
    upstream.route(Verb.CANCEL, "POST", base + "/interactions/{id}/cancel", stop)
    upstream.route(Verb.SUBMIT, "POST", base + "/models/{model}:generateContent", image)
    upstream.route(Verb.FILE, "GET", base + "/files/{file}:download", file)
    upstream.route(Verb.FILE, "GET", "/download/v1beta/files/{file}:download", download)
    upstream.route(Verb.CHECK, "GET", base + "/models", models)


REFUSALS = (
    Payload(400, "google_invalid.json", Kind.PERMANENT),
    Payload(400, "google_moderated.json", Kind.MODERATION),
    Payload(400, "google_key.json", Kind.ACCOUNT),
    Payload(403, "google_denied.json", Kind.ACCOUNT),
    Payload(429, "google_exhausted.json", Kind.TEMPORARY),
)

CASES = (
    Case(
        name="google-clip",
        adapter=GOOGLE,
        wire=wire,
        path="/v1beta",
        model="seedance-20",
        upstream_model="gemini-omni-1.2-flash",
        inputs={"prompt": "A fox in the snow", "duration": 8},
        with_image={
            "prompt": "It runs",
            "imageUrls": ["https://example.com/fox.png"],
            "aspectRatio": "16:9",
        },
        refusals=REFUSALS,
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.STOPPED,
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
