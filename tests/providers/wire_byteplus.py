"""The wire shape of BytePlus ModelArk, as its pages and its SDK show it."""

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Stage, Upstream, Verb, payload, unauthorised

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.byteplus import BYTEPLUS
from kinetoscope.providers.contract import CancelOutcome, Kind

TASKS = "/api/v3/contents/generations/tasks"
WORDS = {
    Stage.WAITING: "queued",
    Stage.WORKING: "running",
    Stage.DONE: "succeeded",
    Stage.FAILED: "failed",
    Stage.REFUSED: "failed",
    Stage.CANCELLED: "cancelled",
    Stage.ODD: "pondering",
}


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def error(status: int, code: str, message: str) -> web.Response:
        return web.json_response({"error": {"code": code, "message": message}}, status=status)

    def refused(request: web.Request) -> web.Response | None:
        if unauthorised(request, f"Bearer {KEY}"):
            return error(401, "AuthenticationError", "The API key in the request is missing.")
        return None

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        body = await request.json()
        job = upstream.new_job(body, MediaKind.VIDEO)
        return web.json_response({"id": job.id})

    async def images(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.new_job(await request.json(), MediaKind.IMAGE)
        return web.json_response(
            {"model": "seedream", "created": 1, "data": [{"url": upstream.file_url(job)}]}
        )

    async def retrieve(request: web.Request) -> web.Response:
        job = upstream.jobs.get(request.match_info["id"])
        if job is None:
            return error(404, "ResourceNotFound", "The task is not found.")
        stage = job.step()
        shown = payload("byteplus_task.json") | {"id": job.id, "status": WORDS[stage]}
        if stage is Stage.DONE:
            shown["content"] = {"video_url": upstream.file_url(job)}
        else:
            shown.pop("usage")
        if stage is Stage.FAILED:
            shown["error"] = {"code": "InternalServiceError", "message": "It broke."}
        if stage is Stage.REFUSED:
            shown["error"] = payload("byteplus_moderated.json")["error"]
        return web.json_response(shown)

    async def listing(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"total": 0, "items": []})

    async def delete(request: web.Request) -> web.Response:
        job = upstream.jobs[request.match_info["id"]]
        if job.stage is Stage.WORKING:
            return error(409, "InvalidAction.RunningTaskDeletion", "A running task stays.")
        job.stay(Stage.CANCELLED)
        return web.json_response({})

    upstream.route(Verb.SUBMIT, "POST", TASKS, create)
    upstream.route(Verb.SUBMIT, "POST", "/api/v3/images/generations", images)
    upstream.route(Verb.CHECK, "GET", TASKS, listing)
    upstream.route(Verb.STATUS, "GET", TASKS + "/{id}", retrieve)
    upstream.route(Verb.CANCEL, "DELETE", TASKS + "/{id}", delete)


REFUSALS = (
    Payload(400, "byteplus_moderated.json", Kind.MODERATION),
    Payload(400, "byteplus_invalid.json", Kind.PERMANENT),
    Payload(404, "byteplus_not_open.json", Kind.UNSUPPORTED),
)

CASES = (
    Case(
        name="byteplus-video",
        adapter=BYTEPLUS,
        wire=wire,
        path="/api/v3",
        model="seedance-20",
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image={
            "prompt": "It turns its head",
            "imageUrls": ["https://example.com/fox.png"],
            "duration": 5,
        },
        refusals=REFUSALS,
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.GOES_ON,
        fails_temporarily=True,
    ),
    Case(
        name="byteplus-image",
        adapter=BYTEPLUS,
        wire=wire,
        path="/api/v3",
        model="seedream-5.0-pro",
        inputs={"prompt": "A fox in the snow"},
        refusals=REFUSALS,
        at_once=True,
    ),
)
