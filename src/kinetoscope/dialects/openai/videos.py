"""Videos: create, retrieve, list and delete them. They are the tasks whose models make videos.

https://platform.openai.com/docs/api-reference/videos
"""

import re
from collections.abc import Mapping
from functools import partial

from starlette.responses import Response

from kinetoscope.api.body import invalid, issue
from kinetoscope.api.envelope import answer
from kinetoscope.catalog.model import Model
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.inputs import refused
from kinetoscope.dialects.openai.asking import (
    Asked,
    Parts,
    asked,
    media_of,
    model_of,
    refuse_other_files,
    text_of,
)
from kinetoscope.dialects.openai.making import Order, inputs_of, make
from kinetoscope.dialects.openai.shapes import kind_of_task, video_json
from kinetoscope.kernel.errors import Forbidden, NotFound
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import MediaKind
from kinetoscope.tasks import whole
from kinetoscope.tasks.cancel import cancel
from kinetoscope.tasks.delete import delete
from kinetoscope.tasks.listing import Wanted
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.watch import until_ended
from kinetoscope.tasks.whole import Whole
from kinetoscope.wiring import lifetimes_of, reaper_of

USUAL_MODEL = "sora-2"
"""What OpenAI takes where no model is named. Here the operator says what that is, if anything."""

POLL_AFTER_MS = 1000

LIMIT_MAX = 100
LIMIT_USUAL = 20

CANCEL_WAIT_S = 10.0
"""How long a deletion waits for a provider to stop; the one who follows it asks every second."""

WHOLE = re.compile(r"[0-9]{1,3}")
NUMBER = re.compile(r"[0-9]{1,6}")

REFERENCE = ("input_reference",)

THEIRS: Mapping[str, str] = {"duration": "seconds"}


def mount(speech: Speech, parts: Parts) -> None:
    """Add the routes."""
    read = ("tasks:read",)
    speech.route("POST", "/videos", "tasks:write", partial(create, parts), "Create a video")
    speech.route("GET", "/videos", read, partial(listing, parts), "List videos")
    speech.route("GET", "/videos/{video_id}", read, partial(retrieve, parts), "Retrieve a video")
    speech.route(
        "DELETE", "/videos/{video_id}", "tasks:write", partial(remove, parts), "Delete a video"
    )


async def create(parts: Parts, client: Client) -> Response:
    """Create a video. Inputs of ours may stand beside OpenAI's, `callBackUrl` among them."""
    async with asked(parts, client) as request:
        model = model_of(parts, text_of(request, "model", USUAL_MODEL), MediaKind.VIDEO)
        refuse_other_files(request, REFERENCE)
        media = await media_of(parts, client, request, REFERENCE)
        inputs = inputs_of(model, request, given_of(model, request), media)
        order = Order(model=model, inputs=inputs, theirs=THEIRS)
        task_id = await make(parts, client, request, order)
    return await answer_created(parts, client, task_id)


def given_of(model: Model, request: Asked) -> dict[str, object]:
    """Return what a client states for a model, its `seconds` as our `duration`.

    Raises InvalidInputs where a model has no duration to choose.
    """
    given = dict(request.values)
    seconds = given.pop("seconds", None)
    if seconds is not None:
        if "duration" not in model.fields_by_name:
            raise refused("seconds", f"{model.id} has no duration to choose")
        if given.get("duration") is not None and str(given["duration"]) != str(seconds):
            raise refused("duration", f"seconds says {seconds}; leave one of them out")
        is_number = isinstance(seconds, str) and WHOLE.fullmatch(seconds)
        given["duration"] = int(seconds) if is_number else seconds
    return given


async def answer_created(parts: Parts, client: Client, task_id: TaskId) -> Response:
    """Answer with a video that was just created, or was by the same request before."""
    runtime = parts.runtime
    found = await whole.own(runtime.database, client.caller.account_id, task_id, runtime.clock())
    return answer(video_json(runtime.catalog, found), headers=poll_headers(found))


