"""`kinetoscope listen`: brings deliveries to a port of a developer's own machine.

It asks a server, with a key, what the account's tasks came to, and posts what their webhooks carry
to a local address: the same body, headers and id. For tasks without a callBackUrl too, so that
nothing need be reachable from outside, and beside the deliveries that have one.
"""

import asyncio
import signal
from dataclasses import dataclass, field
from typing import Annotated, Any

import aiohttp
import orjson
import typer

from kinetoscope.cli.session import fail, settings_or_fail
from kinetoscope.kernel.clock import system_clock

PATH = "/api/v1/webhooks/listen"

POLL_DELAY_S = 1.0

LOOKED_BACK_MS = 10_000
"""Tasks that end on different workers may show up out of order, by less than this."""

FORWARD_TIMEOUT_S = 30.0


class Refused(Exception):
    """The server refuses the key or the question; asking again changes nothing."""


@dataclass(slots=True, kw_only=True)
class Followed:
    """How far a server was followed: where to look again, and what was seen from there on."""

    since_ms: int | None = None
    seen: dict[str, int] = field(default_factory=dict)

    def take(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events of an answer that are new."""
        if self.since_ms is None:
            self.since_ms = int(answer["time"])
        fresh = [event for event in answer["events"] if event["id"] not in self.seen]
        for event in fresh:
            self.seen[event["id"]] = int(event["endTime"])
        return fresh

    def look_back(self) -> None:
        """Begin the next round a little before the latest event, and forget what lies before."""
        if self.seen and self.since_ms is not None:
            self.since_ms = max(self.since_ms, max(self.seen.values()) - LOOKED_BACK_MS)
            since_ms = self.since_ms
            self.seen = {id_: ended for id_, ended in self.seen.items() if ended >= since_ms}


def listen(
    forward: Annotated[str, typer.Option(help="Where to post, such as http://127.0.0.1:3000/hook")],
    key: Annotated[str, typer.Option(envvar="KINETOSCOPE_KEY", help="An API key of the account.")],
    url: Annotated[
        str, typer.Option(envvar="KINETOSCOPE_URL", help="The server; yours by default.")
    ] = "",
) -> None:
    """Forward webhooks to a port of this machine, until Ctrl-C."""
    if not forward.startswith(("http://", "https://")):
        raise fail(f"--forward: expected an address such as http://127.0.0.1:3000, not {forward!r}")
    url = url or settings_or_fail().public_url
    typer.echo(f"forwarding webhooks from {url} to {forward}; Ctrl-C ends it")
    try:
        asyncio.run(relay(url.rstrip("/"), key, forward))
    except Refused as error:
        raise fail(str(error)) from None


async def relay(url: str, key: str, forward: str) -> None:
    """Follow the server and forward what is new, until told to stop. Raises Refused."""
    working = asyncio.create_task(_relay(url, key, forward))
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(ending, working.cancel)
    await asyncio.wait([working])
    if not working.cancelled():
        working.result()


async def _relay(url: str, key: str, forward: str) -> None:
    followed = Followed()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as server,
        aiohttp.ClientSession(auto_decompress=False) as local,
    ):
        while True:
            try:
                await _follow(server, local, url + PATH, forward, followed)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                typer.echo(f"{_now()}  the server does not answer: {type(error).__name__}")
            followed.look_back()
            await asyncio.sleep(POLL_DELAY_S)


async def _follow(
    server: aiohttp.ClientSession,
    local: aiohttp.ClientSession,
    address: str,
    forward: str,
    followed: Followed,
) -> None:
    """Forward everything new, page by page."""
    query = {} if followed.since_ms is None else {"since": str(followed.since_ms)}
    while True:
        answer = await _ask(server, address, query)
        for event in followed.take(answer):
            await _forward(local, forward, event)
        if not answer["events"]:
            return
        query = {"cursor": answer["cursor"]}


async def _ask(
    server: aiohttp.ClientSession, address: str, query: dict[str, str]
) -> dict[str, Any]:
    async with server.get(address, params=query) as response:
        answer: dict[str, Any] = orjson.loads(await response.read())
        if response.status in {400, 401, 403, 404}:
            raise Refused(f"{address} answered {response.status}: {answer.get('message', '')}")
        response.raise_for_status()
        return answer


async def _forward(local: aiohttp.ClientSession, forward: str, event: dict[str, Any]) -> None:
    timeout = aiohttp.ClientTimeout(total=FORWARD_TIMEOUT_S)
    outcome: object
    try:
        async with local.post(
            forward,
            data=event["body"].encode(),
            headers=event["headers"],
            allow_redirects=False,
            timeout=timeout,
        ) as response:
            outcome = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        outcome = f"not delivered: {type(error).__name__}"
    typer.echo(f"{_now()}  {event['eventType']}  {event['taskId']}  {event['id']}  {outcome}")


def _now() -> str:
    return f"{system_clock().astimezone():%H:%M:%S}"
