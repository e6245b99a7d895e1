"""The wire shape of Kinovi, and of another Kinetoscope: the contract that we serve ourselves."""

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Stage, Upstream, Verb, unauthorised

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import CancelOutcome, Kind
from kinetoscope.providers.kinovi import KINETOSCOPE, KINOVI

WORDS = {
    Stage.WAITING: "waiting",
    Stage.WORKING: "generating",
    Stage.DONE: "success",
    Stage.FAILED: "fail",
    Stage.REFUSED: "fail",
    Stage.CANCELLED: "fail",
    Stage.ODD: "pondering",
}
ERRORS = {
    Stage.FAILED: {"code": "500", "message": "Generation failed. Please try again."},
    Stage.REFUSED: {"code": "2038", "message": "Your input text violates platform rules."},
    Stage.CANCELLED: {"code": "cancelled", "message": "The task was cancelled."},
}
MISMATCH = {"message": "This Idempotency-Key was used with a different request"}
KINDS = {"gpt-image-2": MediaKind.IMAGE}


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        if unauthorised(request, f"Bearer {KEY}"):
            return web.json_response({"message": "Invalid API Key"}, status=401)
        return None

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        token, body = request.headers.get("Idempotency-Key", ""), await request.json()
        known = upstream.jobs.get(f"task_{token}")
        if known is not None and known.body != body:
            return web.json_response(MISMATCH, status=422)
        job = upstream.new_job(
            body,
            KINDS.get(body["model"], MediaKind.VIDEO),
            job_id=f"task_{token}" if token else "",
        )
        return web.json_response({"taskId": job.id})

    async def record(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.jobs.get(request.query["taskId"])
        if job is None:
            return web.json_response({"message": "Task not found"}, status=404)
        stage = job.step()
        done = stage is Stage.DONE
        return web.json_response(
            {
                "taskId": job.id,
                "model": job.body["model"],
                "status": WORDS[stage],
                "creditsUsed": 200,
                "output": [{"url": upstream.file_url(job), "seed": 7}] if done else None,
                "error": ERRORS.get(stage),
                "createTime": 1789985778346,
                "completeTime": 1789985975235 if done else None,
                "progress": 50 if stage is Stage.WORKING else None,
            }
        )

    async def stop(request: web.Request) -> web.Response:
        job = upstream.jobs[(await request.json())["taskId"]]
        ends_now, asked_for = job.stage is Stage.WAITING, job.stage is Stage.WORKING
        if ends_now:
            job.stay(Stage.CANCELLED)
        return web.json_response(
            {
                "taskId": job.id,
                "status": WORDS[job.stage],
                "cancelled": ends_now,
                "cancelRequested": asked_for,
            }
        )

    async def account(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"name": "us"})

    async def place(request: web.Request) -> web.Response:
        kind, dot, ending = (await request.json())["fileName"].partition(".")
        name = f"{kind}-place-{len(upstream.of(Verb.UPLOAD))}{dot}{ending}"
        base = f"http://127.0.0.1:{upstream.port}"
        return web.json_response(
            {
                "uploadUrl": f"{base}/put/{name}?signature=s",
                "url": f"{base}/temp-uploads/{name}",
                "contentType": "image/png",
            }
        )

    async def put(request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        upstream.uploads[request.match_info["name"]] = await request.read()
        return web.json_response({})

    upstream.route(Verb.SUBMIT, "POST", "/api/v1/jobs/createTask", create)
    upstream.route(Verb.STATUS, "GET", "/api/v1/jobs/recordInfo", record)
    upstream.route(Verb.CANCEL, "POST", "/api/v1/jobs/cancelTask", stop)
    upstream.route(Verb.CHECK, "GET", "/api/v1/account", account)
    upstream.route(Verb.UPLOAD, "POST", "/api/v1/uploads", place)
    upstream.route(Verb.UPLOAD, "PUT", "/put/{name}", put)


REFUSALS = (
    Payload(400, "kinovi_invalid.json", Kind.PERMANENT),
    Payload(400, "kinovi_unknown_model.json", Kind.UNSUPPORTED),
    Payload(402, "kinovi_credits.json", Kind.ACCOUNT),
    Payload(429, "kinovi_limit.json", Kind.TEMPORARY),
)
IMAGE = {"prompt": "It turns its head", "imageUrls": ["https://example.com/fox.png"]}

CASES = (
    Case(
        name="kinovi",
        adapter=KINOVI,
        wire=wire,
        path="/api/v1",
        model="seedance-20",
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image=IMAGE,
        refusals=REFUSALS,
        refuses_content_later=True,
        fails_temporarily=True,
    ),
    Case(
        name="kinovi-image",
        adapter=KINOVI,
        wire=wire,
        path="/api/v1",
        model="gpt-image-2",
        inputs={"prompt": "A fox in the snow"},
        with_image={"prompt": "In autumn", "uploadedUrls": ["https://example.com/fox.png"]},
        refusals=REFUSALS,
        refuses_content_later=True,
        fails_temporarily=True,
    ),
    Case(
        name="kinetoscope",
        adapter=KINETOSCOPE,
        wire=wire,
        path="/api/v1",
        model="seedance-20",
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image=IMAGE,
        refusals=REFUSALS,
        refuses_content_later=True,
        fails_temporarily=True,
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.UNKNOWN,
    ),
)
