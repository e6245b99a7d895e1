"""Reap: one round over everything that has expired. Any number of workers may do it at once."""

from dataclasses import asdict, dataclass

import structlog

from kinetoscope.tasks import expire, forget, oversize
from kinetoscope.tasks.expire import Reaper

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """What one round did: files removed, some of them again; tasks and other rows forgotten."""

    files: int
    oversize: int
    confirmed: int
    tasks: int
    rows: int


async def reap(reaper: Reaper) -> Reaped:
    """Do one round. Files go before the tasks that know them."""
    await forget.stamp(reaper.database, reaper.lifetimes)
    reaped = Reaped(
        files=await expire.reap_media(reaper),
        oversize=await oversize.remove_oversize(reaper),
        confirmed=await expire.confirm_media(reaper),
        tasks=await forget.forget_tasks(reaper),
        rows=await forget.forget_rows(reaper),
    )
    if any(asdict(reaped).values()):
        log.info("reaper.reaped", **asdict(reaped))
    return reaped
