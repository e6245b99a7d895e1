"""createTask and recordInfo, as https://kinovi.ai/docs/common/reference/api-overview has them."""

import re
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.auth import KeysSeen, authenticate, presented
from kinetoscope.api.direct import DirectApp
from kinetoscope.api.envelope import answer, credits_json
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import (
    BodyTooLarge,
    InputIssue,
    InvalidInputs,
    InvalidRequest,
    UnknownModel,
)
from kinetoscope.media.signing import Signer
from kinetoscope.tasks import create, read
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.task import StoredOutput
from kinetoscope.wiring import Runtime

ONLY_TASK_ID = re.compile(rb"taskId=([0-9A-Za-z_]+)")

CALLBACK_URL_LENGTH_MAX = 2048

LENGTH = re.compile(r"[0-9]{1,18}")
"""Digits that are safe to read as a number; Python refuses thousands of them."""


def mount(app: DirectApp, runtime: Runtime, seen: KeysSeen) -> None:
    """Add the routes under /api/v1/jobs."""
    database, settings = runtime.database, runtime.settings

    async def create_task(request: Request) -> Response:
        """Create a task; its credits are held at once."""
        key = presented(request)
        now = runtime.clock()
        try:
            body = await read_body(request, settings.body_bytes_max)
            now = runtime.clock()
            asked = parse_request(body)
            task_id = await create.create(
                database, runtime.catalog, runtime.routes, key, asked, now
            )
        except (InvalidRequest, BodyTooLarge, UnknownModel, InvalidInputs):
            # A stranger learns that the key is bad before anything else.
            await authenticate(database, key, create.SCOPE, now)
            raise
        seen.add(key.id)
        return answer({"taskId": task_id})

    async def record_info(request: Request) -> Response:
        """Tell how a task stands."""
        key = presented(request)
        task_id = asked_task_id(request)
        found = await read.record(database, key, task_id, runtime.clock())
        seen.add(key.id)
        return answer(record_json(found, runtime.signer))

    app.add_direct_route("POST", "/api/v1/jobs/createTask", create_task)
    app.add_direct_route("GET", "/api/v1/jobs/recordInfo", record_info)


def asked_task_id(request: Request) -> str | None:
    """Return the query's taskId; the form that nearly all polls have is read without parsing."""
    match = ONLY_TASK_ID.fullmatch(request.scope["query_string"])
    if match is not None:
        return match[1].decode()
    return request.query_params.get("taskId")


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read a request's body; raises BodyTooLarge as soon as that is clear."""
    stated = request.headers.get("content-length", "")
    if LENGTH.fullmatch(stated) and int(stated) > bytes_max:
        raise BodyTooLarge(bytes_max)
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise BodyTooLarge(bytes_max)
        chunks.append(chunk)
    return b"".join(chunks)


def parse_request(body: bytes) -> create.Request:
    """Read createTask's body; raises InvalidRequest listing everything that is wrong with it.

    `input` is taken for `inputs`, as a sibling service spells it. Keys nobody knows are ignored.
    """
    try:
        stated = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _invalid(_issue("invalid_json", "The body must be JSON")) from None
    if not isinstance(stated, dict):
        raise _invalid(_issue("invalid_type", "The body must be a JSON object"))
    model = stated.get("model")
    inputs = stated.get("inputs", stated.get("input"))
    auto_fix = stated.get("autoFix", False)
    callback_url = stated.get("callBackUrl")
    checks = (
        (isinstance(model, str) and model != "", "model", "Expected the id of a model"),
        (isinstance(inputs, dict), "inputs", "Expected an object"),
        (isinstance(auto_fix, bool), "autoFix", "Expected a boolean"),
        (
            callback_url is None or is_callback_url(callback_url),
            "callBackUrl",
            "Expected an http or https URL",
        ),
    )
    issues = [_issue("invalid_type", text, name) for good, name, text in checks if not good]
    if issues:
        raise _invalid(*issues)
    return create.Request(
        model=str(model), inputs=inputs, auto_fix=auto_fix, callback_url=callback_url
    )


def is_callback_url(url: object) -> bool:
    """Whether a value has the form of an address that we could call."""
    if not isinstance(url, str) or len(url) > CALLBACK_URL_LENGTH_MAX or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0  # a port out of range raises
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and has_place and " " not in url


def record_json(record: Record, signer: Signer) -> dict[str, Any]:
    """Return a task in the contract's shape, and `progress`, `preview`, `expiresAt` besides."""
    expires_at = record.media_expires_at
    output = None
    if expires_at is not None:
        output = [
            output_json(
                stored,
                signer.url(stored.name, expires_at),
                stored.last_frame_name and signer.url(stored.last_frame_name, expires_at),
            )
            for stored in record.output
        ]
    failure = record.failure
    completed_at = record.completed_at
    return {
        "taskId": record.id,
        "model": record.model,
        "status": record.status,
        "creditsUsed": credits_json(record.price),
        "output": output,
        "error": None if failure is None else {"code": failure.code, "message": failure.message},
        "createTime": unix_ms(record.created_at),
        "completeTime": None if completed_at is None else unix_ms(completed_at),
        "progress": record.progress_percent,
        "preview": record.preview,
        "expiresAt": None if expires_at is None else unix_ms(expires_at),
    }


def output_json(stored: StoredOutput, url: str, last_frame_url: str | None) -> dict[str, Any]:
    """Return one finished file in the contract's shape."""
    item: dict[str, Any] = {"url": url, "mediaType": stored.media_type, "seed": stored.seed}
    if stored.width:
        item |= {"width": stored.width, "height": stored.height}
    if stored.duration_ms:
        item["duration"] = stored.duration_ms / 1000
    if last_frame_url is not None:
        item["lastFrameImage"] = last_frame_url
    return item


def _invalid(*issues: InputIssue) -> InvalidRequest:
    return InvalidRequest("Invalid request parameters", issues)


def _issue(code: str, message: str, *path: str) -> InputIssue:
    return InputIssue(code, message, path)
