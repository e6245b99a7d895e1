"""Where upstreams say that there is news of a task. They only wake us: see tasks/callbacks.py."""

from collections.abc import Mapping
from contextlib import suppress

import structlog
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.body import parse_object, read_body
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.kernel.errors import InvalidRequest, NotFound, SettingInvalid, Unauthenticated
from kinetoscope.kernel.ids import TaskId, is_task_id
from kinetoscope.providers import keys
from kinetoscope.providers.signatures import Claim
from kinetoscope.tasks import callbacks
from kinetoscope.tasks.callbacks import Call
from kinetoscope.wiring import Runtime

log = structlog.get_logger(__name__)

BYTES_MAX = 4 * 1024 * 1024
"""Some upstreams send the whole job along."""

HEARD = Operation(
    summary="Tell that there is news of a task",
    tag="upstream",
    description="For the providers behind this server; the address is the permission, and where "
    "the operator has set up a provider's secret, its signature is wanted besides.",
    parameters=tuple(
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("provider", "taskId", "token")
    ),
    body={"type": "object"},
    body_required=False,
    answers={
        401: "The provider signs, and this is not signed",
        404: "There is no such address",
        413: "The body is too large",
        503: "The service is unavailable for a moment",
    },
)


def mount(doors: Doors) -> None:
    """Add /api/v1/upstream."""
    runtime = doors.runtime

    async def heard(request: Request) -> Response:
        """Wake who follows the task."""
        provider, task_id = request.path_params["provider"], request.path_params["taskId"]
        # Looked at first, so that strangers cost nobody anything.
        known = is_task_id(task_id) and callbacks.is_token(
            runtime.signing_key, provider, task_id, request.path_params["token"]
        )
        if not known:
            raise NotFound("There is no such address")
        body = await read_body(request, BYTES_MAX)
        await _require_signature(runtime, provider, request.headers, body)
        call = Call(
            provider=provider,
            task_id=TaskId(task_id),
            claim=_claim(runtime.claims.get(provider), body),
        )
        await callbacks.heard(runtime.database, call, runtime.clock())
        return answer({})

    doors.open("POST", callbacks.PATH + "/{provider}/{taskId}/{token}", heard, HEARD)


async def _require_signature(
    runtime: Runtime, provider: str, headers: Mapping[str, str], body: bytes
) -> None:
    """See that the upstream signed it, where we know its secret; raises Unauthenticated."""
    signed = runtime.signatures.get(provider)
    if signed is None:
        return
    name, given = keys.callbacks_key(provider), runtime.settings.provider_keys
    try:
        secret = await keys.one(runtime.database, runtime.envelope, given, name)
    except SettingInvalid as error:
        # There is one, so nothing goes unchecked.
        log.warning("callback.secret_does_not_open", provider=provider, reason=str(error))
        raise Unauthenticated("The signature cannot be checked") from None
    if secret is not None and not signed(headers, body, secret, runtime.clock()):
        log.warning("callback.not_signed", provider=provider)
        raise Unauthenticated("The signature is missing, wrong or too old")


def _claim(read: Claim | None, body: bytes) -> str | None:
    if read is None:
        return None
    with suppress(InvalidRequest):
        return read(parse_object(body))
    return None
