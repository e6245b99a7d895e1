"""The wire shape of kie.ai: codes in the body of answers that say 200."""

import json

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Stage, Upstream, Verb, form_of, unauthorised

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import Kind
from kinetoscope.providers.kie import KIE

WORDS = {
    Stage.WAITING: "queuing",
    Stage.WORKING: "generating",
    Stage.DONE: "success",
    Stage.FAILED: "fail",
    Stage.REFUSED: "fail",
    Stage.CANCELLED: "fail",
    Stage.ODD: "pondering",
}
FAILURES = {
    Stage.FAILED: "Internal error, please try again later.",
    Stage.REFUSED: "The input may contain sensitive information.",
    Stage.CANCELLED: "The task was stopped.",
}
KINDS = {"nano-banana-2": MediaKind.IMAGE}


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def said(code: int, message: str, data: object = None) -> web.Response:
        return web.json_response({"code": code, "msg": message, "data": data})

    def refused(request: web.Request) -> web.Response | None:
        if unauthorised(request, f"Bearer {KEY}"):
            return said(401, "You do not have access permissions")
        return None

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        body = await request.json()
        job = upstream.new_job(body, KINDS.get(body["model"], MediaKind.VIDEO))
        return said(200, "success", {"taskId": job.id})

    async def record(request: web.Request) -> web.Response:
        job = upstream.jobs.get(request.query["taskId"])
        if job is None:
            # Some of its routes say so; this one has said 422, "recordInfo is null", under a 200.
            return web.json_response({"code": 404, "msg": "Not found"}, status=404)
        stage = job.step()
        urls = [upstream.file_url(job)] if stage is Stage.DONE else []
        data = {
            "taskId": job.id,
            "model": job.body["model"],
            "state": WORDS[stage],
            "param": "{}",
            "resultJson": json.dumps({"resultUrls": urls}) if urls else "",
            "failCode": "500" if stage in FAILURES else "",
            "failMsg": FAILURES.get(stage, ""),
            "progress": 50 if stage is Stage.WORKING else 0,
            "creditsConsumed": 82 if stage is Stage.DONE else 0,
        }
        return web.json_response({"code": 200, "message": "success", "data": data})

    async def stream_upload(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        form = await form_of(request)
        (content,), (name,) = form["file"], form["fileName"]
        upstream.uploads[name.decode()] = content
        url = f"http://127.0.0.1:{upstream.port}/download/{name.decode()}"
        return web.json_response({"success": True, "code": 200, "data": {"downloadUrl": url}})

    async def credit(request: web.Request) -> web.Response:
        return refused(request) or said(200, "success", 100)

    upstream.route(Verb.SUBMIT, "POST", "/api/v1/jobs/createTask", create)
    upstream.route(Verb.STATUS, "GET", "/api/v1/jobs/recordInfo", record)
    upstream.route(Verb.UPLOAD, "POST", "/api/file-stream-upload", stream_upload)
    upstream.route(Verb.CHECK, "GET", "/api/v1/chat/credit", credit)


REFUSALS = (
    Payload(200, "kie_invalid.json", Kind.PERMANENT),
    Payload(200, "kie_credits.json", Kind.ACCOUNT),
    Payload(200, "kie_maintenance.json", Kind.TEMPORARY),
    Payload(200, "kie_moderated.json", Kind.MODERATION),
    Payload(422, "kie_invalid.json", Kind.PERMANENT),
)

CASES = (
    Case(
        name="kie",
        adapter=KIE,
        wire=wire,
        path="/api/v1",
        model="seedance-20",
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image={"prompt": "It runs", "imageUrls": ["https://example.com/fox.png"]},
        uploads_to="upload_url",
        refusals=REFUSALS,
        fails_temporarily=True,
    ),
    Case(
        name="kie-image",
        adapter=KIE,
        wire=wire,
        path="/api/v1",
        model="nanobanana2",
        inputs={"prompt": "A fox in the snow"},
        with_image={"prompt": "In autumn", "uploadedUrls": ["https://example.com/fox.png"]},
        uploads_to="upload_url",
        refusals=REFUSALS,
        fails_temporarily=True,
    ),
)
