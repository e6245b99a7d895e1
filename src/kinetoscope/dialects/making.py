"""Making a task of what a dialect has read, and waiting for its end where an answer needs that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from kinetoscope.api.body import invalid, issue
from kinetoscope.api.callback import callback_issues
from kinetoscope.api.jobs import IDEMPOTENCY_KEY, fingerprint
from kinetoscope.api.watch import while_there
from kinetoscope.catalog.model import Model
from kinetoscope.dialects.door import Client
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.kernel.ids import TaskId
from kinetoscope.tasks import create, whole
from kinetoscope.tasks.idempotency import Once
from kinetoscope.tasks.request import PATIENT, Created, Patience, Request, Spoken
from kinetoscope.tasks.watch import until_ended
from kinetoscope.tasks.whole import Whole
from kinetoscope.wiring import Runtime, egress_of

BAD_NAME = "Expected 1 to 255 visible ASCII characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client wants, in our words: a model, and inputs under the names that it has for them.

    `once` counts in the place of an Idempotency-Key; without either every request makes a task.
    `body_sha256` is a hash of what was sent, where inputs name files that came along: they get new
    addresses each time.
    """

    model: Model
    inputs: Mapping[str, object]
    spoken: Spoken
    callback_url: str | None = None
    patience: Patience = PATIENT
    once: Once | None = None
    body_sha256: bytes | None = None


async def make(runtime: Runtime, client: Client, wish: Wish) -> Created:
    """Create a task and hold its price.

    Raises InvalidRequest for an address that is never called, and what `create.create` does.
    """
    headers = client.request.headers
    issues: list[InputIssue] = []
    if wish.callback_url is not None:
        issues += callback_issues(egress_of(runtime.settings), wish.callback_url, "callBackUrl")
    name = headers.get("idempotency-key")
    if name is not None and not IDEMPOTENCY_KEY.fullmatch(name):
        issues.append(issue("invalid_type", BAD_NAME, "Idempotency-Key"))
    if issues:
        raise invalid(*issues)
    outcome = headers.get("x-test-outcome")
    once = wish.once
    if name is not None:
        once = Once(key=name, body_sha256=wish.body_sha256 or said(wish, outcome))
    asked = Request(
        model=wish.model.id,
        inputs=dict(wish.inputs),
        auto_fix=False,
        callback_url=wish.callback_url,
        once=once,
        outcome=outcome,
        spoken=wish.spoken,
        patience=wish.patience,
    )
    return await create.create(
        runtime.database, runtime.catalog, runtime.routes, client.key, asked, runtime.clock()
    )


def said(wish: Wish, outcome: str | None = None) -> bytes:
    """Return a hash of what a wish says, however it was written."""
    stated: dict[str, object] = {
        "model": wish.model.id,
        "inputs": dict(wish.inputs),
        "dialect": wish.spoken.dialect,
        "callBackUrl": wish.callback_url,
        "events": wish.spoken.events,
        "patience": [_seconds(wish.patience.start), _seconds(wish.patience.end)],
    }
    return fingerprint(stated, outcome)


def _seconds(distance: timedelta | None) -> float | None:
    return None if distance is None else distance.total_seconds()


async def waited(runtime: Runtime, client: Client, task_id: TaskId, timeout_s: float) -> Whole:
    """Return a task once it has ended, or as it stands when the time is over.

    Raises ClientDisconnect where the client leaves meanwhile; the task goes on.
    """
    account_id = client.caller.account_id
    ended = until_ended(runtime.watch, account_id, task_id, timeout_s)
    record = await while_there(client.request, ended)
    found = await whole.besides(runtime.database, [record])
    if not found:
        return await whole.own(runtime.database, account_id, task_id, runtime.clock())
    return found[0]
