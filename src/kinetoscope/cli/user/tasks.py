"""`kinetoscope tasks`: a user's tasks over HTTP; `margins` and `alerts` are the operator's."""

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from kinetoscope.cli.commands import Deferred, with_table
from kinetoscope.cli.user.connection import (
    FAILED,
    USAGE,
    AsJson,
    Key,
    Local,
    Url,
    connected,
    fail,
    say,
)
from kinetoscope.cli.user.ending import cancelled, charged, failure_text, reason_text, task_json
from kinetoscope.cli.user.progress import followed
from kinetoscope.cli.user.saving import Force, Output, require_place, saved
from kinetoscope.cli.user.written import (
    age_text,
    credits_text,
    moment_text,
    out,
    table,
    write_json,
)
from kinetoscope.client import Kinetoscope, Status, Task

OPERATOR = "kinetoscope.cli.tasks"

TABLE = (
    Deferred(
        "show",
        "Show how a task stands.",
        user="kinetoscope.cli.user.tasks:show",
        operator=f"{OPERATOR}:show",
    ),
    Deferred("margins", "As the operator: earnings and costs.", operator=f"{OPERATOR}:margins"),
    Deferred(
        "alerts", "As the operator: what may have cost for nothing.", operator=f"{OPERATOR}:alerts"
    ),
)

app = typer.Typer(
    help="List, show, await, cancel and save tasks.", no_args_is_help=True, cls=with_table(*TABLE)
)

TaskId = Annotated[str, typer.Argument(help="The task's id.")]


@app.command(name="list")
def list_tasks(
    *,
    status: Annotated[
        str, typer.Option(help="Only these: waiting, generating, success or fail.")
    ] = "",
    model: Annotated[str, typer.Option(help="Only this model's.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
) -> None:
    """List tasks, newest first."""
    wanted = _status(status, as_json=as_json)
    with connected(key, url, as_json=as_json) as client:
        found = list(islice(client.list(status=wanted, model=model or None, limit=limit), limit))
    if as_json:
        typer.echo(write_json({"tasks": [task_json(task) for task in found]}))
        return
    rows = table("id", "status", "credits", "age", "model")
    now = datetime.now(UTC)  # noqa: TID251 - a person's own clock, for a person's eyes
    for task in found:
        rows.add_row(
            task.id,
            task.status,
            credits_text(charged(task)),
            age_text(task.created_at, now),
            task.model,
        )
    out().print(rows)


def _status(text: str, *, as_json: bool) -> Status | None:
    match text:
        case "":
            return None
        case "waiting" | "generating" | "success" | "fail":
            return text
        case _:
            message = "--status: expected waiting, generating, success or fail"
            raise fail(message, USAGE, as_json=as_json)


def show(
    task_id: TaskId,
    *,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
    local: Local = False,
) -> None:
    """Show how a task stands. With --local: who was asked to make it, and why."""
    del local  # the choice was made already
    with connected(key, url, as_json=as_json) as client:
        _print(client.get(task_id), as_json=as_json)


@app.command()
def wait(
    task_id: TaskId,
    *,
    timeout: Annotated[float | None, typer.Option(min=0, help="How many seconds.")] = None,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
) -> None:
    """Wait for a task's end; ends with 4 if it failed, and with 1 after the timeout."""
    with connected(key, url, as_json=as_json) as client:
        task = client.get(task_id)  # refused here, an id needs no hint to look at it
        if not task.has_ended:
            task = _awaited(client, task_id, timeout, quiet=as_json)
        _print(task, as_json=as_json)
        if task.error is not None and not as_json:
            say(f"kinetoscope: {failure_text(task)}")
        if task.status != "success":
            raise typer.Exit(FAILED)


def _awaited(client: Kinetoscope, task_id: str, timeout_s: float | None, *, quiet: bool) -> Task:
    if timeout_s is None:
        return followed(client, task_id, quiet=quiet)
    return client.wait(task_id, timeout_s=timeout_s, must_succeed=False)


@app.command()
def cancel(task_id: TaskId, *, as_json: AsJson = False, key: Key = None, url: Url = None) -> None:
    """Want a task's end, and say what became of that."""
    with connected(key, url, as_json=as_json) as client:
        client.get(task_id)
        message = cancelled(client, task_id)
        if as_json:
            task = task_json(client.get(task_id))
            typer.echo(write_json({**task, "message": message}))
        else:
            typer.echo(message)


@app.command()
def download(
    task_id: TaskId,
    *,
    output: Output = "",
    force: Force = False,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
) -> None:
    """Save a task's files, waiting for them if need be."""
    require_place(output, as_json=as_json)
    with connected(key, url, as_json=as_json) as client:
        task = client.get(task_id)
        if not task.has_ended:
            task = followed(client, task_id, quiet=as_json)
        if task.status != "success":
            if as_json:
                typer.echo(write_json(task_json(task)))
            raise fail(failure_text(task), FAILED)
        paths = saved(client, task, output, force=force, as_json=as_json)
    if as_json:
        typer.echo(write_json(task_json(task, paths)))
        return
    for path in paths:
        typer.echo(str(path))


def _print(task: Task, *, as_json: bool) -> None:
    if as_json:
        typer.echo(write_json(task_json(task)))
        return
    lines = [
        ("task", task.id),
        ("model", task.model),
        ("status", task.status),
        ("credits", credits_text(charged(task))),
        ("created", moment_text(task.created_at)),
        ("ended", moment_text(task.completed_at)),
        ("files until", moment_text(task.expires_at)),
        ("error", reason_text(task)),
        *(("file", output.url) for output in task.outputs),
    ]
    for name, said in lines:
        if said:
            typer.echo(f"{name:<13}{said}")
