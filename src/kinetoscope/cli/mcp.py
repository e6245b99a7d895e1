"""`kinetoscope mcp install`: what to tell an assistant so that it makes media here.

Nothing is written anywhere: every assistant has files or a command of its own, whose pages are
named with each. Only the client of ours is imported.
"""

import difflib
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from kinetoscope.cli.user.connection import USAGE, Url, fail, in_our_words, say
from kinetoscope.client import Misconfigured
from kinetoscope.client.address import server
from kinetoscope.client.surroundings import KEY

PATH = "/api/mcp"
NAME = "kinetoscope"

NO_KEY = "kino_live_…"
"""Stands where a key belongs."""

HINT_LETTERS = 4
"""How much of a key's secret is shown, at its end."""

LENGTH_MIN = 40
"""Of what is shorter nothing is shown: it is no key of ours."""


class Assistant(StrEnum):
    """The assistants whose formats are known, and what nearly all others take."""

    CLAUDE_CODE = "claude-code"
    CLAUDE_DESKTOP = "claude-desktop"
    CURSOR = "cursor"
    VSCODE = "vscode"
    WINDSURF = "windsurf"
    CODEX = "codex"
    GEMINI = "gemini"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an assistant is told: its name, where the text goes, and the text, by address and key."""

    title: str
    where: str
    text: Callable[[str, str], str]


def _written(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _claude_code(address: str, key: str) -> str:
    """Options come before the name, but headers last: https://code.claude.com/docs/en/mcp."""
    header = shlex.quote(f"Authorization: Bearer {key}")
    return (
        f"claude mcp add --transport http --scope user {NAME} {shlex.quote(address)} "
        f"--header {header}"
    )


def _claude_desktop(address: str, key: str) -> str:
    """It starts programs only; mcp-remote is one that talks to an address.

    Its arguments may not hold spaces, the environment may: https://github.com/geelen/mcp-remote.
    """
    arguments = ["-y", "mcp-remote", address, "--transport", "http-only"]
    if address.startswith("http://"):
        arguments.append("--allow-http")
    arguments += ["--header", "Authorization:${AUTH_HEADER}"]
    environment = {"AUTH_HEADER": f"Bearer {key}"}
    entry = {"command": "npx", "args": arguments, "env": environment}
    return _written({"mcpServers": {NAME: entry}})


def _cursor(address: str, key: str) -> str:
    """https://cursor.com/docs/mcp."""
    return _written({"mcpServers": {NAME: {"url": address, "headers": _headers(key)}}})


def _vscode(address: str, _key: str) -> str:
    """It asks for the key and keeps it: https://code.visualstudio.com/docs/copilot/reference/mcp-configuration."""
    asked = {
        "type": "promptString",
        "id": f"{NAME}-key",
        "description": "Kinetoscope API key",
        "password": True,
    }
    headers = _headers(f"${{input:{NAME}-key}}")
    entry = {"type": "http", "url": address, "headers": headers}
    return _written({"inputs": [asked], "servers": {NAME: entry}})


def _windsurf(address: str, key: str) -> str:
    """https://docs.windsurf.com/windsurf/cascade/mcp."""
    return _written({"mcpServers": {NAME: {"serverUrl": address, "headers": _headers(key)}}})


def _codex(address: str, _key: str) -> str:
    """It reads keys from the environment only: https://developers.openai.com/codex/mcp."""
    return f"codex mcp add {NAME} --url {shlex.quote(address)} --bearer-token-env-var {KEY}"


def _gemini(address: str, key: str) -> str:
    """https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/mcp-server.md."""
    header = shlex.quote(f"Authorization: Bearer {key}")
    return (
        f"gemini mcp add --scope user --transport http --header {header} "
        f"{NAME} {shlex.quote(address)}"
    )


def _json(address: str, key: str) -> str:
    entry = {"type": "http", "url": address, "headers": _headers(key)}
    return _written({"mcpServers": {NAME: entry}})


RECIPES = {
    Assistant.CLAUDE_CODE: Recipe(title="Claude Code", where="a shell", text=_claude_code),
    Assistant.CLAUDE_DESKTOP: Recipe(
        title="Claude Desktop",
        where="claude_desktop_config.json (Settings, Developer, Edit Config)",
        text=_claude_desktop,
    ),
    Assistant.CURSOR: Recipe(title="Cursor", where="~/.cursor/mcp.json", text=_cursor),
    Assistant.VSCODE: Recipe(title="VS Code", where=".vscode/mcp.json", text=_vscode),
    Assistant.WINDSURF: Recipe(
        title="Windsurf", where="~/.codeium/windsurf/mcp_config.json", text=_windsurf
    ),
    Assistant.CODEX: Recipe(
        title="Codex", where=f"a shell; {KEY} must be set wherever Codex runs", text=_codex
    ),
    Assistant.GEMINI: Recipe(title="Gemini CLI", where="a shell", text=_gemini),
    Assistant.JSON: Recipe(title="Others", where="the file that its manual names", text=_json),
}

app = typer.Typer(no_args_is_help=True, help="Connect assistants, by the Model Context Protocol.")


@app.callback()
def _all() -> None:
    """Connect assistants, by the Model Context Protocol."""


def known(incomplete: str) -> list[str]:
    """Return the assistants whose names begin like this."""
    return [name for name in Assistant if name.startswith(incomplete)]


@app.command()
def install(
    client: Annotated[
        str,
        typer.Argument(
            help=f"Which assistant, of {', '.join(Assistant)}; all of them unless told.",
            show_default=False,
            autocompletion=known,
        ),
    ] = "",
    *,
    url: Url = None,
    key: Annotated[
        str | None,
        typer.Option(
            show_default=False, help=f"The key that it shall use; that of {KEY} unless told."
        ),
    ] = None,
    show_key: Annotated[
        bool, typer.Option("--show-key", help="Print the key in full; it is masked otherwise.")
    ] = False,
) -> None:
    """Print what connects an assistant: a command to run, or a part of its settings.

    Nothing is written. Give it a key of its own, with a spending cap.
    """
    chosen = _assistant(client)
    try:
        told = server(key, url, timeout_s=1, retries=0)
    except Misconfigured as error:
        raise fail(str(in_our_words(error, key, url)), USAGE) from None
    address = told.url.removesuffix(PATH) + PATH
    is_masked = bool(told.key) and not show_key
    shown = masked(told.key) if is_masked else told.key or NO_KEY
    if chosen is not None:
        recipe = RECIPES[chosen]
        text = recipe.text(address, shown)
        say(f"{recipe.title}: for {recipe.where}")
        typer.echo(text)
    else:
        text = "\n\n".join(
            f"# {recipe.title} ({name}): for {recipe.where}\n{recipe.text(address, shown)}"
            for name, recipe in RECIPES.items()
        )
        typer.echo(text)
    if shown != told.key and shown in text:
        say(f"The key is {'masked; --show-key prints it' if is_masked else 'to be filled in'}.")


def _assistant(name: str) -> Assistant | None:
    """Return the assistant of a name; None for all of them."""
    try:
        return Assistant(name) if name else None
    except ValueError:
        plain = name.lower().replace(" ", "-")
        near = known(plain) or difflib.get_close_matches(plain, list(Assistant), n=1)
        how = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(Assistant)}"
        raise fail(f"there is no assistant {name!r}; {how}", USAGE) from None


def masked(key: str) -> str:
    """Return a key without its secret: what it is for, and its last letters."""
    kind = "_".join(key.split("_")[:2])
    return f"{kind}_…{key[-HINT_LETTERS:]}" if len(key) > LENGTH_MIN else "…"
