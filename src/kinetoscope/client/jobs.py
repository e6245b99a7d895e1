"""The calls about tasks: make one, wait for it, read, cancel, delete and list them."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast
from urllib.parse import quote

import httpx

from kinetoscope.client import uploading
from kinetoscope.client.asking import (
    asked,
    asked_for,
    asked_json,
    backoff_s,
    request_for,
    understood,
    with_headers,
)
from kinetoscope.client.errors import (
    ClientError,
    ConcurrencyLimit,
    RateLimited,
    TaskCancelled,
    TaskFailed,
    WaitTimedOut,
    about,
)
from kinetoscope.client.steps import Emit, Pause, Request, Server, Steps
from kinetoscope.client.values import (
    CANCELLED,
    Cancellation,
    Credits,
    Estimate,
    Model,
    Status,
    Submitted,
    Task,
    estimate_from,
    model_from,
    parse_json,
    task_from,
    text_of,
)

JOBS = "/api/v1/jobs"

WAIT_S = 25
"""One question's share of a wait: shorter than what most proxies allow."""
WAIT_GRACE_S = 20.0
POLL_DELAY_S = 2.0

PAGE_TASKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a task is made from, and how. `wait_for_room_s` is how long a full account may wait."""

    model: str
    inputs: Mapping[str, Any]
    callback_url: str | None = None
    auto_fix: bool = False
    use_cache: bool = False
    test_outcome: str | None = None
    idempotency_key: str | None = None
    wait_for_room_s: float = 0.0


def submit(server: Server, order: Order) -> Steps[Submitted]:
    """Make a task: once, however often the request has to be repeated."""
    key = order.idempotency_key or secrets.token_hex(16)
    content = yield from _body(server, order)
    request = request_for(server, "POST", f"{JOBS}/createTask", content=content)
    request = with_headers(request, Idempotency_Key=key, **_outcome(order))
    with about(None, key):
        response = yield from _room_found(server, request, order.wait_for_room_s)
        with understood(request.url):
            made = parse_json(response.content)
            return Submitted(
                id=text_of(made, "taskId"),
                idempotency_key=key,
                replayed=response.headers.get("idempotent-replayed") == "true",
                cached=bool(made.get("cached")),
                uncacheable=made.get("uncacheable"),
            )


def _room_found(server: Server, request: Request, room_s: float) -> Steps[httpx.Response]:
    """Ask for a task until the account has room for it, or that has taken too long."""
    deadline_s = min(time.monotonic() + room_s, server.deadline_s)
    earlier = ClientError()
    while True:
        try:
            return (yield from asked(server, request))
        except ClientError as error:
            error.remember(earlier)
            earlier = error
            left_s = deadline_s - time.monotonic()
            if not isinstance(error, ConcurrencyLimit) or left_s <= 0:
                raise
            yield Pause(min((error.retry_after_s or POLL_DELAY_S) + backoff_s(0), left_s))


def estimate(server: Server, order: Order) -> Steps[Estimate]:
    """Tell what a task would cost, and whether it would be taken."""
    content = yield from _body(server, order)
    request = request_for(server, "POST", f"{JOBS}/estimateTask", content=content)
    return (yield from asked_for(server, with_headers(request, **_outcome(order)), estimate_from))


def _body(server: Server, order: Order) -> Steps[bytes]:
    body: dict[str, Any] = {
        "model": order.model,
        "inputs": (yield from uploading.uploaded(server, order.inputs)),
    }
    if order.callback_url is not None:
        body["callBackUrl"] = order.callback_url
    if order.auto_fix:
        body["autoFix"] = True
    if order.use_cache:
        body["useCache"] = True
    return json.dumps(body).encode()


def _outcome(order: Order) -> dict[str, str]:
    return {} if order.test_outcome is None else {"X_Test_Outcome": order.test_outcome}


def run(server: Server, order: Order, timeout_s: float | None) -> Steps[Task]:
    """Make a task and wait for its end; the timeout is for both, once files are uploaded."""
    order = replace(order, inputs=(yield from uploading.uploaded(server, order.inputs)))
    server = until(server, timeout_s)
    made = yield from submit(server, order)
    with about(made.id, made.idempotency_key):
        return succeeded((yield from _ended(server, made.id, timeout_s)))


def until(server: Server, timeout_s: float | None) -> Server:
    """Return the server as it is asked while a call may not take longer than this."""
    return server if timeout_s is None else replace(server, deadline_s=time.monotonic() + timeout_s)


def get(server: Server, task_id: str) -> Steps[Task]:
    """Read a task as it stands."""
    request = request_for(server, "GET", f"{JOBS}/recordInfo")
    return (yield from asked_for(server, replace(request, params={"taskId": task_id}), task_from))


def wait(
    server: Server, task_id: str, timeout_s: float | None, *, must_succeed: bool
) -> Steps[Task]:
    """Wait for a task's end; raises WaitTimedOut, and TaskFailed if it must succeed."""
    with about(task_id):
        task = yield from _ended(until(server, timeout_s), task_id, timeout_s)
    return succeeded(task) if must_succeed else task


