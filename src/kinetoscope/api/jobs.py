"""createTask and recordInfo, as https://kinovi.ai/docs/common/reference/api-overview has them."""

import hashlib
import re
from collections.abc import Mapping

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from kinetoscope.accounts import opening
from kinetoscope.api import told_headers
from kinetoscope.api.auth import presented
from kinetoscope.api.body import LENGTH, invalid, issue, parse_object, read_body
from kinetoscope.api.callback import callback_issues
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.pace import keep_pace
from kinetoscope.api.record import record_json
from kinetoscope.api.rehearsals import WORDS
from kinetoscope.api.schemas import TASK_ID, ref
from kinetoscope.kernel.errors import (
    BodyTooLarge,
    InvalidInputs,
    InvalidRequest,
    ModelUnavailable,
    UnknownModel,
)
from kinetoscope.kernel.outbound import Egress
from kinetoscope.tasks import create, read
from kinetoscope.tasks.idempotency import Once
from kinetoscope.tasks.request import SCOPE, Created, Request
from kinetoscope.wiring import egress_of

ONLY_TASK_ID = re.compile(rb"taskId=([0-9A-Za-z_]+)")

SHORT_BYTES = 64 * 1024

IDEMPOTENCY_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")

REPLAYED = {told_headers.REPLAYED: "true"}

UNCACHEABLE = {
    "type": "string",
    "description": "Why `useCache` can never do anything for such a request",
}

CREATE_TASK = Operation(
    summary="Create a task",
    tag="jobs",
    description="Checks the inputs, holds the price and returns at once; what is refused leaves no "
    "trace. Ask recordInfo for the result, or give a callBackUrl. A data URI may have 20 MiB of "
    "text, a file of 15 MB; upload what is larger, or more of it than a body takes.",
    parameters=(
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A name of yours for this request. Sent again with the same body within "
            "24 hours it gives the same task, marked `Idempotent-Replayed: true`.",
            "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
        },
        {
            "name": "X-Test-Outcome",
            "in": "header",
            "description": "For test keys only: how the task shall go, instead of well. "
            + "; ".join(f"`{word}` {text}" for word, text in WORDS.items())
            + ".",
            "schema": {"enum": list(WORDS)},
        },
    ),
    body=ref("CreateTask"),
    answer={
        "type": "object",
        "required": ["taskId"],
        "properties": {
            "taskId": TASK_ID,
            "cached": {
                "type": "boolean",
                "description": "Whether an earlier task's files are shown; present with useCache",
            },
            "uncacheable": UNCACHEABLE,
        },
    },
    answers={
        400: "The request, the model or its inputs are not valid",
        402: "Too few credits, or the key may not spend that much",
        409: "A request with this Idempotency-Key is still running",
        410: "The task that this Idempotency-Key made was deleted, or is known no more",
        413: "The body is too large",
        422: "This Idempotency-Key came with a different body before",
    },
    headers={200: (told_headers.REPLAYED,)},
)

RECORD_INFO = Operation(
    summary="Tell how a task stands",
    tag="jobs",
    description="Ask every few seconds until status is success or fail.",
    parameters=({"name": "taskId", "in": "query", "required": True, "schema": TASK_ID},),
    answer=ref("Record"),
    answers={400: "The taskId is missing or malformed", 404: "There is no such task"},
)


