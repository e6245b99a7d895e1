"""The official client of the Model Context Protocol: agents say things by calling tools."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ResourceLink, TextContent

URL = os.environ["KINETOSCOPE_TEST_URL"] + "/api/mcp"  # noqa: TID251
WAIT_S = 60


class Refused(Exception):
    """What a tool refused, in the native contract's words, or the status of the door."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status


SEEN: list[int] = []
"""The statuses of the latest call's answers; the client's own errors do not tell them."""


async def note(response: httpx2.Response) -> None:
    SEEN.append(response.status_code)


async def call(
    key: str, tool: str, events: list[str] | None = None, **given: object
) -> CallToolResult:
    SEEN.clear()

    async def told(progress: float, total: float | None, message: str | None) -> None:
        del total
        if events is not None:
            events.append(message or str(progress))

    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90, event_hooks={"response": [note]}) as http,
        Client(streamable_http_client(URL, http_client=http), mode="legacy") as client,
    ):
        result = await client.call_tool(tool, given, progress_callback=told)
    if result.is_error:
        first = result.content[0]
        text = first.text if isinstance(first, TextContent) else ""
        raise Refused(status_of(text), text)
    return result


def status_of(text: str) -> int | None:
    """Agents see no status; the words tell which it would be."""
    words = {"Access denied": 403, "not found": 404, "Insufficient": 402, "Concurrency": 429}
    return next((status for word, status in words.items() if word in text), None)


def told(result: CallToolResult) -> dict[str, Any]:
    record = result.structured_content
    assert record is not None
    links = [str(each.uri) for each in result.content if isinstance(each, ResourceLink)]
    error = record["error"]
    return {
        "state": record["status"],
        "urls": links,
        "error": None if error is None else error["message"],
    }


def inputs(asked: dict[str, Any], **further: object) -> dict[str, Any]:
    return {"prompt": asked["prompt"], **(asked.get("inputs") or {}), **further}


async def create(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    name = (asked.get("headers") or {}).get("Idempotency-Key")
    named = {"idempotency_key": name} if name else {}
    made = await call(key, "generate", model=asked["model"], inputs=inputs(asked), **named)
    assert made.structured_content is not None
    return {"id": made.structured_content["taskId"], "state": "waiting"}


async def get(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return told(await call(key, "get_task", task_id=asked["id"]))


async def wait(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return told(await call(key, "wait_for_task", task_id=asked["id"], wait_s=WAIT_S))


async def run(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    given = inputs(asked)
    return told(await call(key, "generate", model=asked["model"], inputs=given, wait_s=WAIT_S))


async def stream(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    events: list[str] = []
    given = inputs(asked)
    await call(key, "generate", events, model=asked["model"], inputs=given, wait_s=WAIT_S)
    return {"events": events}


async def cancel(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    await call(key, "cancel", task_id=asked["id"])
    return await get(key, asked)


async def download(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    (url, *_) = (await get(key, asked))["urls"]
    async with httpx2.AsyncClient() as http:
        content = (await http.get(url)).raise_for_status().content
    Path(asked["to"]).write_bytes(content)  # noqa: ASYNC240 - it has nothing else to do
    return {"bytes": len(content)}


async def listing(key: str, _asked: dict[str, Any]) -> dict[str, Any]:
    found = await call(key, "list_tasks")
    assert found.structured_content is not None
    return {"ids": [task["taskId"] for task in found.structured_content["tasks"]]}


VERBS = {
    "create": create,
    "get": get,
    "wait": wait,
    "run": run,
    "stream": stream,
    "cancel": cancel,
    "download": download,
    "list": listing,
}


def first_of(error: BaseException) -> BaseException:
    """Return what went wrong inside the groups that sessions wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def answer(line: str) -> dict[str, Any]:
    asked = json.loads(line)
    try:
        return {"ok": asyncio.run(VERBS[asked["verb"]](asked["key"], asked))}
    except BaseException as group:  # noqa: BLE001 - whatever it is, it is told
        error = first_of(group)
        status = getattr(error, "status", None)
        if status is None:
            status = next((each for each in SEEN if each >= 400), None)
        return {"error": {"type": type(error).__name__, "status": status, "message": str(error)}}


for line in sys.stdin:
    print(json.dumps(answer(line)), flush=True)  # noqa: T201 - the answer
