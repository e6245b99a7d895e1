"""What a request to make something says: its path, its body, and fal's headers.

Headers that say how fal is to go about it are taken and mean nothing here: X-Fal-Queue-Priority,
since who came first is begun first, X-Fal-Runner-Hint, and those about the runners' retries. What
would change a result, or what becomes of it, is refused where it cannot be had.

https://docs.fal.ai/model-apis/model-endpoints/queue
"""

import re
from dataclasses import dataclass
from datetime import timedelta

import orjson
from starlette.requests import Request

from kinetoscope.api.body import parse_object, read_body
from kinetoscope.dialects.door import Client
from kinetoscope.dialects.fal.apps import find, fitted
from kinetoscope.dialects.making import Wish
from kinetoscope.dialects.names import Names
from kinetoscope.kernel.errors import InvalidRequest, Unsupported
from kinetoscope.tasks.request import PATIENT, Patience, Spoken
from kinetoscope.wiring import Runtime

SECONDS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
START_TIMEOUT_S_MAX = 30 * 24 * 3600

LIFECYCLE = ("x-fal-object-lifecycle-preference", "x-fal-object-lifecycle")

NOT_STORED = (
    "X-Fal-Store-IO: 0 is not supported. Inputs and files are kept for as long as the account's "
    "settings say; delete the task to be rid of them earlier."
)
NO_QUEUE_LENGTH = "fal_max_queue_length is not supported. X-Fal-Request-Timeout bounds the wait."
NO_ACL = "initial_acl is not supported. Whoever has a file's address may read it until it expires."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be made, and the path it was asked for by."""

    wish: Wish
    app: str


async def read(runtime: Runtime, names: Names, client: Client) -> Asked:
    """Read a request for something to be made.

    Raises UnknownModel, InvalidInputs, InvalidRequest, BodyTooLarge, or Unsupported for what would
    have to be ignored.
    """
    request = client.request
    app = str(request.path_params["app"])
    model = find(names, app)
    patience = _patience(request)
    _require_storing(request)
    require_lifecycle(request, runtime.settings.media_lifetime)
    body = await read_body(request, runtime.settings.body_bytes_max)
    inputs = fitted(model, app, parse_object(body) if body else {})
    wish = Wish(
        model=model,
        inputs=inputs,
        spoken=Spoken(dialect="fal"),
        callback_url=request.query_params.get("fal_webhook"),
        patience=patience,
    )
    return Asked(wish=wish, app=app)


def _patience(request: Request) -> Patience:
    """Return how long a request may wait for its start."""
    stated = request.headers.get("x-fal-request-timeout")
    if stated is None:
        return PATIENT
    seconds = float(stated) if SECONDS.fullmatch(stated) else 0
    if not 0 < seconds <= START_TIMEOUT_S_MAX:
        raise InvalidRequest("X-Fal-Request-Timeout must be a number of seconds, at most 30 days")
    return Patience(start=timedelta(seconds=seconds))


def _require_storing(request: Request) -> None:
    if request.headers.get("x-fal-store-io", "1").strip().lower() in {"0", "false"}:
        raise Unsupported(NOT_STORED)
    if "fal_max_queue_length" in request.query_params:
        raise Unsupported(NO_QUEUE_LENGTH)


def require_lifecycle(request: Request, kept: timedelta) -> None:
    """Refuse a wish for files to be gone sooner than they will be, or hidden from some.

    Raises Unsupported, or InvalidRequest for what is no wish at all. A wish for longer is one that
    fal too may not grant.
    """
    for name in LIFECYCLE:
        stated = request.headers.get(name)
        if stated is None:
            continue
        try:
            wanted = orjson.loads(stated)
        except orjson.JSONDecodeError:
            wanted = None
        if not isinstance(wanted, dict):
            raise InvalidRequest(f"{name} must be a JSON object")
        if wanted.get("initial_acl"):
            raise Unsupported(NO_ACL)
        seconds = wanted.get("expiration_duration_seconds")
        if isinstance(seconds, int | float) and seconds < kept.total_seconds():
            raise Unsupported(
                f"Files are kept for {kept.total_seconds():.0f} seconds here, and cannot be made "
                "to expire sooner one by one."
            )
