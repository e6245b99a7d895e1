"""The routes of fal's dialect."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.doors import Doors
from kinetoscope.dialects.door import Client, Dialect, Speak, Speech
from kinetoscope.dialects.fal import making, queue, signing, uploads
from kinetoscope.dialects.fal.answers import refuse, told
from kinetoscope.dialects.fal.left import Left
from kinetoscope.dialects.fal.polls import Polls
from kinetoscope.dialects.fal.proxy import Served, Table, through
from kinetoscope.dialects.names import Names
from kinetoscope.wiring import Runtime

WHY = (
    "this is not supported here. Runs are at /fal/run, the queue is at /fal/queue, uploads begin "
    "at /fal/storage/upload/initiate; see /docs/migrating"
)

DIALECT = Dialect(name="fal", prefixes=("/fal",), refuse=refuse)

PROXY = Dialect(name="fal", prefixes=("/fal", "/api/fal"), refuse=refuse)
"""Where fal's guides put the proxy of an app, too."""

READ, WRITE, UPLOAD = "tasks:read", "tasks:write", "uploads:write"

REQUEST = "/queue/{app:path}/requests/{request_id}"


def mount(doors: Doors, names: Names) -> None:
    """Add the dialect's routes."""
    speech = Speech(doors=doors, dialect=DIALECT)
    runtime, intake = doors.runtime, doors.intake

    async def public_keys(_request: Request) -> Response:
        return told(signing.jwks(runtime.signing_key))

    speech.open("GET", "/.well-known/jwks.json", public_keys, "Tell the key that signs webhooks")
    routes = (*_queue(runtime), *_making(runtime, names), *_uploads(doors))
    for served in routes:
        speech.route(served.method, served.path, served.scopes, served.speak, served.summary)
    upload = partial(uploads.upload, speech, intake)
    speech.admitting_itself("POST", "/files/upload", (UPLOAD,), upload, "Upload a file")
    _mount_proxy(doors, Table(routes))
    speech.refuse_the_rest(WHY)


def _queue(runtime: Runtime) -> tuple[Served, ...]:
    def about(
        method: str,
        tail: str,
        function: Callable[[Runtime, Client], Awaitable[Response]],
        summary: str,
    ) -> Served:
        return Served(
            method=method,
            path=REQUEST + tail,
            scopes=(READ if method == "GET" else WRITE,),
            speak=partial(function, runtime),
            summary=summary,
        )

    return (
        about("GET", "/status/stream", queue.status_stream, "Follow a request"),
        about("GET", "/status", partial(queue.status, Polls()), "Tell how a request stands"),
        about("GET", "/response", queue.response, "Tell what a request came to"),
        about("GET", "", queue.response, "Tell what a request came to"),
        about("PUT", "/cancel", queue.end, "Cancel a request"),
    )


def _making(runtime: Runtime, names: Names) -> tuple[Served, ...]:
    def made(path: str, scopes: tuple[str, ...], speak: Speak, summary: str) -> Served:
        return Served(method="POST", path=path, scopes=scopes, speak=speak, summary=summary)

    running = making.Running(runtime=runtime, names=names, left=Left())
    submit = partial(making.submit, runtime, names)
    run, stream = partial(making.run, running), partial(making.run_stream, running)
    waiting = (READ, WRITE)  # what was made is read as well
    return (
        made("/queue/{app:path}", (WRITE,), submit, "Put a request into the queue"),
        made("/run/{app:path}/stream", waiting, stream, "Make something, and follow it"),
        made("/run/{app:path}", waiting, run, "Make something, and wait for it"),
    )


def _uploads(doors: Doors) -> tuple[Served, ...]:
    return (
        Served(
            method="POST",
            path="/storage/upload/initiate",
            scopes=(UPLOAD,),
            speak=partial(uploads.initiate, doors.intake),
            summary="Make a place for a file",
        ),
        Served(
            method="POST",
            path="/storage/auth/token",
            scopes=(UPLOAD,),
            speak=partial(uploads.token, doors.intake),
            summary="Lend a token for uploads",
        ),
    )


def _mount_proxy(doors: Doors, table: Table) -> None:
    speech = Speech(doors=doors, dialect=PROXY)
    function = partial(through, speech, table)
    for method, scope in (("GET", READ), ("POST", WRITE), ("PUT", WRITE)):
        speech.admitting_itself(method, "/proxy", (scope,), function, "Do what a header names")
