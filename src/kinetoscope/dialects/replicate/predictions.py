"""Predictions: made, shown, listed and cancelled.

https://replicate.com/docs/reference/http#predictions.create
"""

import base64
import binascii
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import structlog
from starlette.datastructures import QueryParams
from starlette.responses import Response

from kinetoscope.api import told_headers
from kinetoscope.api.body import invalid, issue, parse_object, read_body
from kinetoscope.api.envelope import answer
from kinetoscope.catalog.model import Model
from kinetoscope.dialects import retries
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.making import Wish, make, said, waited
from kinetoscope.dialects.names import resolved
from kinetoscope.dialects.replicate import asked
from kinetoscope.dialects.replicate.asked import Asked
from kinetoscope.dialects.replicate.shape import PREFIX, STARTING, View, prediction
from kinetoscope.dialects.replicate.streams import stream_url
from kinetoscope.dialects.replicate.versions import Shelf, by_version, version_of
from kinetoscope.kernel.errors import DatabaseUnavailable, TooManyWatching
from kinetoscope.kernel.ids import TaskId, is_task_id
from kinetoscope.kernel.order import JSON
from kinetoscope.tasks import cancel, whole
from kinetoscope.tasks.listing import Place, Wanted
from kinetoscope.tasks.request import Spoken
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.whole import Whole
from kinetoscope.wiring import Runtime, lifetimes_of

log = structlog.get_logger(__name__)

READ, WRITE = "tasks:read", "tasks:write"
BOTH = (WRITE, READ)
"""Whoever waits, repeats what another key has asked for, or cancels is shown what was made."""

PAGE_SIZE = 100

TRAIL_MAX = 40
"""Of how many pages a cursor remembers the way back."""

PLACE = re.compile(r"([0-9]{1,17})\.([0-9a-z_]{1,60})")

USUAL_TIMEOUT = timedelta(minutes=1)
"""How long the newer client waits for an answer where it does not say."""


def mount(speech: Speech, view: View, shelf: Shelf) -> None:
    """Add the routes."""
    _mount_create(speech, view, shelf)
    _mount_read(speech, view)


def _mount_create(speech: Speech, view: View, shelf: Shelf) -> None:
    runtime = speech.doors.runtime

    async def create(client: Client) -> Response:
        """Make a prediction with the model, or the version, that the body names."""
        stated = await _body(runtime, client)
        version = stated.get("version")
        if version is None:
            version = stated.get("model")
        if not isinstance(version, str) or not version:
            raise invalid(issue("required", "version is required", "version"))
        model = by_version(shelf, version)
        named = {}
        if "/" in version:
            named["model"] = resolved(shelf.names, version.rpartition(":")[0] or version)
        return await _create(runtime, view, client, model, stated, named)

    async def create_of_model(client: Client) -> Response:
        """Make a prediction with the model that the path names."""
        name = resolved(shelf.names, name_in(client))
        stated = await _body(runtime, client)
        return await _create(runtime, view, client, shelf.names[name], stated, {"model": name})

    async def create_by_deployment(client: Client) -> Response:
        """Make a prediction with the model that a deployment is called by."""
        name = resolved(shelf.names, name_in(client))
        stated = await _body(runtime, client)
        return await _create(runtime, view, client, shelf.names[name], stated, {"deployment": name})

    create_text = "Make a prediction"
    speech.route("POST", "/predictions", BOTH, create, create_text)
    speech.route("POST", "/models/{owner}/{name}/predictions", BOTH, create_of_model, create_text)
    speech.route(
        "POST", "/deployments/{owner}/{name}/predictions", BOTH, create_by_deployment, create_text
    )


def _mount_read(speech: Speech, view: View) -> None:
    runtime = speech.doors.runtime
    database, clock = runtime.database, runtime.clock

    async def show(client: Client) -> Response:
        """Show a prediction."""
        task_id = client.request.path_params["id"]
        found = await whole.own(database, client.caller.account_id, task_id, clock())
        return answer(_shown(view, found))

    async def listing(client: Client) -> Response:
        """List predictions, newest first."""
        query = client.request.query_params
        trail = read_cursor(query.get("cursor"))
        wanted = _wanted(query)
        place = trail[-1] if trail else None
        found, behind = await whole.page(
            database, client.caller.account_id, wanted, place, PAGE_SIZE, clock()
        )
        if query.get("source", "api") != "api":
            found, behind = [], None  # nothing here was made by hand, as far as we know
        following = None if behind is None else [*trail, behind]
        return answer(
            {
                "next": None if following is None else _page_url(view, query, following),
                "previous": _page_url(view, query, trail[:-1]) if trail else None,
                "results": [_shown(view, each) for each in found],
            }
        )

    async def stop(client: Client) -> Response:
        """End a prediction, or ask for its end; one that has ended is shown as it is."""
        task_id, account_id = client.request.path_params["id"], client.caller.account_id
        found = await whole.own(database, account_id, task_id, clock())
        await cancel.cancel(
            database,
            lifetimes_of(runtime.settings),
            account_id,
            found.record.id,
            clock(),
            mode=client.caller.mode,
        )
        found = await whole.own(database, account_id, task_id, clock())
        return answer(_shown(view, found))

    speech.route("GET", "/predictions", READ, listing, "List predictions")
    speech.route("GET", "/predictions/{id}", READ, show, "Show a prediction")
    speech.route("POST", "/predictions/{id}/cancel", BOTH, stop, "Cancel a prediction")


