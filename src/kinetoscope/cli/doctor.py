"""`kinetoscope doctor`: whether everything is in order."""

import typer

from kinetoscope.cli.session import with_runtime
from kinetoscope.tasks import measure
from kinetoscope.tasks.audit import Discrepancy, audit
from kinetoscope.tasks.measure import Backlog
from kinetoscope.wiring import Runtime


def doctor() -> None:
    """Check the database, the backlog and every account's books; ends with 1 if books disagree."""

    async def work(runtime: Runtime) -> tuple[Backlog, list[Discrepancy]]:
        return await measure.backlog(runtime.database), await audit(runtime.database)

    backlog, discrepancies = with_runtime(work)
    typer.echo("database     answers, schema is current")
    typer.echo(
        f"backlog      {backlog.open_tasks} open tasks, "
        f"oldest waiting {backlog.oldest_waiting_s:.0f} s"
    )
    typer.echo(f"books        {len(discrepancies)} discrepancies")
    for discrepancy in discrepancies:
        typer.echo(f"             {discrepancy.subject}: {discrepancy.problem}")
    if discrepancies:
        raise typer.Exit(1)