def _ended(server: Server, task_id: str, timeout_s: float | None) -> Steps[Task]:
    while True:
        left_s = server.deadline_s - time.monotonic()
        task = yield from _wait_once(server, task_id, int(max(0, min(WAIT_S, left_s))))
        if task.has_ended:
            return task
        left_s = server.deadline_s - time.monotonic()
        if left_s <= 0:
            raise WaitTimedOut(task, timeout_s or 0.0)
        if left_s < 1:  # the server counts in whole seconds
            yield Pause(left_s)


def _wait_once(server: Server, task_id: str, wait_s: int) -> Steps[Task]:
    request = request_for(server, "GET", f"{JOBS}/waitTask", read_s=wait_s + WAIT_GRACE_S)
    params = {"taskId": task_id, "timeout": str(wait_s)}
    try:
        return (yield from asked_for(server, replace(request, params=params), task_from))
    except RateLimited as crowded:
        # Too many wait already; asking now and then is always possible.
        yield Pause(min(crowded.retry_after_s or POLL_DELAY_S, wait_s))
        return (yield from get(server, task_id))


def succeeded(task: Task) -> Task:
    """Return a task that succeeded; raises TaskFailed or TaskCancelled."""
    if task.status == "success":
        return task
    cancelled = task.error is not None and task.error.code == CANCELLED
    raise TaskCancelled(task) if cancelled else TaskFailed(task)


def cancel(server: Server, task_id: str) -> Steps[Cancellation]:
    """Want a task's end."""
    content = json.dumps({"taskId": task_id}).encode()
    request = request_for(server, "POST", f"{JOBS}/cancelTask", content=content)
    return (yield from asked_for(server, request, _cancellation))


def _cancellation(data: Mapping[str, Any]) -> Cancellation:
    return Cancellation(
        task_id=text_of(data, "taskId"),
        status=cast("Status", text_of(data, "status")),
        cancelled=bool(data["cancelled"]),
        requested=bool(data["cancelRequested"]),
    )


def delete(server: Server, task_id: str) -> Steps[None]:
    """Have an ended task's data removed."""
    content = json.dumps({"taskId": task_id}).encode()
    yield from asked_json(
        server, request_for(server, "POST", f"{JOBS}/deleteTask", content=content)
    )


def listing(server: Server, query: Mapping[str, str], limit: int | None) -> Steps[None]:
    """Tell of tasks, newest first, page by page as somebody iterates."""
    request = request_for(server, "GET", f"{JOBS}/listTasks")
    left = limit
    cursor: str | None = None
    while left is None or left > 0:
        size = PAGE_TASKS if left is None else min(PAGE_TASKS, left)
        params = {**query, "limit": str(size), **({} if cursor is None else {"cursor": cursor})}
        tasks, cursor = yield from asked_for(server, replace(request, params=params), _page)
        for task in tasks:
            yield Emit(task)
        left = None if left is None else left - len(tasks)
        if cursor is None:
            return


def _page(data: Mapping[str, Any]) -> tuple[tuple[Task, ...], str | None]:
    tasks = tuple(task_from(one) for one in data["tasks"])
    return tasks, None if data["nextCursor"] is None else text_of(data, "nextCursor")


def models(server: Server) -> Steps[tuple[Model, ...]]:
    """List the models."""
    request = request_for(server, "GET", "/api/v1/models")
    return (
        yield from asked_for(
            server, request, lambda data: tuple(model_from(one) for one in data["models"])
        )
    )


def model(server: Server, model_id: str) -> Steps[Model]:
    """Describe a model; raises NotFound, which names `nearest` ones."""
    path = f"/api/v1/models/{quote(model_id, safe='')}"
    return (yield from asked_for(server, request_for(server, "GET", path), model_from))


def credits_left(server: Server) -> Steps[Credits]:
    """Tell the account's credits."""
    request = request_for(server, "GET", "/api/v1/credits")
    return (yield from asked_for(server, request, _credits))


def _credits(data: Mapping[str, Any]) -> Credits:
    return Credits(available=Decimal(data["available"]), held=Decimal(data["held"]))
