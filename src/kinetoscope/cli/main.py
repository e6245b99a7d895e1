"""The commands: what a user types, who asks a server over HTTP, and what its operator types.

Each is named here by where it is, and imported when it is used (`commands.py`). A new one is a
line in the table.
"""

import typer

from kinetoscope import __version__
from kinetoscope.cli.commands import Deferred, with_table

CLI = "kinetoscope.cli"

MAKE = "Make media (asks a server: KINETOSCOPE_URL, KINETOSCOPE_KEY)"
RUN = "Run a server"

COMMANDS = (
    Deferred("generate", "Make something and save it.", user=f"{CLI}.user.generate:generate"),
    Deferred("tasks", "List, show, await, cancel and save tasks.", user=f"{CLI}.user.tasks:app"),
    Deferred(
        "models",
        "Show models and their prices.",
        user=f"{CLI}.user.models:app",
        operator=f"{CLI}.models:app",
    ),
    Deferred("credits", "Show your balance; give credits.", user=f"{CLI}.user.credits:app"),
    Deferred(
        "keys",
        "Make, show, stop and replace API keys.",
        user=f"{CLI}.user.keys:app",
        operator=f"{CLI}.keys:app",
    ),
    Deferred("mcp", "Connect assistants (Model Context Protocol).", user=f"{CLI}.mcp:app"),
    Deferred(
        "listen", "Forward webhooks to a port of this machine.", operator=f"{CLI}.listen:listen"
    ),
    Deferred(
        "serve", "Start everything: database, API and a worker.", operator=f"{CLI}.running:serve"
    ),
    Deferred(
        "worker", "Run tasks; any number share one database.", operator=f"{CLI}.running:worker"
    ),
    Deferred("migrate", "Bring the database's schema forward.", operator=f"{CLI}.running:migrate"),
    Deferred("doctor", "Look for what is wrong.", operator=f"{CLI}.doctor:doctor"),
    Deferred("accounts", "Look at accounts and set their limits.", operator=f"{CLI}.accounts:app"),
    Deferred("people", "Who may sign in.", operator=f"{CLI}.people:app"),
    Deferred("retention", "How long things are kept.", operator=f"{CLI}.retention:app"),
    Deferred("providers", "Who makes the media.", operator=f"{CLI}.providers:app"),
)

for each in COMMANDS:
    each.rich_help_panel = MAKE if each.user else RUN

app = typer.Typer(
    name="kinetoscope",
    help="A self-hosted media-generation API platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    cls=with_table(*COMMANDS),
)


@app.callback()
def _all() -> None:
    """A self-hosted media-generation API platform."""


@app.command(rich_help_panel=RUN)
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line."""
    app()
