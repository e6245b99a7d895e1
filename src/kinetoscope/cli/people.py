"""People: who may sign in, links for those who cannot, and who operates the server."""

from typing import Annotated

import typer

from kinetoscope.accounts import accounts, audit, operators, people, signing_in
from kinetoscope.accounts.audit import OPERATOR
from kinetoscope.accounts.people import Person
from kinetoscope.cli.session import with_runtime
from kinetoscope.kernel.errors import Conflict, NotFound
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Database
from kinetoscope.wiring import Runtime

app = typer.Typer(no_args_is_help=True, help="People who sign in to the dashboard.")

Email = Annotated[str, typer.Argument(help="Their e-mail address.")]


@app.command()
def link(email: Email) -> None:
    """Print a link that signs somebody in once, within a day."""

    async def work(runtime: Runtime) -> str:
        person = await known(runtime.database, email)
        token = await signing_in.make_link(runtime.database, person.id, runtime.clock())
        await audit.note(runtime.database, OPERATOR, "person.link", person.email, runtime.clock())
        return f"{runtime.settings.public_url}/welcome?token={token}"

    typer.echo(with_runtime(work))


@app.command()
def operator(
    email: Email,
    *,
    account: Annotated[str, typer.Option(help="An account that they own as well.")] = "local",
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Also if somebody has signed up with this address. It may not have been its"
            " owner: their password and other ways to sign in are forgotten.",
        ),
    ] = False,
) -> None:
    """Make somebody an operator."""

    async def work(runtime: Runtime) -> None:
        address, database, now = people.read_email(email), runtime.database, runtime.clock()
        found = await accounts.by_name(database, account)
        if take_over:
            await operators.take_over(database, address, address, found.id, now)
        else:
            try:
                await operators.ensure(database, address, address, found.id, now)
            except Conflict as error:
                raise Conflict(f"{error}; if it is theirs indeed, add --take-over") from None
        detail: dict[str, JSON] = {"take_over": take_over}
        await audit.note(database, OPERATOR, "person.operator", address, now, detail=detail)

    with_runtime(work)
    typer.echo(f"{email} operates this server. A link to sign in: kinetoscope people link {email}")


@app.command()
def disable(email: Email) -> None:
    """Sign somebody out everywhere and let them in no more."""
    _set_disabled(email, is_disabled=True)
    typer.echo(f"{email} cannot sign in any more")


@app.command()
def enable(email: Email) -> None:
    """Let somebody in again."""
    _set_disabled(email, is_disabled=False)
    typer.echo(f"{email} can sign in again")


def _set_disabled(email: str, *, is_disabled: bool) -> None:
    async def work(runtime: Runtime) -> None:
        person, now = await known(runtime.database, email), runtime.clock()
        await people.set_disabled(runtime.database, person.id, now if is_disabled else None)
        action = "person.disable" if is_disabled else "person.enable"
        await audit.note(runtime.database, OPERATOR, action, person.email, now)

    with_runtime(work)


@app.command("list")
def list_people() -> None:
    """Show who may sign in."""

    async def work(runtime: Runtime) -> list[Person]:
        return await people.everyone(runtime.database)

    for person in with_runtime(work):
        role = "operator" if person.is_operator else "person"
        state = "disabled" if person.disabled_at else "active"
        typer.echo(f"{person.email}  {person.name}  {role}  {state}")


async def known(database: Database, email: str) -> Person:
    """Return the person of an address, or end with a sentence."""
    person = await people.by_email(database, email)
    if person is None:
        raise NotFound(f"Nobody has the address {email!r}")
    return person
