"""Reading a request: its body, bounded, and what it says."""

import re
from typing import Any

import orjson
from starlette.requests import Request

from kinetoscope.kernel.errors import BodyTooLarge, InputIssue, InvalidRequest
from kinetoscope.kernel.ids import TaskId, is_task_id

LENGTH = re.compile(r"[0-9]{1,18}")
"""Digits that are safe to read as a number; Python refuses thousands of them."""


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


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; raises InvalidRequest."""
    try:
        stated = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise invalid(issue("invalid_json", "The body must be JSON")) from None
    if not isinstance(stated, dict):
        raise invalid(issue("invalid_type", "The body must be a JSON object"))
    return stated


async def read_object(request: Request, bytes_max: int = 65536) -> dict[str, Any]:
    """Read a request's body as a JSON object; raises BodyTooLarge or InvalidRequest."""
    return parse_object(await read_body(request, bytes_max))


def invalid(*issues: InputIssue) -> InvalidRequest:
    """Return the contract's error for a request that is not what it should be."""
    return InvalidRequest("Invalid request parameters", issues)


def issue(code: str, message: str, *path: str) -> InputIssue:
    """Return one thing that is wrong with a request: `path` leads to it."""
    return InputIssue(code, message, path)


def read_task_id(stated: object) -> TaskId:
    """Read a body's taskId; raises InvalidRequest, malformed ids in recordInfo's words."""
    if not isinstance(stated, str):
        raise invalid(issue("invalid_type", "Expected the id of a task", "taskId"))
    if not is_task_id(stated):
        raise InvalidRequest("Invalid taskId")
    return TaskId(stated)
