"""`kinetoscope providers`: who makes what, and the keys that open them. No key is ever shown."""

import json
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from kinetoscope import upstreams
from kinetoscope.catalog.operator import load_with
from kinetoscope.cli.session import fail, settings_or_fail, with_runtime
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.providers import keys
from kinetoscope.providers.config import ProviderConfig, key_word
from kinetoscope.providers.origins import key_names
from kinetoscope.settings import Settings
from kinetoscope.upstreams import Setup
from kinetoscope.wiring import Runtime

app = typer.Typer(help="Show providers, and store their keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the provider.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# What else there is on the line would be repeated in an error of the command line's own.
_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """What is shown of a provider's key: where it is from, and its end."""

    name: str
    where: str
    hint: str
    updated_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of a provider, or of a stored key that none uses.

    `secret` is what its callbacks are checked with.
    """

    name: str
    config: ProviderConfig | None
    models: tuple[str, ...]
    key: KeyShown | None
    secret: KeyShown | None = None


@app.command(name="list")
def list_providers(*, as_json: AsJson = False) -> None:
    """Show all providers and which of their keys are there, by their last characters."""
    shown = with_runtime(_everyone)
    if as_json:
        typer.echo(json.dumps([_as_json(provider) for provider in shown]))
        return
    table = Table(
        "provider", "adapter", "queue", "order", Column("models", overflow="fold"), "key (UTC)"
    )
    for provider in shown:
        config = provider.config
        table.add_row(
            provider.name,
            config.adapter if config else "NO FILE",
            upstreams.queue_of(config) if config else "",
            str(config.order) if config and config.order is not None else "",
            "\n".join(provider.models),
            "\n".join(_in_words(each) for each in _keys_of(provider)),
        )
    Console().print(table)


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

    async def work(runtime: Runtime) -> tuple[Settings, bool]:
        await keys.put(runtime.database, runtime.envelope, name, key, runtime.clock())
        used = (_key_names(runtime.setup, who) for who in runtime.setup.configs)
        return runtime.settings, name in {each for names in used for each in names} | _secrets(
            runtime.setup
        )

    settings, is_used = with_runtime(work)
    hint = keys.hint_of(key.strip())
    typer.echo(f"{name}: the key{f' …{hint}' if hint else ''} is stored")
    if key_word(name) in settings.provider_keys:
        typer.echo(f"KINETOSCOPE_PROVIDER_{key_word(name)}_KEY is set too, and wins")
    elif not is_used:
        typer.echo(_made_file(settings, name))


def _made_file(settings: Settings, name: str) -> str:
    """Set up a provider whose key has just been stored, where its name says what it is."""
    provider = name.removesuffix(keys.CALLBACKS)
    if provider != name:
        return f"Nothing is checked with it: {provider} is no provider that signs with a secret"
    file = settings.config_dir / "providers" / f"{name}.toml"
    if name not in upstreams.adapters_of(settings.adapters) or file.exists():
        return f"No provider uses it yet: {file} is to name its adapter"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'adapter = "{name}"\n', encoding="utf-8")
    return f"{file} is made; a restart puts it to use"


@app.command(name="delete-key")
def delete_key(name: Name) -> None:
    """Forget a provider's stored key."""
    with_runtime(lambda runtime: keys.delete(runtime.database, name))
    typer.echo(f"{name}: the key is deleted")


@app.command()
def rekey() -> None:
    """Seal all stored keys with the first key of KINETOSCOPE_SECRETS_KEY."""

    async def work(runtime: Runtime) -> tuple[int, int]:
        changed = await keys.rekey(runtime.database, runtime.envelope)
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
    settings = settings_or_fail()
    settings = replace(settings, config_dir=folder or settings.config_dir)
    try:
        setup = upstreams.setup_of(settings, load_with(settings.config_dir / "models").catalog)
    except SettingInvalid as error:
        raise fail(str(error)) from None
    for problem in setup.problems:
        typer.echo(str(problem))
    if setup.problems:
        raise typer.Exit(1)
    typer.echo(f"{settings.config_dir / 'providers'}: no problems")


def _key_names(setup: Setup, config: ProviderConfig) -> tuple[str, ...]:
    """Return under which names a provider's key is looked for, in this order."""
    return key_names(config, setup.adapters.get(config.adapter))


def _secrets(setup: Setup) -> set[str]:
    """Return the names of secrets that callbacks are checked with, where they are set."""
    signing = upstreams.signatures_of(setup)
    return {keys.callbacks_key(each.name) for each in setup.configs if each.name in signing}


async def _everyone(runtime: Runtime) -> list[Shown]:
    """Return all configured providers, and what else has a stored key."""
    setup, given = runtime.setup, runtime.settings.provider_keys
    opened = await keys.load_all(runtime.database, runtime.envelope)
    stored = {
        key.provider: KeyShown(
            name=key.provider,
            where="stored",
            hint=key.hint,
            updated_at=key.updated_at,
            problem=opened.problems.get(key.provider),
        )
        for key in await keys.listing(runtime.database)
    }

    def key_called(name: str) -> KeyShown | None:
        text = given.get(key_word(name))
        if text:
            return KeyShown(name=name, where="settings", hint=keys.hint_of(text))
        return stored.get(name)

    shown, secrets = [], _secrets(setup)
    used = set(secrets)
    for config in setup.configs:
        names = _key_names(setup, config)
        used |= set(names)
        # The first that is there, even if it does not open: that is to be seen.
        key = next(filter(None, map(key_called, names)), None)
        models = tuple(upstreams.offers(config, setup.adapters))
        secret = keys.callbacks_key(config.name)
        signing = key_called(secret) if secret in secrets else None
        shown.append(Shown(name=config.name, config=config, models=models, key=key, secret=signing))
    idle = [
        Shown(name=name, config=None, models=(), key=key)
        for name, key in stored.items()
        if name not in used
    ]
    return sorted((*shown, *idle), key=lambda provider: provider.name)


def _keys_of(provider: Shown) -> list[KeyShown | None]:
    return [provider.key] if provider.secret is None else [provider.key, provider.secret]


def _in_words(key: KeyShown | None) -> str:
    if key is None:
        return "NONE"
    if key.problem is not None:
        return f"DOES NOT OPEN: {key.problem}"
    hint = f" …{key.hint}" if key.hint else ""
    when = f", {key.updated_at:%Y-%m-%d %H:%M}" if key.updated_at else ""
    return f"{key.name}, {key.where}{hint}{when}"


def _as_json(provider: Shown) -> dict[str, object]:
    config, file = provider.config, None
    if config is not None:
        file = {
            "path": str(config.source.path),
            "adapter": config.adapter,
            "baseUrl": config.base_url,
            "queue": upstreams.queue_of(config),
            "order": config.order,
            "weight": config.weight,
        }
    return {
        "provider": provider.name,
        "file": file,
        "models": provider.models,
        "key": _key_as_json(provider.key),
        "callbacks": _key_as_json(provider.secret),
    }


def _key_as_json(key: KeyShown | None) -> dict[str, object] | None:
    if key is None:
        return None
    return {
        "name": key.name,
        "where": key.where,
        "hint": key.hint,
        "updatedAt": key.updated_at.isoformat() if key.updated_at else None,
        "problem": key.problem,
    }
