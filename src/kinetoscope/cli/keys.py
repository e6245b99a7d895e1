"""`kinetoscope keys`: make, show, stop and replace API keys."""

import json
import re
import sys
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from kinetoscope.accounts import accounts, keys
from kinetoscope.accounts.caps import Caps
from kinetoscope.accounts.keys import KeyListing
from kinetoscope.cli import key_options as options
from kinetoscope.cli.session import fail, with_runtime
from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import IssuedKey, KeyMode
from kinetoscope.wiring import Runtime

app = typer.Typer(help="Make, show, stop and replace API keys.", no_args_is_help=True)

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

AccountName = Annotated[str, typer.Option("--account", help="Name of the account.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KeyIdArgument = Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")]


def parse_duration(text: str) -> timedelta:
    """Read `30d`, `12h`, `15m`, `10s` or `0`; raises ValueError."""
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text.strip())
    if match is None or (match[2] == "" and match[1] != "0"):
        raise ValueError(f"{text!r} is not a duration such as 30d, 12h, 15m or 10s")
    return timedelta(seconds=int(match[1]) * UNITS_S[match[2] or "s"])


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise fail(str(error)) from None


def _window(text: str, spend_max: str) -> timedelta | None:
    if text and not spend_max:
        raise fail("--spend-window means nothing without --spend-max")
    window = _duration(text) if text else None
    if window is not None and not window:
        raise fail("--spend-window must be longer than nothing")
    return window


def _show(issued: IssuedKey, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"key": issued.text, "keyId": issued.id}))
    else:
        typer.echo(issued.text)
        sys.stderr.write(f"Key id {issued.id}. The key is shown this once; keep it.\n")


@app.command()
def create(  # noqa: PLR0913 - each is an option
    account: AccountName,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    *,
    test: Annotated[bool, typer.Option("--test", help="A key that costs nothing.")] = False,
    expires_in: Annotated[str, typer.Option(help="Such as 30d; never by default.")] = "",
    scope: options.Scopes = None,
    model: options.Models = None,
    price_max: options.PriceMax = "",
    spend_max: options.SpendMax = "",
    spend_window: options.SpendWindow = "",
    tasks_running_max: options.TasksRunningMax = None,
    ip: options.Ranges = None,
    requests_per_second: options.RequestsPerSecond = None,
    requests_burst: options.RequestsBurst = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; its account too, if there is none of that name."""
    lifetime = _duration(expires_in) if expires_in else None
    scopes = options.read_scopes(scope)
    caps = Caps(
        models=tuple(model) if model else None,
        price_max=options.read_credits(price_max),
        tasks_running_max=tasks_running_max,
        spend_max=options.read_credits(spend_max),
        spend_window=_window(spend_window, spend_max),
        ip_ranges=options.read_ranges(ip),
        requests_per_second=requests_per_second,
        requests_burst=requests_burst,
    )

    async def work(runtime: Runtime) -> IssuedKey:
        now = runtime.clock()
        for name_of_model in model or ():
            runtime.catalog.find(name_of_model)
        owner, _ = await accounts.ensure(runtime.database, account, now)
        return await keys.create(
            runtime.database,
            owner.id,
            name,
            mode=KeyMode.TEST if test else KeyMode.LIVE,
            expires_at=None if lifetime is None else now + lifetime,
            scopes=scopes,
            caps=caps,
            now=now,
        )

    _show(with_runtime(work), as_json=as_json)


@app.command(name="list")
def list_keys(
    account: Annotated[str, typer.Option("--account", help="Only this account's.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Show keys, never their text."""

    async def work(runtime: Runtime) -> list[KeyListing]:
        if not account:
            return await keys.listing(runtime.database)
        owner = await accounts.by_name(runtime.database, account)
        return await keys.listing(runtime.database, owner.id)

    found = with_runtime(work)
    if as_json:
        typer.echo(json.dumps([_as_json(key) for key in found]))
        return
    table = Table(
        Column("id", no_wrap=True),
        "account",
        "name",
        "mode",
        "last four",
        "state (UTC)",
        "last used",
        Column("caps", overflow="fold"),
    )
    now = system_clock()
    for key in found:
        used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}"
        table.add_row(
            key.id,
            key.account,
            key.name,
            key.mode,
            f"…{key.last_four}",
            _state(key, now),
            used,
            options.caps_in_words(key),
        )
    Console().print(table)


def _state(key: KeyListing, now: datetime) -> str:
    words = ["active" if key.active else "inactive"]
    if key.expires_at is not None and key.expires_at <= now:
        words = [f"expired {key.expires_at:%Y-%m-%d %H:%M}"]
    elif key.expires_at is not None:
        words.append(f"expires {key.expires_at:%Y-%m-%d %H:%M}")
    if key.replaced_by is not None:
        words.append(f"replaced by {key.replaced_by}")
    return ", ".join(words)


def _as_json(key: KeyListing) -> dict[str, object]:
    def text(moment: datetime | None) -> str | None:
        return None if moment is None else moment.isoformat()

    return {
        "keyId": key.id,
        "account": key.account,
        "name": key.name,
        "mode": key.mode,
        "lastFour": key.last_four,
        "scopes": key.scopes,
        "caps": options.caps_json(key),
        "active": key.active,
        "expiresAt": text(key.expires_at),
        "replacedBy": key.replaced_by,
        "createdAt": text(key.created_at),
        "lastUsedAt": text(key.last_used_at),
    }


@app.command()
def deactivate(key_id: KeyIdArgument) -> None:
    """Stop a key at once; `reactivate` takes it back."""
    with_runtime(lambda runtime: keys.set_active(runtime.database, KeyId(key_id), active=False))
    typer.echo(f"{key_id} is inactive")


@app.command()
def reactivate(key_id: KeyIdArgument) -> None:
    """Let a deactivated key work again."""
    with_runtime(lambda runtime: keys.set_active(runtime.database, KeyId(key_id), active=True))
    typer.echo(f"{key_id} is active, unless it has expired")


@app.command()
def expire(
    key_id: KeyIdArgument,
    after: Annotated[str, typer.Option("--in", help="Such as 1h; at once by default.")] = "0",
) -> None:
    """Let a key end, at once or after a while."""
    lifetime = _duration(after)

    async def work(runtime: Runtime) -> None:
        await keys.set_expiry(runtime.database, KeyId(key_id), runtime.clock() + lifetime)

    with_runtime(work)
    typer.echo(f"{key_id} expires " + (f"in {after}" if lifetime else "now"))


@app.command()
def rotate(
    key_id: KeyIdArgument,
    overlap: Annotated[str, typer.Option(help="How long both keys work, at most 7d.")] = "24h",
    *,
    as_json: AsJson = False,
) -> None:
    """Replace a key; the old one keeps working for a while."""
    both = _duration(overlap)

    async def work(runtime: Runtime) -> IssuedKey:
        return await keys.rotate(runtime.database, KeyId(key_id), overlap=both, now=runtime.clock())

    _show(with_runtime(work), as_json=as_json)
