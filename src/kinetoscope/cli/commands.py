"""Commands that are imported only when they are used, and the choice between two of one name.

So `kinetoscope --help` loads nothing, and an installation without the server has all commands that
ask a server over HTTP. Modules are named by text here: no import leads from them to the server.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group
from typing_extensions import override

OWN = "kinetoscope"

LOCAL = "--local"
"""Says that the operator's command is meant, whatever else is given."""

ACCOUNT = "--account"
"""An option that only operators have: a user's account is that of the key."""

Command = TyperCommand | TyperGroup

OPERATES = "kinetoscope.cli.session:operates"

SERVER_WANTED = (
    "this command needs the server, which is not installed here: pip install 'kinetoscope[server]'"
)


def load(place: str) -> Command | None:
    """Import the command at `module:attribute`; None where a package of it is missing."""
    found = _found(place)
    return None if found is None else built(found)


def _found(place: str) -> typer.Typer | Callable[..., Any] | None:
    module, _, attribute = place.partition(":")
    try:
        found: typer.Typer | Callable[..., Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if (error.name or OWN).partition(".")[0] == OWN:
            raise
        return None
    return found


def built(found: typer.Typer | Callable[..., Any]) -> Command:
    """Return the command that an app or a function is."""
    if isinstance(found, typer.Typer):
        return get_group(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command()(found)
    command = get_command(alone)
    assert isinstance(command, TyperCommand)  # noqa: S101 - typer makes no other
    return command


class Deferred(TyperCommand):
    """A command by where it is: the `operator`'s, the `user`'s that asks a server, or both.

    Of both, the user's is taken where a server is named (`names_server`) or none is installed here,
    and never with `--local`, or with `--account`, which only operators have.
    """

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002 - as typer calls it
        *,
        operator: str = "",
        user: str = "",
        panel: str | None = None,
    ) -> None:
        super().__init__(
            name, callback=None, params=[], help=help, short_help=help, rich_help_panel=panel
        )
        self.operator = operator
        self.user = user

    @override
    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Import the command and let it read the arguments."""
        command, left = self.chosen(args)
        return command.make_context(info_name, left, parent, **extra)

    def chosen(self, args: list[str]) -> tuple[Command, list[str]]:
        """Return the command that is meant, and the arguments that are for it."""
        is_local = bool(self.operator and self.user) and _is_operators(args)
        if self.user and (not self.operator or (not is_local and names_server(args))):
            return _loaded(self.user), args
        found = load(self.operator)
        if found is not None:
            return found, [each for each in args if each != LOCAL] if is_local else args
        return (_loaded(self.user) if self.user and not is_local else _missing(), args)


def _loaded(place: str) -> Command:
    found = load(place)
    if found is None:
        sys.stderr.write(f"kinetoscope: {place} cannot be loaded; install kinetoscope again\n")
        raise typer.Exit(1)
    return found


def _missing() -> Command:
    """Return a command that takes anything, and says what is missing."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    takes = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    alone.command(context_settings=takes)(_wanted)
    command = get_command(alone)
    assert isinstance(command, TyperCommand)  # noqa: S101 - typer makes no other
    return command


def _wanted(_arguments: list[str] = typer.Argument(None, hidden=True)) -> None:  # noqa: B008
    sys.stderr.write(f"kinetoscope: {SERVER_WANTED}\n")
    raise typer.Exit(1)


def _is_operators(args: list[str]) -> bool:
    options = _options(args)
    return LOCAL in options or any(each.partition("=")[0] == ACCOUNT for each in options)


def _options(args: list[str]) -> list[str]:
    return args[: args.index("--")] if "--" in args else args


def names_server(args: list[str]) -> bool:
    """Whether a server is named: by `--key`, `--url` or KINETOSCOPE_URL.

    KINETOSCOPE_KEY alone names one where this machine has no deployment: else it is its operator's.
    """
    for each in _options(args):
        if each in {"--key", "--url"} or each.startswith(("--key=", "--url=")):
            return True
    from kinetoscope.client.surroundings import KEY, URL, stated  # noqa: PLC0415 - heavy

    return bool(stated(URL)) or bool(stated(KEY) and not _operates())


def _operates() -> bool:
    found = _found(OPERATES)
    return callable(found) and bool(found())


class Commands(TyperGroup):
    """A group with commands that are imported late; `table` holds them, in front of its own."""

    table: ClassVar[tuple[Deferred, ...]] = ()

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - as typer has it
        super().__init__(**attributes)
        late = {command.name: command for command in self.table if command.name}
        self.commands = {**late, **self.commands}


class ByModel(TyperGroup):
    """A group that takes a model's id in the place of a command, and none as well."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let everything that is no command be something to show."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["show", *args]
        return list(super().parse_args(ctx, args))


def with_table(*table: Deferred) -> type[Commands]:
    """Return a group's class with these commands."""
    return type("Listed", (Commands,), {"table": table})
