"""`kinetoscope doctor`: whether everything is in order."""

from typing import NamedTuple

import typer

from kinetoscope.cli.session import with_runtime
from kinetoscope.media.credentials import Credentials, SigningFailed
from kinetoscope.media.provenance import check
from kinetoscope.tasks import measure
from kinetoscope.tasks.audit import Discrepancy, audit
from kinetoscope.tasks.measure import Backlog
from kinetoscope.wiring import Runtime


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


def doctor() -> None:
    """Check the database, the backlog, every account's books, and signing, where files are signed.

    Ends with 1 if books disagree or signing fails.
    """

    async def work(runtime: Runtime) -> tuple[Backlog, list[Discrepancy], Signing]:
        return (
            await measure.backlog(runtime.database),
            await audit(runtime.database),
            await try_signing(runtime.credentials),
        )

    backlog, discrepancies, signing = with_runtime(work)
    typer.echo("database     answers, schema is current")
    typer.echo(
        f"backlog      {backlog.open_tasks} open tasks, "
        f"oldest waiting {backlog.oldest_waiting_s:.0f} s"
    )
    typer.echo(f"books        {len(discrepancies)} discrepancies")
    for discrepancy in discrepancies:
        typer.echo(f"             {discrepancy.subject}: {discrepancy.problem}")
    typer.echo(f"provenance   {signing.says}")
    if discrepancies or not signing.works:
        raise typer.Exit(1)
