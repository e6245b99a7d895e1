"""The wire shape of fal's queue, as its pages and its client show it."""

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Stage, Upstream, Verb, payload, unauthorised

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import CancelOutcome, Kind
from kinetoscope.providers.fal import FAL

WORDS = {
    Stage.WAITING: "IN_QUEUE",
    Stage.WORKING: "IN_PROGRESS",
    Stage.ODD: "PONDERING",
}
ERRORS = {
    Stage.FAILED: ("The model broke.", "model_error"),
    Stage.REFUSED: ("The content was flagged.", "content_policy_violation"),
    Stage.CANCELLED: ("The request was cancelled.", "request_cancelled"),
}


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        if unauthorised(request, f"Key {KEY}"):
            return web.json_response(payload("fal_key.json"), status=401)
        return None

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.new_job(await request.json(), MediaKind.VIDEO)
        base = f"{request.url.origin()}/bytedance/seedance-2.0/requests/{job.id}"
        return web.json_response(
            {
                "status": "IN_QUEUE",
                "request_id": job.id,
                "response_url": base,
                "status_url": f"{base}/status",
                "cancel_url": f"{base}/cancel",
                "queue_position": 3,
            }
        )

    async def status(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"detail": "Request not found"}, status=404)
        stage = job.step()
        shown: dict[str, object] = {"status": WORDS.get(stage, "COMPLETED"), "logs": None}
        if stage in ERRORS:
            shown["error"], shown["error_type"] = ERRORS[stage]
        if stage is Stage.WAITING:
            shown["queue_position"] = 2
        return web.json_response(shown, status=200 if stage not in WORDS else 202)

    async def result(request: web.Request) -> web.Response:
        job = upstream.jobs[request.match_info["id"]]
        file = {"url": upstream.file_url(job), "content_type": "video/mp4", "file_size": 1893}
        return web.json_response({"video": file, "seed": 7})

    async def stop(request: web.Request) -> web.Response:
        job = upstream.jobs[request.match_info["id"]]
        if job.stage is Stage.DONE:
            return web.json_response({"status": "ALREADY_COMPLETED"}, status=400)
        word = "OK" if job.stage is Stage.WAITING else "CANCELLATION_REQUESTED"
        job.stay(Stage.CANCELLED)
        return web.json_response({"status": word}, status=202)

    async def initiate(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        assert request.query["storage_type"] == "fal-cdn-v3"
        asked = await request.json()
        assert asked.keys() == {"content_type", "file_name"}
        base = f"http://127.0.0.1:{upstream.port}"
        name = asked["file_name"]
        return web.json_response(
            {"upload_url": f"{base}/bucket/{name}?signed=1", "file_url": f"https://v3.fal/{name}"}
        )

    async def put(request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers, "the address is the permission"
        upstream.uploads[request.match_info["name"]] = await request.read()
        return web.Response()

    upstream.route(Verb.STATUS, "GET", "/bytedance/seedance-2.0/requests/{id}/status", status)
    upstream.route(Verb.CHECK, "GET", "/fal-ai/flux/requests/{id}/status", status)
    upstream.route(Verb.RESULT, "GET", "/bytedance/seedance-2.0/requests/{id}", result)
    upstream.route(Verb.CANCEL, "PUT", "/bytedance/seedance-2.0/requests/{id}/cancel", stop)
    upstream.route(Verb.SUBMIT, "POST", "/bytedance/seedance-2.0/{mode}", create)
    upstream.route(Verb.UPLOAD, "POST", "/storage/upload/initiate", initiate)
    upstream.route(Verb.UPLOAD, "PUT", "/bucket/{name}", put)


CASES = (
    Case(
        name="fal",
        adapter=FAL,
        wire=wire,
        path="",
        model="seedance-20",
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image={"prompt": "It runs", "imageUrls": ["https://example.com/fox.png"]},
        refusals=(
            Payload(422, "fal_invalid.json", Kind.PERMANENT),
            Payload(422, "fal_moderated.json", Kind.MODERATION),
            Payload(401, "fal_key.json", Kind.ACCOUNT),
            Payload(403, "fal_funds.json", Kind.ACCOUNT),
        ),
        uploads_to="upload_url",
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.UNKNOWN,
    ),
)
