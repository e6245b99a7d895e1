"""A server on 127.0.0.1 that plays an upstream: its wire shape is a `Wire`, its troubles a test's.

Jobs go waiting, working, done, one step each time they are asked about, unless a test decides.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from enum import StrEnum
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
from aiohttp import web
from PIL import Image
from tests.scripted import film

from kinetoscope.kernel.order import MediaKind

KEY = "planted-key-7d1f0c"
OTHER_HOST = "127.0.0.2"
PAYLOADS = Path(__file__).parent / "payloads"


class Verb(StrEnum):
    """What a request to an upstream is for."""

    SUBMIT = "submit"
    STATUS = "status"
    RESULT = "result"
    FIND = "find"
    CANCEL = "cancel"
    UPLOAD = "upload"
    CHECK = "check"
    FILE = "file"


class Stage(StrEnum):
    """Where a job at the upstream is; wires have their own words for these."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """Failed, by moderation."""
    CANCELLED = "cancelled"
    ODD = "odd"
    """In a state that nobody has heard of."""


@dataclass
class UpstreamJob:
    id: str
    body: dict[str, Any]
    kind: MediaKind
    stages: deque[Stage] = field(
        default_factory=lambda: deque([Stage.WAITING, Stage.WORKING, Stage.DONE])
    )
    count: int = 1

    @property
    def stage(self) -> Stage:
        return self.stages[0]

    def step(self) -> Stage:
        """Tell the stage, and go on to the next."""
        return self.stages.popleft() if len(self.stages) > 1 else self.stages[0]

    def stay(self, stage: Stage) -> None:
        """Be in this stage from now on."""
        self.stages = deque([stage])


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. `handled` says whether it takes effect all the same."""

    status: int = 0
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    handled: bool = False
    drop: bool = False
    stall_s: float = 0


DROPPED = Fault(drop=True)
ACCEPTED_THEN_DROPPED = Fault(handled=True, drop=True)
MALFORMED = Fault(status=200, body="<html>surprise", handled=True)


def answers(status: int, body: object = None, **headers: str) -> Fault:
    """Answer so instead of doing anything."""
    return Fault(status=status, body=body, headers=headers)


@dataclass(frozen=True)
class Recorded:
    verb: Verb
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body)
        return read


@dataclass(frozen=True)
class Seen:
    """Any request at all, whether or not there is a route for it. The path is as it was sent."""

    host: str
    path: str
    query: str
    headers: Mapping[str, str]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Upstream:
    """The server's memory, and what a test may do to it."""

    def __init__(self) -> None:
        self.port = 0
        self.files_host = "127.0.0.1"
        self.jobs: dict[str, UpstreamJob] = {}
        self.uploads: dict[str, bytes] = {}
        self.faults: dict[Verb, deque[Fault]] = defaultdict(deque)
        self.recorded: list[Recorded] = []
        self.seen: list[Seen] = []
        self.told_id = ""
        """What the next job is called, whatever it asked to be called."""

        @web.middleware
        async def see(request: web.Request, handler: Handler) -> web.StreamResponse:
            parts = urlsplit(request.raw_path)
            self.seen.append(Seen(request.host, parts.path, parts.query, dict(request.headers)))
            return await handler(request)

        self.app = web.Application(client_max_size=256 * 1024 * 1024, middlewares=[see])
        self.route(Verb.FILE, "GET", "/files/{job}/{number}", self._file)

    def route(self, verb: Verb, method: str, path: str, handler: Handler) -> None:
        """Serve a path; faults of its verb come first."""

        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            self.recorded.append(
                Recorded(
                    verb,
                    request.method,
                    request.path,
                    request.query_string,
                    {name.lower(): value for name, value in request.headers.items()},
                    body,
                )
            )
            queue = self.faults[verb]
            return await self._faulty(request, handler, queue.popleft() if queue else None)

        self.app.router.add_route(method, path, handle)

    async def _faulty(
        self, request: web.Request, handler: Handler, fault: Fault | None
    ) -> web.StreamResponse:
        if fault is None:
            return await handler(request)
        if fault.handled:
            await handler(request)
        await asyncio.sleep(fault.stall_s)
        if fault.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if isinstance(fault.body, str):
            return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        return web.json_response(fault.body, status=fault.status, headers=fault.headers)

    def fault(self, verb: Verb, *faults: Fault) -> None:
        """Have the next requests of a verb go wrong."""
        self.faults[verb].extend(faults)

    def new_job(
        self, body: dict[str, Any], kind: MediaKind, *, job_id: str = "", count: int = 1
    ) -> UpstreamJob:
        """Take a job on; a known id is the same job."""
        name = self.told_id or job_id or f"up-{len(self.jobs) + 1}"
        if name not in self.jobs:
            self.jobs[name] = UpstreamJob(id=name, body=body, kind=kind, count=count)
        return self.jobs[name]

    @property
    def only(self) -> UpstreamJob:
        """The only job there is."""
        (job,) = self.jobs.values()
        return job

    def file_url(self, job: UpstreamJob, number: int = 1) -> str:
        """Where a finished file is."""
        return f"http://{self.files_host}:{self.port}/files/{job.id}/{number}"

    def of(self, verb: Verb) -> list[Recorded]:
        """Every request of a verb so far."""
        return [recorded for recorded in self.recorded if recorded.verb is verb]

    async def _file(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs[request.match_info["job"]]
        media_type, content = media_of(job.kind)
        return web.Response(body=content, content_type=media_type)


@asynccontextmanager
async def running(*wires: Callable[[Upstream], None]) -> AsyncIterator[Upstream]:
    """Run an upstream that speaks these wire shapes."""
    upstream = Upstream()
    for wire in wires:
        wire(upstream)
    runner = web.AppRunner(upstream.app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream.port = runner.addresses[0][1]
    # The same under another name, which is another origin.
    await web.TCPSite(runner, OTHER_HOST, upstream.port).start()
    try:
        yield upstream
    finally:
        await runner.cleanup()


@cache
def media_of(kind: MediaKind) -> tuple[str, bytes]:
    """Return the media type and bytes of a small, real file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        match kind:
            case MediaKind.VIDEO:
                return "video/mp4", film(path.with_suffix(".mp4")).read_bytes()
            case MediaKind.IMAGE:
                made = BytesIO()
                Image.new("RGB", (32, 16), (20, 90, 200)).save(made, "PNG")
                return "image/png", made.getvalue()
            case MediaKind.AUDIO:
                return "audio/mpeg", _sound(path.with_suffix(".mp3"))


def _sound(path: Path) -> bytes:
    with av.open(path, "w") as container:
        stream = container.add_stream("libmp3lame", rate=44100, layout="mono")
        wave = np.sin(np.arange(44100) / 20)[None, :].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


async def form_of(request: web.Request) -> dict[str, list[bytes]]:
    """Read a form whose body has been read before."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + await request.read())
    found: dict[str, list[bytes]] = defaultdict(list)
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found[name].append(content)
    return found


def payload(name: str) -> dict[str, Any]:
    """Read a recorded payload."""
    read: dict[str, Any] = json.loads((PAYLOADS / name).read_text())
    return read


def unauthorised(request: web.Request, expected: str, header: str = "Authorization") -> bool:
    """Whether a request lacks the right key."""
    return request.headers.get(header) != expected
