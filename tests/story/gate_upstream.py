"""The gate's upstream as a process of its own: it accepts, drops, stalls and lies, by a seed.

`python -m tests.story.gate_upstream PORT SEED FAULTS`. GET /report tells what really happened:
for every task how often it was sent and how often a job was made.
"""

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter, defaultdict
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from tests.providers.upstream import Fault, Handler, Stage, Upstream, UpstreamJob, Verb
from tests.providers.wire_faulty import AT_ONCE, LOOKUP, NEITHER, SLOW, TOKEN, wire
from typing_extensions import override

from kinetoscope.kernel.order import MediaKind

FAILING_SHARE = 0.05
CALLBACK_SHARE = 0.8
LATE_SHARE = 0.02
"""Whose callback comes when nobody may wait for it any more."""
LATE_S = 20.0
DYING_SHARE = 0.02
"""Whose file is not where the first answer says; the next one says better."""
WORKING_S = (0.1, 1.0)
"""How long jobs take, from and to."""

SUBMIT_FAULTS = (
    (0.02, "500"),
    (0.02, "429"),
    (0.02, "503"),
    (0.04, "accept then drop"),
    (0.005, "accept then stall"),
    (0.02, "accept, malformed"),
    (0.02, "drop"),
)
STATUS_FAULTS = ((0.02, "502"), (0.01, "malformed"), (0.01, "drop"), (0.01, "429"))
FILE_FAULTS = ((0.02, "404"), (0.01, "drop"))

FAULTS = {
    "500": Fault(status=500, body={}),
    "502": Fault(status=502, body={}),
    "404": Fault(status=404, body={}),
    "429": Fault(status=429, body={}, headers={"Retry-After": "1"}),
    "503": Fault(status=503, body={}, headers={"Retry-After": "1"}),
    "drop": Fault(drop=True),
    "malformed": Fault(status=200, body="<html>", handled=True),
    "accept then drop": Fault(handled=True, drop=True),
    "accept then stall": Fault(handled=True, drop=True, stall_s=3),
    "accept, malformed": Fault(status=200, body="<html>", handled=True),
}
REFUSALS = {"429", "503"}
DEAD = 404
"""The number of a file that is gone."""


class GateUpstream(Upstream):
    """Has troubles of its own, and keeps a book of what was asked of it."""

    def __init__(self, seed: int, faults: float) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.faults_share = faults
        self.sent: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.made: dict[str, Counter[str]] = defaultdict(Counter)
        self.calls: Counter[str] = Counter()
        self.session: aiohttp.ClientSession | None = None
        self.calling_back: set[asyncio.Task[None]] = set()
        self.broken: set[str] = set()
        self.dying: set[str] = set()

    def _draw(self, choices: tuple[tuple[float, str], ...]) -> str:
        drawn = self.chance.random()
        for share, name in choices:
            drawn -= share * self.faults_share
            if drawn < 0:
                return name
        return ""

    @override
    def new_job(
        self, body: dict[str, Any], kind: MediaKind, *, job_id: str = "", count: int = 1
    ) -> UpstreamJob:
        if job_id in self.jobs:
            return self.jobs[job_id]
        job = super().new_job(body, kind, job_id=job_id, count=count)
        self.made[body["reference"]][body["way"]] += 1
        job.stay(Stage.WORKING)
        if body["way"] not in {SLOW.name, AT_ONCE.name}:
            self._begin(job)
        return job

    def _begin(self, job: UpstreamJob) -> None:
        """Have a job end by itself after a while, and tell of it if that was asked for."""
        fails = self._happens(FAILING_SHARE)
        if self._happens(DYING_SHARE):
            self.dying.add(job.id)
        working_s = self.chance.uniform(*WORKING_S)
        end = Stage.FAILED if fails else Stage.DONE
        asyncio.get_running_loop().call_later(working_s, job.stay, end)
        if job.body["callback"] and self.chance.random() < CALLBACK_SHARE:
            first_s = LATE_S if self._happens(LATE_SHARE) else working_s
            calling = asyncio.create_task(self._call_back(job, first_s))
            self.calling_back.add(calling)
            calling.add_done_callback(self.calling_back.discard)

    def _happens(self, share: float) -> bool:
        return self.chance.random() < share * self.faults_share

    @override
    def file_url(self, job: UpstreamJob, number: int = 1) -> str:
        """Tell where a file is; of some, a place that is dead already, and the right one later."""
        if job.id in self.dying:
            self.dying.remove(job.id)
            return super().file_url(job, DEAD)
        return super().file_url(job, number)

    @override
    async def _file(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["number"] == str(DEAD):
            return web.Response(status=410)
        return await super()._file(request)

    async def _call_back(self, job: UpstreamJob, first_s: float) -> None:
        """Say that there is news, again and again until somebody is there to hear it."""
        assert self.session is not None
        for delay_s in (first_s, 1, 2, 4, 8):
            await asyncio.sleep(delay_s)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self.session.post(job.body["callback"], json={"id": job.id}) as answer:
                    if answer.status == 200:
                        return

    @override
    async def _faulty(
        self, request: web.Request, handler: Handler, fault: Fault | None
    ) -> web.StreamResponse:
        verb = self.recorded.pop().verb  # the book is kept shorter than every request whole
        self.seen.clear()
        way = request.path.split("/")[1]
        self.calls[f"{verb} {way}"] += 1
        if way in self.broken and verb is not Verb.FILE:
            name = "500" if verb is Verb.SUBMIT else "502"
        else:
            name = self._draw(
                {
                    Verb.SUBMIT: SUBMIT_FAULTS,
                    Verb.STATUS: STATUS_FAULTS,
                    Verb.FIND: STATUS_FAULTS,
                    Verb.FILE: FILE_FAULTS,
                }.get(verb, ())
            )
        if verb is Verb.SUBMIT:
            reference = (await request.json())["reference"]
            self.sent[reference][way].append(name)
        return await super()._faulty(request, handler, FAULTS.get(name))

    async def report(self, _request: web.Request) -> web.Response:
        """Tell what happened to every task."""
        tasks = {
            reference: {"sent": sent, "made": self.made[reference]}
            for reference, sent in self.sent.items()
        }
        return web.json_response({"tasks": tasks, "calls": dict(self.calls)})

    async def breaking(self, request: web.Request) -> web.Response:
        """Break one way for good, or mend all."""
        way = request.query.get("way", "")
        self.broken = {way} if way else set()
        return web.json_response({})


async def main(port: int, seed: int, faults: float) -> None:
    upstream = GateUpstream(seed, faults)
    wire(upstream)
    upstream.app.router.add_get("/report", upstream.report)
    upstream.app.router.add_post("/break", upstream.breaking)
    upstream.port = port
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        upstream.session = session
        runner = web.AppRunner(upstream.app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


WAYS = tuple(adapter.name for adapter in (TOKEN, LOOKUP, NEITHER, AT_ONCE))

if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