def name_in(client: Client) -> str:
    """Return the owner and the name that a path has."""
    return "{owner}/{name}".format(**client.request.path_params)


async def _body(runtime: Runtime, client: Client) -> dict[str, object]:
    return parse_object(await read_body(client.request, runtime.settings.body_bytes_max))


async def _create(
    runtime: Runtime,
    view: View,
    client: Client,
    model: Model,
    stated: dict[str, object],
    named: dict[str, str],
) -> Response:
    """Make a prediction, and answer with it: at once, or at its end where the client waits."""
    wanted = asked.read(stated, client.request.headers)
    details: dict[str, JSON] = {"version": version_of(model)}
    details |= named
    wish = Wish(
        model=model,
        inputs=asked.inputs_of(model, wanted.inputs),
        spoken=Spoken(
            dialect="replicate",
            details=details,
            events=None if wanted.webhook is None else tuple(wanted.events),
        ),
        callback_url=wanted.webhook,
        patience=wanted.patience,
    )
    digest = said(wish, client.request.headers.get("x-test-outcome"))
    counted = retries.once(client, "replicate", digest, USUAL_TIMEOUT)
    created = await make(runtime, client, replace(wish, once=counted))
    try:
        found, is_over = await _awaited(runtime, client, created.task_id, wanted)
    except DatabaseUnavailable as error:
        # It is there, and a client that knew nothing of it might ask for it again.
        raise DatabaseUnavailable(created.task_id) from error
    body = _shown(view, found)
    if is_over:
        # Clients take whatever is not `starting` for the end.
        body["status"] = STARTING
    headers = {told_headers.REPLAYED: "true"} if created.replayed else None
    return answer(body, 202 if is_over else 201, headers)


async def _awaited(
    runtime: Runtime, client: Client, task_id: TaskId, wanted: Asked
) -> tuple[Whole, bool]:
    """Return a task at its end where a client waits, and whether that took too long."""
    if wanted.hold_s is not None:
        try:
            found = await waited(runtime, client, task_id, wanted.hold_s)
        except TooManyWatching:
            log.info("replicate.not_waited", task=task_id)
        else:
            return found, found.record.status not in {Status.SUCCESS, Status.FAIL}
    account_id = client.caller.account_id
    found = await whole.own(runtime.database, account_id, task_id, runtime.clock())
    return found, wanted.hold_s is not None


def _shown(view: View, found: Whole) -> dict[str, object]:
    return prediction(view, found, stream_url(view, found.record))


def _wanted(query: QueryParams) -> Wanted:
    return Wanted(
        created_from=_moment(query, "created_after"),
        created_before=_moment(query, "created_before"),
    )


def _moment(query: QueryParams, name: str) -> datetime | None:
    stated = query.get(name)
    if stated is None:
        return None
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        raise invalid(issue("invalid_value", "Expected a date-time in ISO 8601", name)) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _page_url(view: View, query: QueryParams, trail: list[Place]) -> str:
    """Return the address of the page behind the last place of a trail, with the same filters."""
    kept = {name: query[name] for name in ("created_after", "created_before") if name in query}
    if trail:
        kept["cursor"] = write_cursor(trail)
    said_so = f"?{urlencode(kept)}" if kept else ""
    return f"{view.public_url}{PREFIX}/predictions{said_so}"


def write_cursor(trail: list[Place]) -> str:
    """Write down the places behind which the pages so far began, so that one can turn back."""
    texts = [
        f"{round(place.created_at.timestamp() * 1_000_000)}.{place.task_id}"
        for place in trail[-TRAIL_MAX:]
    ]
    return base64.urlsafe_b64encode(",".join(texts).encode()).decode().rstrip("=")


def read_cursor(text: str | None) -> list[Place]:
    """Read what `write_cursor` wrote; raises InvalidRequest."""
    if not text:
        return []
    try:
        written = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        written = ""
    trail = []
    for part in written.split(","):
        match = PLACE.fullmatch(part)
        if match is None or not is_task_id(match[2]):
            raise invalid(issue("invalid_value", "Expected a cursor of an earlier page", "cursor"))
        moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(match[1]))
        trail.append(Place(created_at=moment, task_id=match[2]))
    return trail
