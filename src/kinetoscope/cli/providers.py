"""`kinetoscope providers`: who makes what, and the keys that open them. No key is ever shown."""

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from kinetoscope.catalog.operator import load_with
from kinetoscope.cli.session import fail, settings_or_fail, with_runtime
from kinetoscope.kernel.envelope import Envelope, envelope_from
from kinetoscope.kernel.secrets import load_signing_key
from kinetoscope.kernel.toml_files import Problem
from kinetoscope.providers import keys
from kinetoscope.providers.config import Configured, ProviderConfig, key_word, read_providers
from kinetoscope.settings import Settings
from kinetoscope.wiring import Runtime

app = typer.Typer(help="Show providers, and store their keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the provider.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# What else there is on the line would be repeated in an error of the command line's own.
_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """What is shown of a provider's key: where it is from, and its end."""

    where: str
    hint: str
    updated_at: datetime | None = None
    problem: str | None = None


@app.command(name="list")
def list_providers(*, as_json: AsJson = False) -> None:
    """Show the providers' files and which of their keys are there, by their last characters."""

    async def work(runtime: Runtime) -> tuple[Settings, dict[str, KeyShown]]:
        return runtime.settings, await _keys_shown(runtime)

    settings, shown = with_runtime(work)
    configured = read_providers(settings.config_dir / "providers")
    for problem in configured.problems:
        sys.stderr.write(f"kinetoscope: not used: {problem}\n")
    configs = {config.name: config for config in configured.providers}
    for config in configured.providers:
        given = settings.provider_keys.get(key_word(config.name))
        if given:
            shown[config.name] = KeyShown(where="settings", hint=keys.hint_of(given))
    if as_json:
        everyone = sorted({*configs, *shown})
        listed = [_as_json(name, configs.get(name), shown.get(name)) for name in everyone]
        typer.echo(json.dumps(listed))
    else:
        _print(configs, shown)


@app.command(name="set-key", context_settings=_ANYTHING)
def set_key(context: typer.Context, name: Name) -> None:
    """Store a provider's key, sealed. It is asked for, or read from standard input."""
    if context.args:
        raise fail(
            "a key is no argument: others on this machine could read it there, and your shell "
            "has noted it by now. Pipe it in, or wait to be asked"
        )
    if sys.stdin.isatty():
        key = typer.prompt(f"Key of {name}", hide_input=True)
    else:
        key = sys.stdin.read()

    async def work(runtime: Runtime) -> Settings:
        envelope = _envelope(runtime.settings)
        await keys.put(runtime.database, envelope, name, key, runtime.clock())
        return runtime.settings

    settings = with_runtime(work)
    hint = keys.hint_of(key.strip())
    typer.echo(f"{name}: the key{f' …{hint}' if hint else ''} is stored")
    if key_word(name) in settings.provider_keys:
        typer.echo(f"KINETOSCOPE_PROVIDER_{key_word(name)}_KEY is set too, and wins")


@app.command(name="delete-key")
def delete_key(name: Name) -> None:
    """Forget a provider's stored key."""
    with_runtime(lambda runtime: keys.delete(runtime.database, name))
    typer.echo(f"{name}: the key is deleted")


@app.command()
def rekey() -> None:
    """Seal all stored keys with the first key of KINETOSCOPE_SECRETS_KEY."""

    async def work(runtime: Runtime) -> tuple[int, int]:
        changed = await keys.rekey(runtime.database, _envelope(runtime.settings))
        return changed, len(await keys.listing(runtime.database))

    changed, count = with_runtime(work)
    typer.echo(f"{changed} of {count} stored keys were sealed anew; the others were already")


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Of `models` and `providers`; yours by default.")
    ] = None,
) -> None:
    """Check the files of providers; each problem is a line, and ends with 1."""
    if folder is not None and not folder.is_dir():
        raise fail(f"there is no folder {folder}")
    folder = folder or settings_or_fail().config_dir
    configured = read_providers(folder / "providers")
    problems = (*configured.problems, *unknown_models(configured, folder))
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{folder / 'providers'}: no problems; {len(configured.providers)} providers")


def unknown_models(configured: Configured, folder: Path) -> list[Problem]:
    """Complain about models that are in no catalog."""
    known = load_with(folder / "models").catalog.models_by_id
    return [
        config.problem(("models", model), "there is no such model")
        for config in configured.providers
        for model in config.models or ()
        if model not in known
    ]


def _envelope(settings: Settings) -> Envelope:
    signing_key = settings.signing_key or load_signing_key(settings.data_dir / "signing-key")
    return envelope_from(settings.secrets_key, signing_key)


async def _keys_shown(runtime: Runtime) -> dict[str, KeyShown]:
    opened = await keys.load_all(runtime.database, _envelope(runtime.settings))
    return {
        stored.provider: KeyShown(
            where="stored",
            hint=stored.hint,
            updated_at=stored.updated_at,
            problem=opened.problems.get(stored.provider),
        )
        for stored in await keys.listing(runtime.database)
    }


def _print(configs: dict[str, ProviderConfig], shown: dict[str, KeyShown]) -> None:
    table = Table(
        "provider", "adapter", "queue", "order", Column("models", overflow="fold"), "key (UTC)"
    )
    for name in sorted({*configs, *shown}):
        config = configs.get(name)
        table.add_row(
            name,
            config.adapter if config else "no file",
            (config.queue if config else None) or "",
            str(config.order) if config and config.order is not None else "",
            "\n".join(config.models) if config and config.models is not None else "",
            _in_words(shown.get(name)),
        )
    Console().print(table)


def _in_words(key: KeyShown | None) -> str:
    if key is None:
        return "none"
    if key.problem is not None:
        return f"DOES NOT OPEN: {key.problem}"
    hint = f" …{key.hint}" if key.hint else ""
    when = f", {key.updated_at:%Y-%m-%d %H:%M}" if key.updated_at else ""
    return f"{key.where}{hint}{when}"


def _as_json(name: str, config: ProviderConfig | None, key: KeyShown | None) -> dict[str, object]:
    file = None
    if config is not None:
        file = {
            "path": str(config.source.path),
            "adapter": config.adapter,
            "baseUrl": config.base_url,
            "queue": config.queue,
            "order": config.order,
            "weight": config.weight,
            "models": None if config.models is None else list(config.models),
        }
    stored = None
    if key is not None:
        stored = {
            "where": key.where,
            "hint": key.hint,
            "updatedAt": key.updated_at.isoformat() if key.updated_at else None,
            "problem": key.problem,
        }
    return {"provider": name, "file": file, "key": stored}
