"""`kinetoscope doctor`: whether everything is in order."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import typer

from kinetoscope import engine, upstreams
from kinetoscope.accounts import audit as audit_log
from kinetoscope.cli.queues import served_queues
from kinetoscope.cli.session import with_runtime
from kinetoscope.kernel.toml_files import Problem
from kinetoscope.media.credentials import Credentials, SigningFailed
from kinetoscope.media.provenance import check
from kinetoscope.providers.contract import Condition
from kinetoscope.providers.keys import load_all
from kinetoscope.tasks import alerts, circuits, measure, served
from kinetoscope.tasks.audit import Discrepancy, audit
from kinetoscope.tasks.circuits import Circuit
from kinetoscope.tasks.measure import Backlog
from kinetoscope.wiring import Runtime, lent_providers


class Signing(NamedTuple):
    """Whether finished files can be signed, in words too."""

    works: bool
    says: str


async def try_signing(credentials: Credentials | None) -> Signing:
    """Sign something: key, certificate and library are good if what comes out can be verified."""
    if credentials is None:
        return Signing(works=True, says="files are labelled, not signed: there is no key")
    try:
        await check(credentials)
    except SigningFailed as error:
        return Signing(works=False, says=f"CANNOT SIGN: {error}")
    return Signing(works=True, says="files are labelled and signed")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFound:
    """A queue that nobody works on; None if nobody ever did."""

    name: str
    tasks: int
    seen_ago_s: float | None

    @property
    def says(self) -> str:
        """What to tell of it."""
        since = "ever" if self.seen_ago_s is None else f"for {self.seen_ago_s:.0f} s"
        return f"{self.name}: no worker {since}, {self.tasks} tasks wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that was looked at."""

    backlog: Backlog
    discrepancies: list[Discrepancy]
    signing: Signing
    files: tuple[Problem, ...]
    providers: dict[str, Condition]
    elsewhere: dict[str, str]
    queues: list[QueueFound]
    keys: dict[str, str]
    circuits: list[Circuit]
    alerts: int
    log_broken_at: int | None


async def examine(runtime: Runtime) -> Findings:
    """Look at everything; nothing is spent, and nothing is changed."""
    since = runtime.clock() - timedelta(days=1)
    own = served_queues(runtime.settings.queues, runtime.routes)
    here, elsewhere = whose_are(runtime, own)
    keys = await load_all(runtime.database, runtime.envelope)
    return Findings(
        backlog=await measure.backlog(runtime.database),
        discrepancies=await audit(runtime.database),
        log_broken_at=await audit_log.first_broken(runtime.database),
        signing=await try_signing(runtime.credentials),
        files=runtime.problems,
        providers=await try_providers(runtime, here),
        elsewhere=elsewhere,
        queues=await look_at_queues(runtime),
        keys=dict(keys.problems),
        circuits=await circuits.listed(runtime.database, runtime.clock()),
        alerts=len(await alerts.recent(runtime.database, since)),
    )


def whose_are(
    runtime: Runtime, own: frozenset[str] | None
) -> tuple[frozenset[str], dict[str, str]]:
    """Return which providers this machine's worker asks, and the queues of those it does not."""
    queues = {config.name: upstreams.queue_of(config) for config in runtime.setup.configs}
    elsewhere = {
        name: queue for name, queue in queues.items() if own is not None and queue not in own
    }
    return frozenset(queues.keys() - elsewhere.keys()), elsewhere


async def look_at_queues(runtime: Runtime) -> list[QueueFound]:
    """Return the queues that nobody works on although tasks wait there or are to."""
    seen = {each.queue: each.ago_s for each in await served.listed(runtime.database)}
    waiting = await engine.waiting(runtime.database)
    leading = {route.queue for routes in runtime.routes.by_model.values() for route in routes}
    return [
        QueueFound(name=queue, tasks=waiting.get(queue, 0), seen_ago_s=seen.get(queue))
        for queue in sorted({*waiting, *leading})
        if seen.get(queue, served.UNSERVED_S) >= served.UNSERVED_S
    ]


async def try_providers(runtime: Runtime, names: frozenset[str]) -> dict[str, Condition]:
    """Ask these providers for something that costs nothing."""
    with TemporaryDirectory() as folder:
        async with lent_providers(runtime, Path(folder)) as providers:
            asked = [name for name in providers if name in names]
            found = await asyncio.gather(*(providers[name].check() for name in asked))
    return dict(zip(asked, found, strict=True))


def doctor() -> None:
    """Check the database, the backlog, the books, the audit log, signing, files, and providers.

    Ends with 1 if books disagree, the log was changed, signing fails, a file is not used, a key
    does not open, or a provider would not work. Providers of other machines' queues
    (KINETOSCOPE_QUEUES) are not asked.
    """
    found = with_runtime(examine)
    backlog, discrepancies, signing = found.backlog, found.discrepancies, found.signing
    typer.echo("database     answers, schema is current")
    typer.echo(
        f"backlog      {backlog.open_tasks} open tasks, "
        f"oldest waiting {backlog.oldest_waiting_s:.0f} s"
    )
    typer.echo(f"books        {len(discrepancies)} discrepancies")
    for discrepancy in discrepancies:
        typer.echo(f"             {discrepancy.subject}: {discrepancy.problem}")
    at = found.log_broken_at
    typer.echo(f"audit log    {'whole' if at is None else f'CHANGED at entry {at}'}")
    typer.echo(f"provenance   {signing.says}")
    for problem in found.files:
        typer.echo(f"file         NOT USED {problem}")
    for name, condition in found.providers.items():
        typer.echo(f"provider     {name}: {'' if condition.works else 'FAILS: '}{condition.says}")
    for name, queue in found.elsewhere.items():
        typer.echo(f"provider     {name}: is for the workers of {queue}; ask where they run")
    for name, reason in found.keys.items():
        typer.echo(f"key          FAILS: the stored key of {name} does not open: {reason}")
    for unserved in found.queues:
        typer.echo(f"queue        {unserved.says}")
    for circuit in found.circuits:
        typer.echo(f"circuit      {circuit.provider} {circuit.model}: left alone after failures")
    if found.alerts:
        typer.echo(f"alerts       {found.alerts} since yesterday; see `kinetoscope tasks alerts`")
    broken = not all(condition.works for condition in found.providers.values())
    bad = (discrepancies, not signing.works, found.files, broken, found.keys, at is not None)
    if any(bad):
        raise typer.Exit(1)
