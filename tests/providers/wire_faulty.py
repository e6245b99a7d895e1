"""An upstream made up for the gate: one plain wire shape, four ways to be submitted to.

What it is asked is told apart by the path: /token, /lookup, /neither, /at-once.
"""

import base64
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Stage, Upstream, Verb, media_of, unauthorised

from kinetoscope.kernel.calling import Answer, Call
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
    bearer,
    failed,
    items_at,
    number_at,
    refusal_by_status,
    required_text,
    segment,
    text_at,
)
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    FindOutcome,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)

POLLING = Polling(delay_s=0.5, delay_s_max=1.0, find_delay_s=0.3)
WORDS = {
    Stage.WAITING: "queued",
    Stage.WORKING: "running",
    Stage.DONE: "done",
    Stage.FAILED: "failed",
    Stage.REFUSED: "failed",
    Stage.CANCELLED: "cancelled",
    Stage.ODD: "pondering",
}


def submit(ask: Ask) -> Call:
    body: dict[str, JSON] = {
        "reference": ask.job.task_id,
        "prompt": ask.job.order.prompt,
        "callback": ask.job.callback_url,
    }
    headers = {"Idempotency-Key": ask.job.task_id}
    return Call(method="POST", url="jobs", json=body, headers=headers, timeout_s=2)


def accepted(answer: Answer, _job: Job) -> Accepted:
    return Accepted(upstream_id=required_text(answer.table(), "id"))


def finished(answer: Answer, _job: Job) -> Reading:
    data = base64.b64decode(required_text(answer.table(), "data"))
    return Reading(word="done", outputs=(Output(data=data),))


def refusal(answer: Answer) -> Refused:
    kind = Kind.MODERATION if b"immoral" in answer.body else None
    return refusal_by_status(answer, kind=kind)


def status(_site: Site, upstream_id: str, _job: Job) -> Call:
    return Call(method="GET", url=f"jobs/{segment(upstream_id)}", timeout_s=5)


def read(answer: Answer, _job: Job) -> Reading:
    table = answer.table()
    word = required_text(table, "state")
    kind = Kind.MODERATION if text_at(table, "error") == "immoral" else Kind.PERMANENT
    return Reading(
        word=word,
        progress=number_at(table, "progress"),
        outputs=tuple(Output(url=url) for url in items_at(table, "output") if isinstance(url, str)),
        failure=failed("It broke.", kind) if word in {"failed", "cancelled"} else None,
    )


def find(_site: Site, job: Job) -> Call:
    return Call(method="GET", url="jobs", query=(("reference", job.task_id),), timeout_s=5)


def found(answer: Answer, _job: Job) -> FindOutcome:
    ids = [text_at(item, "id") for item in items_at(answer.table(), "jobs")]
    return Accepted(upstream_id=ids[0]) if ids else Absent()


def cancel(_site: Site, upstream_id: str, _job: Job) -> Call:
    return Call(method="DELETE", url=f"jobs/{segment(upstream_id)}", timeout_s=5)


def cancelled(answer: Answer) -> CancelOutcome:
    return CancelOutcome.STOPPED if answer.is_fine else CancelOutcome.GOES_ON


def check(_site: Site) -> Call:
    return Call(method="GET", url="me")


def claim(body: Mapping[str, JSON]) -> str | None:
    return text_at(body, "id") or None


TOKEN = Adapter(
    name="token",
    docs="tests/providers/wire_faulty.py",
    base_url="",
    key_name="faulty",
    idempotency=Idempotency.CLIENT_TOKEN,
    polling=POLLING,
    submit_timeout_s=2,
    models={"gpt-image-2": "picture"},
    headers=bearer,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    check=check,
    claim=claim,
    refusals=frozenset({503}),
)
LOOKUP = replace(TOKEN, name="lookup", idempotency=Idempotency.LOOKUP, find=find, found=found)
NEITHER = replace(TOKEN, name="neither", idempotency=Idempotency.NEITHER)
SLOW = replace(TOKEN, name="slow", polling=Polling(delay_s=3.0, delay_s_max=15.0))
"""Asked as seldom as real ones; the gate's upstream never finishes its jobs."""
AT_ONCE = replace(
    NEITHER, name="at-once", accepted=finished, at_once=lambda _job: True, status=None
)
"""Answers a submit with the result; nobody can be asked for it again."""
ADAPTERS = (TOKEN, LOOKUP, NEITHER, SLOW, AT_ONCE)


def wire(upstream: Upstream) -> None:
    """Serve it."""

    async def create(request: web.Request) -> web.Response:
        if unauthorised(request, f"Bearer {KEY}"):
            return web.json_response({}, status=401)
        body = {**await request.json(), "way": request.path.split("/")[1]}
        token = request.headers["Idempotency-Key"] if "/token/" in request.path else ""
        job = upstream.new_job(body, MediaKind.IMAGE, job_id=token)
        if body["way"] == AT_ONCE.name:
            return web.json_response({"data": base64.b64encode(media_of(job.kind)[1]).decode()})
        return web.json_response({"id": job.id})

    async def show(request: web.Request) -> web.Response:
        job = upstream.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({}, status=404)
        stage = job.step()
        return web.json_response(
            {
                "id": job.id,
                "state": WORDS[stage],
                "progress": 0.5 if stage is Stage.WORKING else None,
                "output": [upstream.file_url(job)] if stage is Stage.DONE else [],
                "error": "immoral" if stage is Stage.REFUSED else None,
            }
        )

    async def listing(request: web.Request) -> web.Response:
        wanted = request.query["reference"]
        ids = [job.id for job in upstream.jobs.values() if job.body["reference"] == wanted]
        return web.json_response({"jobs": [{"id": job_id} for job_id in ids]})

    async def stop(request: web.Request) -> web.Response:
        job = upstream.jobs[request.match_info["id"]]
        if job.stage is Stage.DONE:
            return web.json_response({}, status=409)
        job.stay(Stage.CANCELLED)
        return web.json_response({})

    async def me(request: web.Request) -> web.Response:
        known = not unauthorised(request, f"Bearer {KEY}")
        return web.json_response({}, status=200 if known else 401)

    for adapter in ADAPTERS:
        prefix = f"/{adapter.name}"
        upstream.route(Verb.SUBMIT, "POST", prefix + "/jobs", create)
        upstream.route(Verb.FIND, "GET", prefix + "/jobs", listing)
        upstream.route(Verb.STATUS, "GET", prefix + "/jobs/{id}", show)
        upstream.route(Verb.CANCEL, "DELETE", prefix + "/jobs/{id}", stop)
        upstream.route(Verb.CHECK, "GET", prefix + "/me", me)


CASES = tuple(
    Case(
        name=f"faulty-{adapter.name}",
        adapter=adapter,
        wire=wire,
        path=f"/{adapter.name}",
        model="gpt-image-2",
        inputs={"prompt": "A fox in the snow"},
        refusals=(Payload(422, "faulty_moderated.json", Kind.MODERATION),),
        cancel_waiting=CancelOutcome.STOPPED,
        cancel_working=CancelOutcome.STOPPED,
    )
    for adapter in (TOKEN, LOOKUP, NEITHER)
)
