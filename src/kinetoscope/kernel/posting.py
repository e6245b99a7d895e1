"""Posting to URLs others wrote: webhooks. Checked like every fetch, and it follows no redirect."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from kinetoscope.kernel.connecting import Resolve, system_resolve
from kinetoscope.kernel.outbound import (
    Egress,
    FetchLimits,
    checked_session,
    checked_url,
    told_safely,
)

BODY_PATIENCE_S = 2.0
"""The status says it all; what follows is read for the log, after the time if need be, not long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back: any status, and how its body begins."""

    status: int
    retry_after: str | None
    beginning: bytes


async def post(
    egress: Egress,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    limits: FetchLimits,
    *,
    resolve: Resolve = system_resolve,
) -> Answered:
    """POST a body and return the answer, whatever its status; a redirect is an answer too.

    Raises OutboundRefused for a URL or address against the rules, and OutboundFailed where no
    status came within the time. Of the answer's body at most `bytes_max` are read.
    """
    with told_safely():
        async with checked_session(egress, resolve) as session:
            target = checked_url(egress, url)
            async with asyncio.timeout(limits.total_timeout_s):
                response = await session.post(
                    target, data=body, headers=headers, allow_redirects=False
                )
            try:
                return Answered(
                    status=response.status,
                    retry_after=response.headers.get("Retry-After"),
                    beginning=await _beginning(response, limits),
                )
            finally:
                # Closed, not drained: what is left of the body is of no interest.
                response.close()


async def _beginning(response: aiohttp.ClientResponse, limits: FetchLimits) -> bytes:
    """Read as much of the body as there is time and room for; none of it is needed."""
    read = bytearray()
    patience_s = min(BODY_PATIENCE_S, limits.total_timeout_s / 2)
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(patience_s):
            while len(read) < limits.bytes_max:
                piece = await response.content.read(limits.bytes_max - len(read))
                if not piece:
                    break
                read += piece
    return bytes(read)
