"""Five hundred creates at once, from four processes: the cap and the balance hold exactly."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import pytest
from tests.story.deployment import Deployment, deployment, wait_until

from kinetoscope.accounts import accounts, keys
from kinetoscope.kernel.credits import format_credits, parse_credits
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import book
from kinetoscope.postgres.embedded import open_server
from kinetoscope.settings import load_settings
from kinetoscope.wiring import Runtime, run_in

Result = TypeVar("Result")
Clients = list[subprocess.Popen[str]]

REPEATS = 20
CLIENTS = 4
REQUESTS = 125

CLIENT = """
import asyncio, json, sys, aiohttp
async def main(url, key, requests):
    headers = {"Authorization": f"Bearer {key}"}
    body = {"model": "midjourney-v8", "inputs": {"prompt": "A fox"}}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as client:
        async def ask():
            async with client.post(url, json=body) as answer:
                return answer.status, await answer.json()
        answers = await asyncio.gather(*[ask() for _ in range(requests)])
    print(json.dumps(answers))
for line in sys.stdin:
    url, key, requests = line.split()
    asyncio.run(main(url, key, int(requests)))
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def deployed():
    # The worker is held still, so that no task ends and makes room for another.
    with deployment(KINETOSCOPE_API_PROCESSES="2", KINETOSCOPE_DEMO_KEY="off") as running:
        wait_until(lambda: running.part("worker") is not None, 30, "the worker runs")
        worker = running.part("worker")
        assert worker is not None
        worker.suspend()  # serve sees no end of it, so it starts no other
        yield running
        worker.resume()


@pytest.fixture(scope="module")
def clients():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(CLIENTS)
    ]
    yield processes
    for process in processes:
        process.communicate()


def storm(deployed: Deployment, clients: Clients, key: str) -> list[tuple[int, dict[str, object]]]:
    """Let all clients loose at once and collect every answer."""
    url = f"http://127.0.0.1:{deployed.port}/api/v1/jobs/createTask"
    for client in clients:
        assert client.stdin is not None
        client.stdin.write(f"{url} {key} {REQUESTS}\n")
        client.stdin.flush()
    answers: list[tuple[int, dict[str, object]]] = []
    for client in clients:
        assert client.stdout is not None
        answers += [(status, body) for status, body in json.loads(client.stdout.readline())]
    return answers


def test_exactly_as_many_are_accepted_as_the_cap_allows(deployed: Deployment, clients: Clients):
    made = _accounts(deployed, {f"capped-{repeat}": "100000" for repeat in range(REPEATS)})
    for name, key in made.items():
        answers = storm(deployed, clients, key)
        assert Counter(status for status, _ in answers) == {200: 50, 429: 450}, name
        assert len({body["taskId"] for status, body in answers if status == 200}) == 50
        refusal = next(body for status, body in answers if status == 429)
        assert (refusal["limit"], refusal["current"]) == (50, 50)
    assert _shown(deployed, made) == {("99400", "600", 50)}
    assert "0 discrepancies" in deployed.run("doctor")


def test_exactly_as_many_are_accepted_as_the_credits_pay_for(
    deployed: Deployment, clients: Clients
):
    made = _accounts(deployed, {"poor": "371"})
    answers = storm(deployed, clients, made["poor"])
    assert Counter(status for status, _ in answers) == {200: 30, 402: 470}
    refusal = next(body for status, body in answers if status == 402)
    assert (refusal["required"], refusal["available"]) == (12, 11)
    assert _shown(deployed, made) == {("11", "360", 30)}


def _accounts(deployed: Deployment, granted: dict[str, str]) -> dict[str, str]:
    """Make accounts with credits, and a key for each."""

    async def work(runtime: Runtime) -> dict[str, str]:
        made = {}
        for name, amount in granted.items():
            now, database = runtime.clock(), runtime.database
            account, _ = await accounts.ensure(database, name, now)
            await book.grant(database, account.id, parse_credits(amount), reason="story", now=now)
            issued = await keys.create(
                database, account.id, "storm", mode=KeyMode.LIVE, expires_at=None, now=now
            )
            made[name] = issued.text
        return made

    return _in_database(deployed, work)


def _shown(deployed: Deployment, names: Iterable[str]) -> set[tuple[str, str, int]]:
    """Return available, held and running of each account, without repeating equal ones."""

    async def work(runtime: Runtime) -> set[tuple[str, str, int]]:
        found = [await accounts.by_name(runtime.database, name) for name in names]
        return {
            (format_credits(one.available), format_credits(one.held), one.tasks_running)
            for one in found
        }

    return _in_database(deployed, work)


def _in_database(deployed: Deployment, work: Callable[[Runtime], Awaitable[Result]]) -> Result:
    settings = load_settings({"KINETOSCOPE_DATA_DIR": str(deployed.folder)})
    with open_server(deployed.folder / "postgres") as server:
        return asyncio.run(run_in(settings, server.conninfo, work))