def poll_headers(found: Whole) -> dict[str, str]:
    """Return when to ask again, while there is something to wait for."""
    if found.record.completed_at is not None:
        return {}
    return {"openai-poll-after-ms": str(POLL_AFTER_MS)}


async def own_video(parts: Parts, client: Client) -> Whole:
    """Return the video that a request's path names; raises NotFound, for others' too."""
    video_id = client.request.path_params["video_id"]
    return await video_of(parts, client, video_id)


async def video_of(parts: Parts, client: Client, video_id: str) -> Whole:
    """Return an account's own video, or a sample; raises NotFound, for others' too."""
    runtime, account_id = parts.runtime, client.caller.account_id
    try:
        found = await whole.own(runtime.database, account_id, video_id, runtime.clock())
        if kind_of_task(runtime.catalog, found) is MediaKind.VIDEO:
            return found
    except (Forbidden, NotFound):
        pass
    raise NotFound(f"Video with id {video_id[:100]!r} not found")


async def retrieve(parts: Parts, client: Client) -> Response:
    """Tell how a video stands."""
    found = await own_video(parts, client)
    return answer(video_json(parts.runtime.catalog, found), headers=poll_headers(found))


async def listing(parts: Parts, client: Client) -> Response:
    """List an account's videos, newest first unless `order` is `asc`, behind the one `after`."""
    runtime, query = parts.runtime, client.request.query_params
    account_id, now = client.caller.account_id, runtime.clock()
    catalog = runtime.catalog
    wanted = Wanted(
        models=tuple(model.id for model in catalog.models if model.kind is MediaKind.VIDEO),
        known=tuple(model.id for model in catalog.models),
        oldest_first=order_of(query.get("order")) == "asc",
    )
    after = query.get("after")
    place = await whole.place_of(runtime.database, account_id, after) if after else None
    limit = limit_of(query.get("limit"), LIMIT_USUAL, LIMIT_MAX)
    found, behind = await whole.page(runtime.database, account_id, wanted, place, limit, now)
    return answer(
        page_json([video_json(runtime.catalog, each) for each in found], more=behind is not None)
    )


def page_json(data: list[dict[str, object]], *, more: bool) -> dict[str, object]:
    """Return a page of a list."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }


def limit_of(stated: str | None, usual: int, most: int) -> int:
    """Read how many a page has at most; raises InvalidRequest."""
    if stated is None:
        return usual
    if not NUMBER.fullmatch(stated) or not 0 < int(stated) <= most:
        raise invalid(issue("invalid_value", f"Expected 1 to {most}", "limit"))
    return int(stated)


def order_of(stated: str | None) -> str:
    """Read in which order a list is; raises InvalidRequest."""
    if stated not in {None, "asc", "desc"}:
        raise invalid(issue("invalid_value", "Expected asc or desc", "order"))
    return stated or "desc"


async def remove(parts: Parts, client: Client) -> Response:
    """Delete a video's data. One that has not ended is cancelled first.

    `deleted` is false where its provider has not stopped in time: it may still succeed, and is
    charged then. Asked again it is deleted.
    """
    runtime, caller = parts.runtime, client.caller
    found = await own_video(parts, client)
    video_id, has_ended = found.record.id, found.record.completed_at is not None
    if not has_ended:
        await cancel(
            runtime.database,
            lifetimes_of(runtime.settings),
            caller.account_id,
            video_id,
            runtime.clock(),
            mode=caller.mode,
        )
        waiting = until_ended(runtime.watch, caller.account_id, video_id, CANCEL_WAIT_S)
        has_ended = (await waiting).status in {Status.SUCCESS, Status.FAIL}
    if has_ended:
        await delete(reaper_of(runtime), caller.account_id, video_id, mode=caller.mode)
    return answer({"id": video_id, "object": "video.deleted", "deleted": has_ended})
