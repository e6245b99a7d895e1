"""The wire shape of Replicate, as its pages and its SDK show it."""

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import (
    KEY,
    Stage,
    Upstream,
    UpstreamJob,
    Verb,
    form_of,
    payload,
    unauthorised,
)

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import CancelOutcome, Kind
from kinetoscope.providers.replicate import REPLICATE

WORDS = {
    Stage.WAITING: "starting",
    Stage.WORKING: "processing",
    Stage.DONE: "succeeded",
    Stage.FAILED: "failed",
    Stage.REFUSED: "failed",
    Stage.CANCELLED: "canceled",
    Stage.ODD: "pondering",
}
ERRORS = {
    Stage.FAILED: "CUDA error: an illegal memory access was encountered",
    Stage.REFUSED: "The input or output was flagged as sensitive. (E005)",
}


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        if unauthorised(request, f"Bearer {KEY}"):
            return web.json_response(payload("replicate_key.json"), status=401)
        return None

    def shown(job: UpstreamJob, stage: Stage) -> dict[str, object]:
        base = f"http://127.0.0.1:{upstream.port}/v1/predictions/{job.id}"
        return {
            **payload("replicate_prediction.json"),
            "id": job.id,
            "input": job.body["input"],
            "status": WORDS[stage],
            "error": ERRORS.get(stage),
            "logs": " 42%|####      | 21/50" if stage is Stage.WORKING else "",
            "output": [upstream.file_url(job)] if stage is Stage.DONE else None,
            "urls": {"get": base, "cancel": f"{base}/cancel"},
        }

    async def create(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        job = upstream.new_job(await request.json(), MediaKind.VIDEO)
        return web.json_response(shown(job, Stage.WAITING), status=201)

    async def get(request: web.Request) -> web.Response:
        job = upstream.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"detail": "Not found.", "status": 404}, status=404)
        return web.json_response(shown(job, job.step()))

    async def stop(request: web.Request) -> web.Response:
        job = upstream.jobs[request.match_info["id"]]
        if job.stage in {Stage.WAITING, Stage.WORKING}:
            job.stay(Stage.CANCELLED)
        return web.json_response(shown(job, job.stage))

    async def files(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        (content,) = (await form_of(request))["content"]
        upstream.uploads["file-1"] = content
        url = f"http://127.0.0.1:{upstream.port}/v1/files/file-1"
        return web.json_response(
            payload("replicate_file.json") | {"urls": {"get": url}}, status=201
        )

    async def account(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"type": "organization", "username": "us"})

    upstream.route(Verb.SUBMIT, "POST", "/v1/models/{owner}/{name}/predictions", create)
    upstream.route(Verb.SUBMIT, "POST", "/v1/predictions", create)
    upstream.route(Verb.STATUS, "GET", "/v1/predictions/{id}", get)
    upstream.route(Verb.CANCEL, "POST", "/v1/predictions/{id}/cancel", stop)
    upstream.route(Verb.UPLOAD, "POST", "/v1/files", files)
    upstream.route(Verb.CHECK, "GET", "/v1/account", account)


REFUSALS = (
    Payload(422, "replicate_invalid.json", Kind.PERMANENT),
    Payload(401, "replicate_key.json", Kind.ACCOUNT),
    Payload(402, "replicate_funds.json", Kind.ACCOUNT),
    Payload(429, "replicate_throttled.json", Kind.TEMPORARY),
    Payload(400, "replicate_flagged.json", Kind.MODERATION),
)

CASES = tuple(
    Case(
        name=f"replicate-{name}",
        adapter=REPLICATE,
        wire=wire,
        path="/v1",
        model="seedance-20",
        upstream_model=upstream_model,
        inputs={"prompt": "A fox in the snow", "duration": 5},
        with_image={"prompt": "It runs", "imageUrls": ["https://example.com/fox.png"]},
        refusals=REFUSALS,
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.STOPPED,
    )
    for name, upstream_model in (("model", "bytedance/seedance-2.0"), ("version", "ab" * 32))
)
