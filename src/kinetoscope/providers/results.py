"""Bringing finished files here from an upstream, before it forgets them."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urljoin

from kinetoscope.kernel.calling import MEBIBYTE, Call, Caller, CallFailed, NotWritten
from kinetoscope.kernel.outbound import Egress, FetchLimits, OutboundFailed, OutboundRefused, fetch
from kinetoscope.providers.adapter import Adapter, Output, Reading, Site
from kinetoscope.providers.contract import Done, Job, OutputFile, Unfetched
from kinetoscope.providers.origins import origin

RESULT_BYTES_MAX = 1024 * MEBIBYTE
RESULT_TIMEOUT_S = 300.0
RESULTS_AT_ONCE = 16
"""Jobs of one provider whose files are on their way: it fills no disk, and delays no other's."""
OK = 200
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HOPS_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """How files are brought. The operator's `origins` are trusted like the upstream's own."""

    caller: Caller
    egress: Egress
    origins: frozenset[str]
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RESULTS_AT_ONCE))


async def take(
    results: Results, site: Site, adapter: Adapter, reading: Reading, job: Job
) -> Done | Unfetched:
    """Bring every file of a finished job into its folder, when it is its turn."""
    async with results.turns:
        return await _take(results, site, adapter, reading, job)


async def _take(
    results: Results, site: Site, adapter: Adapter, reading: Reading, job: Job
) -> Done | Unfetched:
    files: list[OutputFile] = []
    last_frame: Path | None = None
    for number, output in enumerate(reading.outputs, start=1):
        path = job.folder / f"result-{number}"
        try:
            media_type = await _bring(results, site, adapter, output, path)
        except (CallFailed, OutboundFailed, OutboundRefused, NotWritten, OSError) as error:
            return Unfetched(
                reason=str(error),
                is_ours=isinstance(error, NotWritten | OSError),
                usage=reading.usage,
                cost_usd_micros=reading.cost_usd_micros,
            )
        if output.is_last_frame:
            last_frame = path
            continue
        files.append(
            OutputFile(
                path=path,
                kind=output.kind or job.order.kind,
                media_type=media_type,
                seed=job.seed,
            )
        )
    if last_frame is not None and files:
        files[0] = replace(files[0], last_frame=last_frame)
    return Done(
        files=tuple(files),
        usage=reading.usage,
        preview=reading.preview,
        ai_generated=reading.ai_generated,
        cost_usd_micros=reading.cost_usd_micros,
    )


async def _bring(results: Results, site: Site, adapter: Adapter, output: Output, path: Path) -> str:
    """Write one file; from strangers' addresses only as `outbound` allows."""
    if output.data is not None:
        await asyncio.to_thread(path.write_bytes, output.data)
        return "application/octet-stream"
    url = urljoin(f"{site.base_url}/", output.url or "")
    for _ in range(HOPS_MAX):
        own = origin(url) == origin(site.base_url)
        if not own and origin(url) not in results.origins:
            limits = FetchLimits(bytes_max=RESULT_BYTES_MAX, total_timeout_s=RESULT_TIMEOUT_S)
            return (await fetch(results.egress, url, path, limits)).content_type
        call = Call(
            method="GET",
            url=url,
            headers=adapter.headers(site) if own and output.with_key else {},
            timeout_s=RESULT_TIMEOUT_S,
            bytes_max=RESULT_BYTES_MAX,
        )
        answer = await results.caller.download(call, path)
        if answer.status == OK:
            return answer.headers.get("content-type", "application/octet-stream")
        place = answer.headers.get("location")
        if answer.status not in REDIRECTS or place is None:
            raise CallFailed(f"status {answer.status} for a result", may_have_arrived=True)
        # Looked at anew: at another origin it is a stranger's address, and gets no key.
        url = urljoin(url, place)
    raise CallFailed("a result is redirected without end", may_have_arrived=True)
