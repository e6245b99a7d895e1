"""The one address that JavaScript's client sends everything to: what it means is in a header.

`x-fal-target-url` names a host of fal's, for which we stand: it is looked up in our own routes, and
nothing is ever sent anywhere. https://docs.fal.ai/model-apis/integrations/nextjs
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.convertors import Convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from kinetoscope.accounts import opening
from kinetoscope.dialects.door import Client, Speak, Speech
from kinetoscope.kernel.errors import InvalidRequest, Unsupported

TARGET = "x-fal-target-url"

PLACES: Mapping[str, str] = {
    "fal.run": "/run",
    "queue.fal.run": "/queue",
    "rest.fal.ai": "",
    "rest.alpha.fal.ai": "",
}
"""Which of our paths a host of fal's stands for."""

FALS = re.compile(r"([a-z0-9-]+\.)*fal\.(run|ai)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A route of the dialect; a key needs all of its scopes."""

    method: str
    path: str
    scopes: tuple[str, ...]
    speak: Speak
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a target means: a route, and what stands in its path and query."""

    served: Served
    parameters: Mapping[str, Any]
    query: str


class Table:
    """The routes that may be meant."""

    def __init__(self, routes: tuple[Served, ...]) -> None:
        self.routes: list[tuple[Served, re.Pattern[str], Mapping[str, Convertor[Any]]]] = []
        for served in routes:
            pattern, _, convertors = compile_path(served.path)
            self.routes.append((served, pattern, convertors))

    def find(self, method: str, target: str | None) -> Found:
        """Return what a target means; raises InvalidRequest or Unsupported."""
        if not target:
            raise InvalidRequest(f"Missing the {TARGET} header")
        try:
            parts = urlsplit(target)
        except ValueError:
            parts = urlsplit("")
        host = parts.hostname or ""
        if not FALS.fullmatch(host):
            raise InvalidRequest(f"Invalid {TARGET} header: it is not an address of fal's")
        if host in PLACES:
            path = PLACES[host] + unquote(parts.path).rstrip("/")
            for served, pattern, convertors in self.routes:
                match = pattern.match(path)
                if match and served.method == method:
                    stated = {
                        name: convertors[name].convert(value)
                        for name, value in match.groupdict().items()
                    }
                    return Found(served=served, parameters=stated, query=parts.query)
        raise Unsupported(f"{method} {host}{parts.path} is not supported here")


async def through(speech: Speech, table: Table, request: Request) -> Response:
    """Do what a target means, with the key that the request itself brings."""
    client = await speech.admit(request)
    found = table.find(request.method, request.headers.get(TARGET))
    for needed in found.served.scopes:
        opening.require(client.caller, needed)
    scope = {
        **request.scope,
        "path_params": dict(found.parameters),
        "query_string": found.query.encode(),
    }
    meant = Request(scope, request.receive)
    return await found.served.speak(Client(request=meant, key=client.key, caller=client.caller))
