"""Where the server is and with which key: as told, or as the environment says."""

import httpx

from kinetoscope.client.asking import shown
from kinetoscope.client.errors import Misconfigured
from kinetoscope.client.steps import Server
from kinetoscope.client.surroundings import KEY, URL, URL_DEFAULT, stated

API = "/api/v1"

CONNECT_TIMEOUT_S = 10.0
TIMEOUT_S = 30.0
RETRIES = 6
"""About 20 seconds of trying: as long as a server takes to come back."""


def server(key: str | None, url: str | None, timeout_s: float, retries: int) -> Server:
    """Return the server to ask; raises Misconfigured."""
    key = (stated(KEY) if key is None else key).strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Misconfigured(f"The key has characters that none has; look at {KEY}")
    given = (url or stated(URL) or URL_DEFAULT).strip()
    try:
        parsed = httpx.URL(given)
    except httpx.InvalidURL as error:
        raise Misconfigured(f"{shown(given)!r} is no address of a server: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise Misconfigured(f"{shown(given)!r} is no address such as {URL_DEFAULT}; look at {URL}")
    plain = str(parsed.copy_with(query=None, fragment=None)).rstrip("/").removesuffix(API)
    return Server(url=plain, key=key, timeout_s=timeout_s, retries=retries)


POOL = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Waits hold a connection each; how many there may be is the server's to say."""


def timeout(server: Server) -> httpx.Timeout:
    """Return how long httpx waits: for a connection, and for bytes unless a request says more."""
    return httpx.Timeout(server.timeout_s, connect=min(CONNECT_TIMEOUT_S, server.timeout_s))