def mount(doors: Doors) -> None:
    """Add createTask and recordInfo."""
    runtime, seen = doors.runtime, doors.seen
    database, settings = runtime.database, runtime.settings
    egress = egress_of(settings)

    async def create_task(request: HttpRequest) -> Response:
        """Create a task; its credits are held at once."""
        key = presented(request, settings.trusted_proxies)
        await keep_pace(doors.limiter, request, key)
        now = runtime.clock()
        if not is_short(request):
            # Reading and parsing much costs much: not for a key that opens nothing.
            opening.require(await opening.authenticate(database, key, now), SCOPE)
        try:
            body = await read_body(request, settings.body_bytes_max)
            now = runtime.clock()
            asked = parse_request(body, request.headers, egress)
            created = await create.create(
                database, runtime.catalog, runtime.routes, key, asked, now
            )
        except (InvalidRequest, BodyTooLarge, UnknownModel, ModelUnavailable, InvalidInputs):
            # A stranger learns that the key is bad before anything else.
            opening.require(await opening.authenticate(database, key, now), SCOPE)
            raise
        seen.add(key.id)
        return answer(created_json(created, asked), headers=REPLAYED if created.replayed else None)

    async def record_info(request: HttpRequest) -> Response:
        """Tell how a task stands."""
        key = presented(request, settings.trusted_proxies)
        await keep_pace(doors.limiter, request, key)
        task_id = asked_task_id(request)
        found = await read.record(database, key, task_id, runtime.clock())
        seen.add(key.id)
        return answer(record_json(found, runtime.signer))

    doors.direct("POST", "/api/v1/jobs/createTask", SCOPE, create_task, CREATE_TASK)
    doors.direct("GET", "/api/v1/jobs/recordInfo", read.SCOPE, record_info, RECORD_INFO)


def asked_task_id(request: HttpRequest) -> str | None:
    """Return the query's taskId; the form that nearly all polls have is read without parsing."""
    match = ONLY_TASK_ID.fullmatch(request.scope["query_string"])
    if match is not None:
        return match[1].decode()
    return request.query_params.get("taskId")


def created_json(created: Created, asked: Request) -> dict[str, object]:
    """Return createTask's answer; `cached` only where an earlier task's media was asked for."""
    body: dict[str, object] = {"taskId": created.task_id}
    if asked.reuse:
        body["cached"] = created.reused
    if created.uncacheable is not None:
        body["uncacheable"] = created.uncacheable
    return body


def parse_request(body: bytes, headers: Mapping[str, str], egress: Egress) -> Request:
    """Read createTask's request; raises InvalidRequest listing everything that is wrong with it.

    What `egress` would never call is no callBackUrl.

    `input` is taken for `inputs`, as a sibling service spells it. Keys nobody knows are ignored.
    """
    stated = parse_object(body)
    model = stated.get("model")
    inputs = stated.get("inputs", stated.get("input"))
    auto_fix = stated.get("autoFix", False)
    use_cache = stated.get("useCache", False)
    callback_url = stated.get("callBackUrl")
    name = headers.get("idempotency-key")
    checks = (
        (isinstance(model, str) and model != "", "model", "Expected the id of a model"),
        (isinstance(inputs, dict), "inputs", "Expected an object"),
        (isinstance(auto_fix, bool), "autoFix", "Expected a boolean"),
        (isinstance(use_cache, bool), "useCache", "Expected a boolean"),
        (
            name is None or IDEMPOTENCY_KEY.fullmatch(name) is not None,
            "Idempotency-Key",
            "Expected 1 to 255 visible ASCII characters",
        ),
    )
    issues = [issue("invalid_type", text, name) for good, name, text in checks if not good]
    if callback_url is not None:
        issues += callback_issues(egress, callback_url, "callBackUrl")
    if issues:
        raise invalid(*issues)
    outcome = headers.get("x-test-outcome")
    return Request(
        model=str(model),
        inputs=inputs,
        auto_fix=auto_fix,
        callback_url=callback_url,
        reuse=use_cache,
        once=None if name is None else Once(key=name, body_sha256=fingerprint(stated, outcome)),
        outcome=outcome,
    )


def fingerprint(stated: dict[str, object], outcome: str | None) -> bytes:
    """Hash what a request says, however its JSON is written; raises InvalidRequest."""
    try:
        text = orjson.dumps([stated, outcome], option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise invalid(issue("too_big", "The body is nested too deeply")) from None
    return hashlib.sha256(text).digest()


def is_short(request: HttpRequest) -> bool:
    """Whether a request says of its body that it is small."""
    stated = request.headers.get("content-length", "")
    return LENGTH.fullmatch(stated) is not None and int(stated) <= SHORT_BYTES
