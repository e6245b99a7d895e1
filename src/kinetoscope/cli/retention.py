"""`kinetoscope retention`: how long an account's data is kept, legal holds, and the reaper."""

from datetime import timedelta
from typing import Annotated

import typer

from kinetoscope.accounts import retention
from kinetoscope.accounts.retention import Retention
from kinetoscope.cli.keys import parse_duration
from kinetoscope.cli.session import fail, with_runtime
from kinetoscope.kernel.ids import TaskId
from kinetoscope.tasks.delete import hold_task
from kinetoscope.tasks.expire import sweep_drafts
from kinetoscope.tasks.reap import Reaped, reap
from kinetoscope.wiring import Runtime, reaper_of

app = typer.Typer(help="Decide how long data is kept.", no_args_is_help=True)

AccountName = Annotated[str, typer.Option("--account", help="Name of the account.")]
TaskName = Annotated[str, typer.Option("--task", help="Id of one task.")]
Lifetime = Annotated[str, typer.Option(help="Such as 7d or 12h, or `default`.")]


@app.command()
def show(account: Annotated[str, typer.Argument(help="Name of the account.")]) -> None:
    """Show how long an account's data is kept."""
    _show(with_runtime(lambda runtime: retention.by_name(runtime.database, account)))


@app.command()
def limit(
    account: Annotated[str, typer.Argument(help="Name of the account.")],
    *,
    media: Lifetime = "",
    tasks: Lifetime = "",
    uploads: Lifetime = "",
) -> None:
    """Keep media, what is known of tasks, or uploads shorter than the deployment does.

    It applies to tasks that end, and uploads that are made, from then on.
    """
    asked_media, asked_tasks, asked_uploads = map(_lifetime, (media, tasks, uploads))

    async def work(runtime: Runtime) -> Retention:
        before = await retention.by_name(runtime.database, account)
        retention.require_allowed("media", asked_media, runtime.settings.media_lifetime)
        retention.require_allowed("tasks", asked_tasks, runtime.settings.task_lifetime)
        retention.require_allowed("uploads", asked_uploads, runtime.settings.upload_lifetime)
        return await retention.set_lifetimes(
            runtime.database,
            account,
            media=asked_media if media else _from_s(before.media_lifetime_s),
            task=asked_tasks if tasks else _from_s(before.task_lifetime_s),
            upload=asked_uploads if uploads else _from_s(before.upload_lifetime_s),
        )

    _show(with_runtime(work))


@app.command()
def hold(account: AccountName = "", task: TaskName = "") -> None:
    """Set a legal hold: nothing of the account or task is deleted until it is lifted."""
    _hold(account, task, is_held=True)


@app.command()
def release(account: AccountName = "", task: TaskName = "") -> None:
    """Lift a legal hold: what has expired meanwhile goes with the next round."""
    _hold(account, task, is_held=False)


@app.command()
def run() -> None:
    """Remove what has expired now; workers do so every minute."""

    async def work(runtime: Runtime) -> tuple[Reaped, int]:
        reaper = reaper_of(runtime)
        return await reap(reaper), await sweep_drafts(reaper)

    reaped, drafts = with_runtime(work)
    typer.echo(
        f"{reaped.files} files removed, {reaped.confirmed} confirmed, {drafts} drafts swept, "
        f"{reaped.tasks} tasks and {reaped.rows} other rows forgotten"
    )


def _hold(account: str, task: str, *, is_held: bool) -> None:
    if (account == "") == (task == ""):
        raise fail("Name either an --account or a --task")
    if account:
        _show(
            with_runtime(
                lambda runtime: retention.set_hold(runtime.database, account, is_held=is_held)
            )
        )
        return
    with_runtime(lambda runtime: hold_task(runtime.database, TaskId(task), is_held=is_held))
    typer.echo(f"{task}: {'held' if is_held else 'not held'}")


def _lifetime(text: str) -> timedelta | None:
    if text in {"", "default"}:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise fail(str(error)) from None


def _from_s(stored_s: int | None) -> timedelta | None:
    return None if stored_s is None else timedelta(seconds=stored_s)


def _show(kept: Retention) -> None:
    media = _from_s(kept.media_lifetime_s) or "the deployment's"
    tasks = _from_s(kept.task_lifetime_s) or "the deployment's"
    uploads = _from_s(kept.upload_lifetime_s) or "the deployment's"
    held = "under a legal hold" if kept.legal_hold else "no legal hold"
    typer.echo(
        f"{kept.name}: lifetime of media {media}, of tasks {tasks}, of uploads {uploads}; {held}"
    )
