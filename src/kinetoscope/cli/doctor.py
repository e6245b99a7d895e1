"""`kinetoscope doctor`: whether everything is in order."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import typer

from kinetoscope.cli.session import with_runtime
from kinetoscope.kernel.toml_files import Problem
from kinetoscope.media.credentials import Credentials, SigningFailed
from kinetoscope.media.provenance import check
from kinetoscope.providers.contract import Condition
from kinetoscope.tasks import alerts, circuits, measure
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
class Findings:
    """Everything that was looked at."""

    backlog: Backlog
    discrepancies: list[Discrepancy]
    signing: Signing
    files: tuple[Problem, ...]
    providers: dict[str, Condition]
    circuits: list[Circuit]
    alerts: int


async def examine(runtime: Runtime) -> Findings:
    """Look at everything; nothing is spent, and nothing is changed."""
    since = runtime.clock() - timedelta(days=1)
    return Findings(
        backlog=await measure.backlog(runtime.database),
        discrepancies=await audit(runtime.database),
        signing=await try_signing(runtime.credentials),
        files=runtime.problems,
        providers=await try_providers(runtime),
        circuits=[each for each in await circuits.listed(runtime.database) if each.open],
        alerts=len(await alerts.recent(runtime.database, since)),
    )


async def try_providers(runtime: Runtime) -> dict[str, Condition]:
    """Ask every configured provider for something that costs nothing."""
    with TemporaryDirectory() as folder:
        async with lent_providers(runtime, Path(folder)) as providers:
            names = list(providers)
            found = await asyncio.gather(*(providers[name].check() for name in names))
    return dict(zip(names, found, strict=True))


def doctor() -> None:
    """Check the database, the backlog, the books, signing, your files, and every provider.

    Ends with 1 if books disagree, signing fails, a file is not used, or a provider would not work.
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
    typer.echo(f"provenance   {signing.says}")
    for problem in found.files:
        typer.echo(f"file         NOT USED {problem}")
    for name, condition in found.providers.items():
        typer.echo(f"provider     {name}: {'' if condition.works else 'FAILS: '}{condition.says}")
    for circuit in found.circuits:
        typer.echo(f"circuit      {circuit.provider} {circuit.model}: left alone after failures")
    if found.alerts:
        typer.echo(f"alerts       {found.alerts} since yesterday; see `kinetoscope tasks alerts`")
    broken = not all(condition.works for condition in found.providers.values())
    if discrepancies or not signing.works or found.files or broken:
        raise typer.Exit(1)
