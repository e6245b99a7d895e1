"""The queue's requests by their ids: their state, what they came to, and their end before that.

Whose model a request was for stands in these paths, and is not looked at: the id is enough.
https://docs.fal.ai/model-apis/model-endpoints/queue
"""

from starlette.responses import Response

from kinetoscope.dialects.door import Client
from kinetoscope.dialects.fal.answers import BAD_REQUEST, NOT_FOUND, told
from kinetoscope.dialects.fal.polls import Polls
from kinetoscope.dialects.fal.results import has_ended, result
from kinetoscope.dialects.fal.states import Shown, logs, state
from kinetoscope.dialects.fal.streams import Events, status_events
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import TaskId, is_task_id
from kinetoscope.tasks import whole
from kinetoscope.tasks.cancel import Cancelled, cancel
from kinetoscope.tasks.whole import Whole
from kinetoscope.wiring import Runtime, lifetimes_of

NOT_YET = 202
IN_PROGRESS = "Request is still in progress"


async def status(polls: Polls, runtime: Runtime, client: Client) -> Response:
    """Tell how a request stands."""
    stated = client.request.path_params["request_id"]
    if not is_task_id(stated):
        raise NotFound("Task not found")
    caller, task_id, with_logs = client.caller, TaskId(stated), _wants_logs(client)
    seen = await polls.seen(runtime.watch, caller.key_id, caller.account_id, task_id)
    found = None
    if seen.has_ended or with_logs:
        besides = await whole.besides(runtime.database, [seen.record], seen.position)
        if not besides:
            raise NotFound("Task not found")  # deleted in this moment
        (found,) = besides
    shown = Shown(seen=seen, whole=found, app=_app(client), now=runtime.clock())
    body = state(shown, runtime.settings.public_url, runtime.signer)
    if with_logs:
        body["logs"] = logs(shown)
    return told(body, 200 if seen.has_ended else NOT_YET, request_id=task_id)


async def status_stream(runtime: Runtime, client: Client) -> Response:
    """Tell how a request stands whenever that changes."""
    found = await _own(runtime, client)
    account_id, task_id = client.caller.account_id, found.record.id
    with runtime.watch.place(account_id):
        pass  # refused while there is still a status to refuse with
    events = status_events(
        runtime, account_id, _app(client), task_id, with_logs=_wants_logs(client)
    )
    return Events(events, task_id)


async def response(runtime: Runtime, client: Client) -> Response:
    """Answer with what a request came to."""
    found = await _own(runtime, client)
    if has_ended(found):
        return result(found, runtime.signer)
    return told({"detail": IN_PROGRESS}, BAD_REQUEST, request_id=found.record.id)


async def end(runtime: Runtime, client: Client) -> Response:
    """End a request, or ask for its end."""
    stated = client.request.path_params["request_id"]
    caller = client.caller
    try:
        if not is_task_id(stated):
            raise NotFound("Task not found")  # noqa: TRY301 - said below, as for any other
        done = await cancel(
            runtime.database,
            lifetimes_of(runtime.settings),
            caller.account_id,
            TaskId(stated),
            runtime.clock(),
            mode=caller.mode,
        )
    except NotFound as error:
        body = {"status": "NOT_FOUND", "detail": str(error)}
        return told(body, NOT_FOUND, request_id=stated if is_task_id(stated) else "")
    code, word = _word(done)
    return told({"status": word}, code, request_id=stated)


def _word(done: Cancelled) -> tuple[int, str]:
    """Return how fal says what became of a wish to cancel.

    https://fal.ai/docs/inference-api/queue/cancel
    """
    if done.cancelled:
        return 200, "OK"
    if done.requested:
        return NOT_YET, "CANCELLATION_REQUESTED"
    return BAD_REQUEST, "ALREADY_COMPLETED"


async def _own(runtime: Runtime, client: Client) -> Whole:
    task_id = client.request.path_params["request_id"]
    account_id = client.caller.account_id
    return await whole.own(runtime.database, account_id, task_id, runtime.clock())


def _app(client: Client) -> str:
    return str(client.request.path_params["app"])


def _wants_logs(client: Client) -> bool:
    return client.request.query_params.get("logs", "").lower() in {"1", "true"}
