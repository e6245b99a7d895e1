"""The wire shape of servers that speak OpenAI's media routes, as vLLM-Omni documents them."""

import base64

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import (
    KEY,
    Stage,
    Upstream,
    Verb,
    form_of,
    media_of,
    payload,
)

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import CancelOutcome, Kind
from kinetoscope.providers.openai_media import OPENAI_MEDIA

WORDS = {
    Stage.WAITING: "queued",
    Stage.WORKING: "in_progress",
    Stage.DONE: "completed",
    Stage.FAILED: "failed",
    Stage.REFUSED: "failed",
    Stage.CANCELLED: "failed",
    Stage.ODD: "pondering",
}


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") not in {None, f"Bearer {KEY}"}:
            return web.json_response(payload("openai_key.json"), status=401)
        return None

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        if request.content_type == "application/json":
            body = await request.json()
            # What else stands in JSON for a picture is a path on the server's own disk.
            if "input_reference" in body:
                return invalid("Invalid request body: no such file")
            keep(body.get("reference_url"))
        else:
            form = await form_of(request)
            for at, content in enumerate(form.pop("input_reference", []), start=1):
                upstream.uploads[f"reference-{at}"] = content
            body = {name: values[0].decode() for name, values in form.items()}
        if not body.get("prompt"):
            return invalid("prompt is required")
        job = upstream.new_job(body, MediaKind.VIDEO)
        return web.json_response(shown(job.id, Stage.WAITING))

    def keep(url: str | None) -> None:
        if url is not None:
            head, _, encoded = url.partition(",")
            assert head.startswith("data:image/")
            upstream.uploads["reference-1"] = base64.b64decode(encoded)

    def shown(job_id: str, stage: Stage) -> dict[str, object]:
        found = payload("openai_video.json")
        error = {"code": "server_error", "message": "It broke."}
        if stage is Stage.REFUSED:
            error = {"code": "moderation_blocked", "message": "Not this."}
        failed = stage in {Stage.FAILED, Stage.REFUSED, Stage.CANCELLED}
        return {
            **found,
            "id": job_id,
            "status": WORDS[stage],
            "progress": 50 if stage is Stage.WORKING else 0,
            "error": error if failed else None,
        }

    async def retrieve(request: web.Request) -> web.Response:
        job = upstream.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": {"message": "No such video"}}, status=404)
        return web.json_response(shown(job.id, job.step()))

    async def content(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        media_type, made = media_of(upstream.jobs[request.match_info["id"]].kind)
        return web.Response(body=made, content_type=media_type)

    async def delete(request: web.Request) -> web.Response:
        job = upstream.jobs.pop(request.match_info["id"])
        return web.json_response({"id": job.id, "object": "video.deleted", "deleted": True})

    async def images(request: web.Request) -> web.Response:
        return refused(request) or made(await request.json())

    async def edits(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        form = await form_of(request)
        for at, content in enumerate(form.pop("image[]", []) + form.pop("image", []), start=1):
            upstream.uploads[f"image-{at}"] = content
        return made({name: values[0].decode() for name, values in form.items()})

    def made(body: dict[str, object]) -> web.Response:
        if "x" not in str(body.get("size", "1x1")):
            return invalid("Invalid size format. Expected format: 'WIDTHxHEIGHT'.")
        job = upstream.new_job(body, MediaKind.IMAGE)
        item: dict[str, object] = {"url": f"/v1/images/{job.id}/content"}
        if body.get("response_format", "url") == "b64_json":
            item = {"b64_json": base64.b64encode(media_of(MediaKind.IMAGE)[1]).decode()}
        return web.json_response({"id": job.id, "created": 1, "data": [item]})

    async def speech(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        upstream.new_job(await request.json(), MediaKind.AUDIO)
        media_type, made = media_of(MediaKind.AUDIO)
        return web.Response(body=made, content_type=media_type)

    async def models(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"object": "list", "data": []})

    upstream.route(Verb.SUBMIT, "POST", "/v1/videos", create)
    upstream.route(Verb.STATUS, "GET", "/v1/videos/{id}", retrieve)
    upstream.route(Verb.FILE, "GET", "/v1/videos/{id}/content", content)
    upstream.route(Verb.CANCEL, "DELETE", "/v1/videos/{id}", delete)
    upstream.route(Verb.SUBMIT, "POST", "/v1/images/generations", images)
    upstream.route(Verb.SUBMIT, "POST", "/v1/images/edits", edits)
    upstream.route(Verb.FILE, "GET", "/v1/images/{id}/content", content)
    upstream.route(Verb.SUBMIT, "POST", "/v1/audio/speech", speech)
    upstream.route(Verb.CHECK, "GET", "/v1/models", models)


def invalid(message: str) -> web.Response:
    """Refuse as FastAPI does."""
    return web.json_response({"detail": message}, status=400)


REFUSALS = (
    Payload(400, "openai_moderated.json", Kind.MODERATION),
    Payload(400, "openai_invalid.json", Kind.PERMANENT),
)

CASES = (
    Case(
        name="openai_media-video",
        adapter=OPENAI_MEDIA,
        wire=wire,
        path="/v1",
        model="wan3.0-text-to-video",
        inputs={"prompt": "A fox in the snow"},
        refusals=REFUSALS,
        needs_key=False,
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.STOPPED,
    ),
    Case(
        name="openai_media-frame",
        adapter=OPENAI_MEDIA,
        wire=wire,
        path="/v1",
        model="seedance-20",
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image={"prompt": "It runs", "imageUrls": ["https://example.com/fox.png"]},
        site_options={"video_body": "json"},
        refusals=REFUSALS,
        needs_key=False,
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.STOPPED,
    ),
    Case(
        name="openai_media-image",
        adapter=OPENAI_MEDIA,
        wire=wire,
        path="/v1",
        model="gpt-image-2",
        inputs={"prompt": "A fox in the snow"},
        with_image={"prompt": "Add snow", "imageUrls": ["https://example.com/fox.png"]},
        refusals=REFUSALS,
        needs_key=False,
        at_once=True,
    ),
    Case(
        name="openai_media-speech",
        adapter=OPENAI_MEDIA,
        wire=wire,
        path="/v1",
        model="kinetoscope-soundscape",
        inputs={"prompt": "A fox in the snow"},
        refusals=REFUSALS,
        needs_key=False,
        at_once=True,
    ),
)
