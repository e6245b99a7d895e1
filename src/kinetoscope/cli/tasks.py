"""`kinetoscope tasks`: one task as the operator sees it; `margins` and `alerts` over many."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kinetoscope.cli.session import fail, with_runtime
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.cost import format_usd
from kinetoscope.tasks import alerts as alert_steps
from kinetoscope.tasks import margins as margin_steps
from kinetoscope.tasks.alerts import Raised
from kinetoscope.tasks.margins import Margin
from kinetoscope.tasks.trace import Trace, trace
from kinetoscope.wiring import Runtime

app = typer.Typer(help="Look at tasks.", no_args_is_help=True)

Days = Annotated[int, typer.Option(min=1, max=60, help="How many days to look back.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(
    task_id: Annotated[str, typer.Argument(help="The task's id.")], *, as_json: AsJson = False
) -> None:
    """Show who was asked to make a task, why, and what became of it."""
    found = with_runtime(lambda runtime: trace(runtime.database, task_id))
    if found is None:
        raise fail(f"there is no task {task_id}")
    if as_json:
        typer.echo(json.dumps(asdict(found), default=_as_text))
        return
    for name, said in _lines(found):
        typer.echo(f"{name:<16}{said}")


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _lines(found: Trace) -> list[tuple[str, str]]:
    cost = found.upstream_cost_usd_micros
    lines = [
        ("task", found.id),
        ("account", found.account),
        ("model", found.model),
        ("status", found.status),
        ("error", f"{found.error_code or ''} {found.error_message or ''}".strip()),
        ("detail", found.error_detail or ""),
        ("credits", format_credits(found.price)),
        ("cost", "unknown" if cost is None else f"${format_usd(cost)}"),
        ("provider", found.provider),
        ("upstream model", found.upstream_model or ""),
        ("upstream id", found.upstream_id or ""),
        ("submits", str(found.submits)),
        ("taken up", f"{found.epoch} times"),
        ("created", _as_text(found.created_at)),
        ("ended", "" if found.completed_at is None else _as_text(found.completed_at)),
    ]
    for decision in found.routing:
        if isinstance(decision, dict):
            lines.append(("asked", str(decision.get("chosen"))))
            lines += _passed_over(decision.get("passedOver"))
    return lines


def _passed_over(listed: JSON) -> list[tuple[str, str]]:
    passed = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [("  passed over", f"{each.get('provider')}: {each.get('says')}") for each in passed]


@app.command()
def margins(*, days: Days = 30, as_json: AsJson = False) -> None:
    """Show what clients paid, what the upstreams took for that, and what failures cost."""

    async def work(runtime: Runtime) -> tuple[list[Margin], int]:
        since = runtime.clock() - timedelta(days=days)
        found = await margin_steps.margins(runtime.database, since)
        return found, runtime.settings.credit_usd_micros

    found, credit_usd_micros = with_runtime(work)
    if as_json:
        rows = [
            asdict(margin) | {"earned_usd_micros": margin.earned_usd_micros(credit_usd_micros)}
            for margin in found
        ]
        typer.echo(json.dumps(rows))
        return
    table = Table(
        "model",
        "provider",
        "tasks",
        "credits",
        "cost",
        "cost unknown",
        "failed",
        "lost",
        "loss unknown",
        "margin",
    )
    for margin in found:
        table.add_row(
            margin.model,
            margin.provider,
            str(margin.tasks),
            format_credits(margin.charged),
            f"${format_usd(margin.cost_usd_micros)}",
            str(margin.unpriced),
            str(margin.failed),
            f"${format_usd(margin.lost_usd_micros)}",
            str(margin.lost_unpriced),
            f"${format_usd(margin.earned_usd_micros(credit_usd_micros))}",
        )
    Console().print(table)
    typer.echo(f"One credit counts ${format_usd(credit_usd_micros)} (KINETOSCOPE_CREDIT_USD).")


@app.command()
def alerts(*, days: Days = 30, as_json: AsJson = False) -> None:
    """Show what may have cost money for nothing: answers lost, results that never came."""

    async def work(runtime: Runtime) -> list[Raised]:
        since = runtime.clock() - timedelta(days=days)
        return await alert_steps.recent(runtime.database, since)

    found = with_runtime(work)
    if as_json:
        typer.echo(json.dumps([asdict(alert) for alert in found], default=_as_text))
        return
    for alert in found:
        told = f"{alert.kind} at {alert.provider}: {alert.message}{_told_later(alert)}"
        typer.echo(f"{_as_text(alert.created_at)}  {alert.task_id or '':<24}  {told}")
    typer.echo(f"{len(found)} alerts")


def _told_later(alert: Raised) -> str:
    """Say what the upstream told when nobody waited for it any more."""
    if alert.told_at is None:
        return ""
    job = "its job" if alert.told_id is None else f"its job {alert.told_id}"
    return f" It called back about {job} at {_as_text(alert.told_at)}."
