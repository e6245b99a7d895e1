"""How a connection is made, so that a name changing its address between two looks is no use.

Every address is checked twice: when the name is looked up, and where the socket is made, which
is the last moment and the one that counts.
"""

import asyncio
import errno
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from kinetoscope.kernel.errors import KinetoscopeError

Resolve = Callable[[str], Awaitable[tuple[str, ...]]]
"""Looks a host name up; raises OSError where it has no address."""

CheckAddress = Callable[[str, int], None]
"""Takes an address as text and a port; raises a KinetoscopeError where no connection may go."""


async def system_resolve(host: str) -> tuple[str, ...]:
    """Ask the system's resolver for every address of a host, both families.

    In a thread of its own: a name whose servers are silent keeps one for half a minute. It must
    not keep it from other names, as in the loop's own small pool, nor hold up a process that ends.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def tell(addresses: tuple[str, ...], error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def look_up() -> None:
        addresses: tuple[str, ...] = ()
        fault: Exception | None = None
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))
        except Exception as error:  # noqa: BLE001 - raised where the answer is awaited
            fault = error
        with suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(tell, addresses, fault)

    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    return await found


def checked_connector(check: CheckAddress, resolve: Resolve) -> aiohttp.TCPConnector:
    """Make a connector for one exchange: it keeps no connection and remembers no name.

    A refusal at the lookup comes out as `check` raised it, one at the socket as a
    ClientConnectorError whose `os_error` is a PermissionError.
    """

    def checked_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        try:
            check(str(sockaddr[0]), int(sockaddr[1]))
        except KinetoscopeError as refusal:
            # The race for the quickest address tells nobody of anything but an OSError.
            raise PermissionError(errno.EACCES, str(refusal)) from None
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        resolver=_CheckedResolver(check, resolve),
        socket_factory=checked_socket,
        use_dns_cache=False,
        force_close=True,
    )


class _CheckedResolver(AbstractResolver):
    """Refuses a host as soon as one of its addresses is forbidden: mixed answers are an attack."""

    def __init__(self, check: CheckAddress, resolve: Resolve) -> None:
        self._check = check
        self._resolve = resolve

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of the host, all of them checked."""
        del family  # both families are checked and offered, whatever the connector prefers
        texts = await self._resolve(host)
        for text in texts:
            self._check(text, port)
        return [_resolved(host, text, port) for text in texts]

    @override
    async def close(self) -> None:
        """Hold nothing, release nothing."""


def _resolved(host: str, text: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=text,
        port=port,
        family=socket.AF_INET6 if ":" in text else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
