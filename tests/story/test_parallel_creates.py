"""Five hundred creates at once, from four processes: the cap and the balance hold exactly."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.story.deployment import Deployment, deployment

REPEATS = 20
CLIENTS = 4
REQUESTS = 125

CLIENT = """
import asyncio, json, sys, httpx
async def main(url, key, requests):
    limits = httpx.Limits(max_connections=requests)
    headers = {"Authorization": f"Bearer {key}"}
    body = {"model": "midjourney-v8", "inputs": {"prompt": "A fox"}}
    async with httpx.AsyncClient(limits=limits, headers=headers, timeout=60) as client:
        answers = await asyncio.gather(*[client.post(url, json=body) for _ in range(requests)])
    print(json.dumps([[answer.status_code, answer.json()] for answer in answers]))
for line in sys.stdin:
    url, key, requests = line.split()
    asyncio.run(main(url, key, int(requests)))
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def deployed():
    # No worker gets a chance to end tasks: their provider's deadline is far and the renderer busy.
    with deployment(KINETOSCOPE_API_PROCESSES="2") as running:
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


def storm(deployed: Deployment, clients, key: str) -> list[tuple[int, dict[str, object]]]:
    """Let all clients loose at once and collect every answer."""
    url = f"http://127.0.0.1:{deployed.port}/api/v1/jobs/createTask"
    for client in clients:
        client.stdin.write(f"{url} {key} {REQUESTS}\n")
        client.stdin.flush()
    return [tuple(answer) for client in clients for answer in json.loads(client.stdout.readline())]


def test_exactly_as_many_are_accepted_as_the_cap_allows(deployed, clients):
    for repeat in range(REPEATS):
        name = f"capped-{repeat}"
        key = _account(deployed, name, "100000")
        answers = storm(deployed, clients, key)
        assert Counter(status for status, _ in answers) == {200: 50, 429: 450}, name
        assert len({body["taskId"] for status, body in answers if status == 200}) == 50
        refusal = next(body for status, body in answers if status == 429)
        assert (refusal["limit"], refusal["current"]) == (50, 50)
        assert _shown(deployed, name) == ("99400", "600", 50)
    assert "0 discrepancies" in deployed.run("doctor")


def test_exactly_as_many_are_accepted_as_the_credits_pay_for(deployed, clients):
    key = _account(deployed, "poor", "371")
    answers = storm(deployed, clients, key)
    assert Counter(status for status, _ in answers) == {200: 30, 402: 470}
    refusal = next(body for status, body in answers if status == 402)
    assert (refusal["required"], refusal["available"]) == (12, 11)
    assert _shown(deployed, "poor") == ("11", "360", 30)


def _account(deployed: Deployment, name: str, granted: str) -> str:
    deployed.run("credits", "grant", "--account", name, granted)
    made = deployed.run("keys", "create", "--account", name, "--name", "storm", "--json")
    return str(json.loads(made)["key"])


def _shown(deployed: Deployment, name: str) -> tuple[str, str, int]:
    shown = json.loads(deployed.run("credits", "show", "--account", name, "--json"))
    return shown["available"], shown["held"], shown["tasksRunning"]
