"""Webhooks of a deployment whose sender is killed again and again, and of one that listens."""

import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiohttp import web
from tests.conftest import Person, World
from tests.receiver import Receiver, listed, receiving
from tests.story.deployment import SURROUNDINGS, Deployment, deployment, wait_until
from typing_extensions import override

from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.pool import Connection
from kinetoscope.webhooks import outbox, secret, sign

DELIVERIES = 1000
KILLS = 20
RECEIVERS = 4

# What cli/worker.py runs, by itself; with a shorter lease, so that the story is short as well.
SENDER = """
import asyncio, sys
from datetime import timedelta
from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.outbound import Egress
from kinetoscope.settings import load_settings
from kinetoscope.webhooks.sender import Sender
from kinetoscope.wiring import run_in
settings = load_settings()
async def work(runtime):
    parts = sender_parts(runtime, Egress(allowed_networks=settings.allowed_networks))
    await Sender(parts, lease=timedelta(seconds=2)).run()
asyncio.run(run_in(settings, settings.database_url, work))
"""


@pytest.mark.anyio
async def test_a_thousand_webhooks_outlive_twenty_kills_of_their_sender(world: World):
    world.clock.moment = system_clock()
    alice = await world.person("alice")
    issued = await secret.issue(
        world.runtime.database,
        world.runtime.sealer,
        alice.account_id,
        secret.OVERLAP_DEFAULT,
        world.clock(),
    )
    chance = random.Random(20)
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(receiving()) for _ in range(RECEIVERS)]
        for receiver in receivers:
            _misbehave(receiver, chance)
        task_ids = await _ended(world, alice, receivers)

        def arrived() -> int:
            return sum(len(receiver.received) for receiver in receivers)

        # Two at a time, as in a fleet: while one is killed its successor is already on its way.
        senders = [await _start_sender(world) for _ in range(2)]
        for kill in range(KILLS):
            await _until(arrived, (kill + 1) * DELIVERIES // (KILLS + 5))
            assert senders[0].returncode is None
            senders[0].kill()
            await senders.pop(0).wait()
            senders.append(await _start_sender(world))
        async with asyncio.timeout(60):
            while await _pending(world):  # noqa: ASYNC110 - what is waited for happens outside
                await asyncio.sleep(0.1)
        for sender in senders:
            sender.terminate()
            await sender.wait()
    received = [got for receiver in receivers for got in receiver.received]
    expected = {outbox.message_id(task_id): task_id for task_id in task_ids}
    times = Counter(got.id for got in received)
    assert set(times) == set(expected)
    for got in received:
        assert got.data["taskId"] == expected[got.id]
        moment = float(got.headers["webhook-timestamp"])
        when = datetime.fromtimestamp(moment, UTC)
        assert sign.headers(got.id, got.body, [issued.text], when).items() <= got.headers.items()
    assert len(await listed(world, alice, state="delivered", limit="100")) == 100
    row = await world.runtime.database.fetch_values(
        """
        select count(*) filter (where state = 'delivered'), count(*),
               count(*) filter (where claim > attempts)
        from webhook_delivery
        """,
        {},
    )
    assert row is not None
    assert row[:2] == (DELIVERIES, DELIVERIES)
    assert row[2] > 0, "no kill met a delivery in flight"


def _misbehave(receiver: Receiver, chance: random.Random) -> None:
    """Take a moment for each, and fail three in ten of the first tries."""
    tried: set[str] = set()

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(chance.uniform(0, 0.02))
        message_id = request.headers["webhook-id"]
        first = message_id not in tried
        tried.add(message_id)
        return web.Response(status=500 if first and chance.random() < 0.3 else 204)

    receiver.answers.extend([answer] * (10 * DELIVERIES))


async def _ended(world: World, person: Person, receivers: list[Receiver]) -> list[TaskId]:
    """Make tasks that have just ended, each with its delivery, in one transaction."""
    task_ids = [TaskId(f"task_story{number:08}") for number in range(DELIVERIES)]

    async def steps(connection: Connection) -> None:
        for number, task_id in enumerate(task_ids):
            await connection.execute(
                """
                insert into task
                  (id, account_id, key_id, model, inputs, seed, callback_url, provider, price,
                   media_name, status, error_code, error_message, created_at, completed_at)
                values (%(id)s, %(account_id)s, %(key_id)s, 'gpt-image-2', '{}', 1, %(url)s,
                        'embedded', 217, %(id)s, 'fail', '500', 'x', %(now)s, %(now)s)
                """,
                {
                    "id": task_id,
                    "account_id": person.account_id,
                    "key_id": person.key_id,
                    "url": receivers[number % RECEIVERS].url(),
                    "now": world.clock(),
                },
            )
            await outbox.put(connection, task_id, world.clock())

    await world.runtime.database.transact(steps)
    return task_ids


async def _start_sender(world: World) -> asyncio.subprocess.Process:
    settings = world.runtime.settings
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SENDER,
        env={
            **{name: value for name, value in SURROUNDINGS.items() if "KINETOSCOPE" not in name},
            "KINETOSCOPE_DATA_DIR": str(settings.data_dir),
            "KINETOSCOPE_DATABASE_URL": world.runtime.database.conninfo,
            "KINETOSCOPE_ALLOWED_NETWORKS": "127.0.0.1/32",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _pending(world: World) -> int:
    row = await world.runtime.database.fetch_values(
        "select count(*) from webhook_delivery where state = 'pending'", {}
    )
    assert row is not None
    return int(row[0])


async def _until(arrived: Callable[[], int], enough: int) -> None:
    async with asyncio.timeout(30):
        while arrived() < enough:  # noqa: ASYNC110 - what is waited for happens outside
            await asyncio.sleep(0.005)


Posts = list[tuple[str, dict[str, str], bytes]]


@contextmanager
def _noting() -> Iterator[tuple[str, Posts]]:
    """Run a receiver in a thread; what comes is noted."""
    posts: Posts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.append((self.path, dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_listen_brings_deliveries_home():
    allowed = {"KINETOSCOPE_ALLOWED_NETWORKS": "127.0.0.1/32", "KINETOSCOPE_DEMO_KEY": "off"}
    with _noting() as (home, posts), deployment(**allowed) as deployed:
        listener = _listen(deployed, home + "/local")
        try:
            assert listener.stdout is not None
            assert "forwarding" in listener.stdout.readline()
            with deployed.client() as client:
                test = client.post("/api/v1/webhooks/test", json={"url": home + "/test"}).json()
                assert (test["state"], posts[0][0]) == ("delivered", "/test")
                posts.clear()
                order = {"model": "gpt-image-2", "inputs": {"prompt": "a lighthouse"}}
                told = client.post(
                    "/api/v1/jobs/createTask", json={**order, "callBackUrl": home + "/hook"}
                ).json()["taskId"]
                untold = client.post("/api/v1/jobs/createTask", json=order).json()["taskId"]
                wait_until(lambda: len(posts) == 3, 60, "both relayed, one delivered")
            by_path = {
                (path, json.loads(body)["data"]["taskId"]): (headers["webhook-id"], body)
                for path, headers, body in posts
            }
            assert set(by_path) == {("/hook", told), ("/local", told), ("/local", untold)}
            assert by_path["/hook", told] == by_path["/local", told]
            line = listener.stdout.readline()
            assert re.fullmatch(r"\S+  task.succeeded  task_\w+  msg_\w+  204\n", line)
            listener.send_signal(signal.SIGINT)
            assert listener.wait(10) == 0
        finally:
            listener.kill()
            listener.wait()
            assert listener.stdout is not None
            listener.stdout.close()


def test_listen_says_when_its_key_does_not_open():
    with deployment(KINETOSCOPE_DEMO_KEY="off") as deployed:
        listener = _listen(deployed, "http://127.0.0.1:9/", key="kino_live_wrong")
        output, _ = listener.communicate(timeout=30)
    assert listener.returncode == 1
    assert "401" in output
    assert "Invalid API Key" in output


def _listen(deployed: Deployment, forward: str, key: str = "") -> subprocess.Popen[str]:
    url = f"http://127.0.0.1:{deployed.port}"
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "kinetoscope", "listen", "--forward", forward, "--url", url],
        env={**deployed.environment, "KINETOSCOPE_KEY": key or deployed.banner["key"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
