"""Bodies that no answer waited for: their rest is taken, or the connection is given up in words.

A server cannot read the next request of a connection before the last one's body is over. Ours
closes such a connection without saying so, and whoever reuses it finds it dead: a refusal must not
cost a client its next request.
"""

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

LEFTOVER_BYTES_MAX = 256 * 1024
LEFTOVER_S_MAX = 2.0
"""What is still taken of a body that is of no use: a little, for a little while."""

CLOSE = (b"connection", b"close")


class Body:
    """A request's body on its way in, and whether all of it has been received."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_over = False

    async def receive(self) -> Message:
        """Pass on what comes next."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.is_over = True
        return message

    async def take_rest(self) -> bool:
        """Throw away what is still to come, unless that is much or slow; say if that was all."""
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LEFTOVER_S_MAX):
                while not self.is_over and taken <= LEFTOVER_BYTES_MAX:
                    taken += len((await self.receive()).get("body", b""))
        return self.is_over


def taking_leftovers(scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Wrap `receive` and `send` so that an answer leaves no body unread, or says that it does."""
    if not _has_body(scope):
        return receive, send
    body = Body(receive)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and not body.is_over:
            is_over = await body.take_rest()
            if not is_over and scope["http_version"] == "1.1":
                message["headers"] = [*message["headers"], CLOSE]
        await send(message)

    return body.receive, sending


def _has_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return bool(value != b"0")
        if name == b"transfer-encoding":
            return True
    return False
