"""The wire shape of Runway, as its pages and its SDK show it."""

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Stage, Upstream, Verb, form_of, unauthorised

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import CancelOutcome, Kind
from kinetoscope.providers.runway import RUNWAY

WORDS = {
    Stage.WAITING: "PENDING",
    Stage.WORKING: "RUNNING",
    Stage.DONE: "SUCCEEDED",
    Stage.FAILED: "FAILED",
    Stage.REFUSED: "FAILED",
    Stage.CANCELLED: "CANCELLED",
    Stage.ODD: "PONDERING",
}
FAILURES = {
    Stage.FAILED: ("INTERNAL.BAD_OUTPUT.CODE01", "An unexpected error occurred."),
    Stage.REFUSED: ("SAFETY.INPUT.TEXT", "The prompt was refused."),
}


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        assert request.headers["X-Runway-Version"] == "2024-11-06"
        if unauthorised(request, f"Bearer {KEY}"):
            return web.json_response({"error": "Not authorized."}, status=401)
        return None

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.new_job(await request.json(), MediaKind.VIDEO)
        return web.json_response({"id": job.id, "estimatedCost": {"credits": 25}})

    async def retrieve(request: web.Request) -> web.Response:
        job = upstream.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": "Task not found"}, status=404)
        stage = job.step()
        shown: dict[str, object] = {"id": job.id, "createdAt": "2026-09-01T10:00:00.000Z"}
        shown["status"] = WORDS[stage]
        is_over = stage in {Stage.DONE, Stage.CANCELLED, *FAILURES}
        shown["cost" if is_over else "estimatedCost"] = {"credits": 25}
        if stage is Stage.WORKING:
            shown["progress"] = 0.5
        if stage is Stage.DONE:
            shown["output"] = [upstream.file_url(job)]
        if stage in FAILURES:
            shown["failureCode"], shown["failure"] = FAILURES[stage]
        return web.json_response(shown)

    async def delete(request: web.Request) -> web.Response:
        upstream.jobs[request.match_info["id"]].stay(Stage.CANCELLED)
        return web.Response(status=204)

    async def uploads(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        asked = await request.json()
        assert asked.keys() == {"filename", "type"}, asked
        assert asked["type"] == "ephemeral"
        return web.json_response(
            {
                "uploadUrl": f"http://127.0.0.1:{upstream.port}/bucket",
                "fields": {"key": "kept/1", "policy": "signed"},
                "runwayUri": "runway://kept-1",
            }
        )

    async def bucket(request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers, "the address is the permission"
        form = await form_of(request)
        assert [*form] == ["key", "policy", "file"], "a bucket ignores what comes after the file"
        (upstream.uploads["runway://kept-1"],) = form["file"]
        return web.Response(status=204)

    async def organization(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"creditBalance": 100})

    for route in ("text_to_video", "image_to_video", "video_to_video", "text_to_image"):
        upstream.route(Verb.SUBMIT, "POST", f"/v1/{route}", create)
    upstream.route(Verb.UPLOAD, "POST", "/v1/uploads", uploads)
    upstream.route(Verb.UPLOAD, "POST", "/bucket", bucket)
    upstream.route(Verb.STATUS, "GET", "/v1/tasks/{id}", retrieve)
    upstream.route(Verb.CANCEL, "DELETE", "/v1/tasks/{id}", delete)
    upstream.route(Verb.CHECK, "GET", "/v1/organization", organization)


CASES = (
    Case(
        name="runway",
        adapter=RUNWAY,
        wire=wire,
        path="/v1",
        model="seedance-20",
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image={"prompt": "It runs", "imageUrls": ["https://example.com/fox.png"]},
        refusals=(
            Payload(400, "runway_invalid.json", Kind.PERMANENT),
            Payload(400, "runway_credits.json", Kind.ACCOUNT),
            Payload(429, "runway_throttled.json", Kind.TEMPORARY),
        ),
        refuses_content_later=True,
        fails_temporarily=True,
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.GOES_ON,
    ),
)
