"""References of a hosted job: uploaded before there is a job, or part of what asks for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from kinetoscope.kernel.calling import Answer, Call
from kinetoscope.providers.adapter import Adapter, Attached, Site, data_uri, refusal_by_status
from kinetoscope.providers.contract import FetchedReference, Job, Kind, Prepared, Refused

SERVER_ERRORS = range(500, 600)
REQUEST_TIMEOUT = 408
TOO_MANY = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploading:
    """How files get to an upstream: `ask` sends our key along, `put` does not."""

    adapter: Adapter
    site: Site
    ask: Callable[[Site, Call], Awaitable[Answer]]
    put: Callable[[Call], Awaitable[Answer]]


async def upload(uploading: Uploading, job: Job) -> Prepared | Refused:
    """Upload what the upstream does not take inline. Raises CallFailed and Malformed."""
    addresses: dict[str, str] = {}
    for fetched in job.references:
        url = await _upload(uploading, fetched)
        if isinstance(url, Refused):
            return url
        if url is not None:
            addresses[fetched.name] = url
    return Prepared(addresses=addresses)


async def _upload(uploading: Uploading, fetched: FetchedReference) -> str | Refused | None:
    """Return an address under which the upstream can read a file; None where it needs none."""
    adapter, site = uploading.adapter, uploading.site
    if adapter.upload is None or adapter.uploaded is None:
        return None
    answer = await uploading.ask(site, adapter.upload(site, fetched))
    if not answer.is_fine:
        return _refused(adapter, answer)
    place = adapter.uploaded(answer, fetched)
    if isinstance(place, str):
        return place
    # The address is the permission: our key is none of its business.
    answer = await uploading.put(
        replace(place.put, url=urljoin(f"{site.base_url}/", place.put.url))
    )
    return place.url if answer.is_fine else _refused(adapter, answer)


def _refused(adapter: Adapter, answer: Answer) -> Refused:
    """An upload makes no job, so that whatever went wrong is a refusal of it."""
    if answer.status in SERVER_ERRORS or answer.status in {REQUEST_TIMEOUT, TOO_MANY}:
        return refusal_by_status(answer, kind=Kind.TEMPORARY)
    return adapter.refusal(answer)


def attached(adapter: Adapter, job: Job) -> tuple[Attached, ...]:
    """Give every reference an address: the one it was uploaded to, or its own bytes.

    One that has none was not to be had when the job was prepared, and is left out: a submit that
    is repeated says the same again.
    """
    if adapter.upload is None:
        return tuple(Attached(fetched=each, url=data_uri(each)) for each in job.references)
    return tuple(
        Attached(fetched=each, url=job.prepared[each.name])
        for each in job.references
        if each.name in job.prepared
    )
