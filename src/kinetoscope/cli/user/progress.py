"""How a task goes, on stderr: a bar on a terminal, a line for each change elsewhere."""

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from kinetoscope.client import Kinetoscope, Task, Update

STEP_PERCENT = 25

WHOLE_PERCENT = 100


def followed(client: Kinetoscope, task_id: str, *, quiet: bool = False) -> Task:
    """Show how a task goes until it has ended; return it."""
    updates = client.subscribe(task_id)
    if quiet:
        return _last(updates)
    return _bar(updates) if sys.stderr.isatty() else _last(_lines(updates))


def _last(updates: Iterator[Update]) -> Task:
    task = None
    for update in updates:
        task = update.task
    assert task is not None  # noqa: S101 - the last update has it
    return task


def _bar(updates: Iterator[Update]) -> Task:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("waiting", total=None)

        def shown() -> Iterator[Update]:
            for update in updates:
                percent = update.progress_percent
                progress.update(
                    bar,
                    description=words(update),
                    total=None if percent is None else WHOLE_PERCENT,
                    completed=percent or 0,
                )
                yield update

        return _last(shown())


def _lines(updates: Iterator[Update]) -> Iterator[Update]:
    told: tuple[str, int] | None = None
    for update in updates:
        steps = (update.progress_percent or 0) // STEP_PERCENT
        if update.task is None and told != (update.status, steps):
            told = (update.status, steps)
            tail = f" {update.progress_percent} %" if update.progress_percent else ""
            sys.stderr.write(f"{words(update)}{tail}\n")
        yield update


def words(update: Update) -> str:
    """Say how a task stands."""
    if update.status == "waiting" and update.position:
        return f"waiting, {update.position} ahead"
    return update.status
