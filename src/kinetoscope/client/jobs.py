"""The calls about tasks: make one, wait for it, read, cancel, delete and list them."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from kinetoscope.client import uploading
from kinetoscope.client.asking import asked, asked_json, backoff_s, request_for, with_headers
from kinetoscope.client.errors import (
    ConcurrencyLimit,
    RateLimited,
    TaskCancelled,
    TaskFailed,
    UnexpectedAnswer,
    WaitTimedOut,
)
from kinetoscope.client.steps import Emit, Pause, Server, Steps
from kinetoscope.client.values import (
    CANCELLED,
    Cancellation,
    Credits,
    Estimate,
    Model,
    Submitted,
    Task,
    estimate_from,
    model_from,
    parse_json,
    task_from,
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
    deadline_s = time.monotonic() + order.wait_for_room_s
    response = None
    while response is None:
        try:
            response = yield from asked(server, request)
        except ConcurrencyLimit as full:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise
            yield Pause(min((full.retry_after_s or POLL_DELAY_S) + backoff_s(0), left_s))
    try:
        made = parse_json(response.content)
        task_id = str(made["taskId"])
    except (ValueError, KeyError, TypeError):
        raise UnexpectedAnswer(f"{request.url} answers without a taskId") from None
    return Submitted(
        id=task_id,
        idempotency_key=key,
        replayed=response.headers.get("idempotent-replayed") == "true",
        cached=bool(made.get("cached")),
        uncacheable=made.get("uncacheable"),
    )


def estimate(server: Server, order: Order) -> Steps[Estimate]:
    """Tell what a task would cost, and whether it would be taken."""
    content = yield from _body(server, order)
    request = request_for(server, "POST", f"{JOBS}/estimateTask", content=content)
    data = yield from asked_json(server, with_headers(request, **_outcome(order)))
    return estimate_from(data)


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
    """Make a task and wait for its end."""
    made = yield from submit(server, order)
    return (yield from wait(server, made.id, timeout_s, must_succeed=True))


def get(server: Server, task_id: str) -> Steps[Task]:
    """Read a task as it stands."""
    request = request_for(server, "GET", f"{JOBS}/recordInfo")
    data = yield from asked_json(server, replace(request, params={"taskId": task_id}))
    return task_from(data)


def wait(
    server: Server, task_id: str, timeout_s: float | None, *, must_succeed: bool
) -> Steps[Task]:
    """Wait for a task's end; raises WaitTimedOut, and TaskFailed if it must succeed."""
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = WAIT_S if deadline_s is None else deadline_s - time.monotonic()
        task = yield from _wait_once(server, task_id, int(max(0, min(WAIT_S, left_s))))
        if task.has_ended:
            return succeeded(task) if must_succeed else task
        if deadline_s is not None and timeout_s is not None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise WaitTimedOut(task, timeout_s)
            if left_s < 1:  # the server counts in whole seconds
                yield Pause(left_s)


def _wait_once(server: Server, task_id: str, wait_s: int) -> Steps[Task]:
    request = request_for(server, "GET", f"{JOBS}/waitTask", read_s=wait_s + WAIT_GRACE_S)
    params = {"taskId": task_id, "timeout": str(wait_s)}
    try:
        return task_from((yield from asked_json(server, replace(request, params=params))))
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
    data = yield from asked_json(server, request)
    return Cancellation(
        task_id=data["taskId"],
        status=data["status"],
        cancelled=data["cancelled"],
        requested=data["cancelRequested"],
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
        page = yield from asked_json(server, replace(request, params=params))
        for data in page["tasks"]:
            yield Emit(task_from(data))
        left = None if left is None else left - len(page["tasks"])
        cursor = page["nextCursor"]
        if cursor is None:
            return


def models(server: Server) -> Steps[tuple[Model, ...]]:
    """List the models."""
    data = yield from asked_json(server, request_for(server, "GET", "/api/v1/models"))
    return tuple(model_from(one) for one in data["models"])


def model(server: Server, model_id: str) -> Steps[Model]:
    """Describe a model; raises NotFound, which names `nearest` ones."""
    path = f"/api/v1/models/{quote(model_id, safe='')}"
    return model_from((yield from asked_json(server, request_for(server, "GET", path))))


def credits_left(server: Server) -> Steps[Credits]:
    """Tell the account's credits."""
    data = yield from asked_json(server, request_for(server, "GET", "/api/v1/credits"))
    return Credits(available=Decimal(data["available"]), held=Decimal(data["held"]))
