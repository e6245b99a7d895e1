"""`kinetoscope keys`, asked of a server: an account's keys, with a key that has keys:write."""

from typing import Annotated, Any

import typer

from kinetoscope.cli.user.connection import USAGE, AsJson, Key, Url, connected, fail, say
from kinetoscope.cli.user.written import moment_text, out, table, write_json
from kinetoscope.client.asking import understood
from kinetoscope.client.values import moment, text_of

PATH = "/api/v1/keys"

KeyId = Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")]

app = typer.Typer(
    help="Make, show, stop and replace your account's keys, with one that has keys:write.",
    no_args_is_help=True,
)


@app.command(name="list")
def list_keys(*, as_json: AsJson = False, key: Key = None, url: Url = None) -> None:
    """Show keys, never their text."""
    with connected(key, url, as_json=as_json) as client:
        answer = client.ask("GET", PATH)
        if as_json:
            typer.echo(write_json(answer))
            return
        rows = table("id", "mode", "last four", "state", "last used", "name")
        with understood(client.url):
            for one in answer["keys"]:
                rows.add_row(*_row(one))
    out().print(rows)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    used = moment_text(moment(one["lastUsedTime"])) or "never"
    last_four = f"…{one['lastFour']}"
    return text_of(one, "keyId"), text_of(one, "mode"), last_four, _state(one), used, one["name"]


def _state(one: dict[str, Any]) -> str:
    ends = moment_text(moment(one["expiresAt"]))
    state = "active" if one["active"] else "inactive"
    return f"{state} until {ends}" if ends else state


@app.command()
def create(  # noqa: PLR0913 - each is an option
    *,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    test: Annotated[bool, typer.Option("--test", help="A key that costs nothing.")] = False,
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do; repeat it. As yours may by default.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model it may order; repeat it.")
    ] = None,
    tasks_running_max: Annotated[
        int | None, typer.Option(min=0, help="How many of its tasks may run at once.")
    ] = None,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
) -> None:
    """Make a key within what yours may do; its text is shown this once."""
    caps = {"models": model, "tasksRunningMax": tasks_running_max}
    body: dict[str, Any] = {
        "name": name,
        "caps": {cap: to for cap, to in caps.items() if to is not None},
    }
    if test:
        body["mode"] = "test"
    if scope:
        body["scopes"] = scope
    with connected(key, url, as_json=as_json, retries=0) as client:
        made = client.ask("POST", PATH, body)
        with understood(client.url):
            _print(made, as_json=as_json)


@app.command()
def rotate(
    key_id: KeyId,
    *,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=168, help="How long both keys work.")
    ] = 24,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
) -> None:
    """Replace a key; the old one keeps working for a while."""
    with connected(key, url, as_json=as_json, retries=0) as client:
        body = {"overlapHours": overlap_hours}
        made = client.ask("POST", f"{PATH}/{_id(key_id, as_json=as_json)}/rotate", body)
        with understood(client.url):
            _print(made, as_json=as_json)


@app.command()
def deactivate(key_id: KeyId, *, as_json: AsJson = False, key: Key = None, url: Url = None) -> None:
    """Stop a key at once; `reactivate` takes it back."""
    with connected(key, url, as_json=as_json) as client:
        path = f"{PATH}/{_id(key_id, as_json=as_json)}"
        told = client.ask("PATCH", path, {"active": False})
    typer.echo(write_json(told) if as_json else f"{key_id} is inactive")


@app.command()
def reactivate(key_id: KeyId, *, as_json: AsJson = False, key: Key = None, url: Url = None) -> None:
    """Let a deactivated key work again."""
    with connected(key, url, as_json=as_json) as client:
        path = f"{PATH}/{_id(key_id, as_json=as_json)}"
        told = client.ask("PATCH", path, {"active": True})
    typer.echo(write_json(told) if as_json else f"{key_id} is active, unless it has expired")


def _id(text: str, *, as_json: bool) -> str:
    if not text.isalnum():
        raise fail(f"{text!r} is no key's id", USAGE, as_json=as_json)
    return text


def _print(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(write_json({"key": made["key"], "keyId": made["keyId"]}))
        return
    typer.echo(made["key"])
    say(f"Key id {made['keyId']}. The key is shown this once; keep it.")
