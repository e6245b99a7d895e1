"""The first start: a local account with credits and a key, and the demo key with its samples."""

from dataclasses import dataclass
from pathlib import Path

from kinetoscope.accounts import accounts, keys, opening, operators, signing_in
from kinetoscope.cli.queues import served_queues
from kinetoscope.kernel.errors import Conflict, Forbidden, Unauthenticated
from kinetoscope.kernel.secrets import DEMO_KEY_ID, KeyMode, issue_key
from kinetoscope.ledger import book
from kinetoscope.postgres.deployment import tell_public_url
from kinetoscope.tasks import samples
from kinetoscope.wiring import Runtime

LOCAL_ACCOUNT = "local"
DEMO_ACCOUNT = "demo"
GRANT_REASON = "first start"
KEY_NAME = "first key"
OPERATOR_NAME = "Operator"

TAKEN = (
    "(somebody signed up with KINETOSCOPE_OPERATOR_EMAIL; if that is you: kinetoscope people"
    " operator EMAIL --take-over)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a person at the terminal is told: the local key's text, and a link that signs in.

    Words in place of the link say why there is none.
    """

    key: str | None
    link: str


async def prepare(runtime: Runtime) -> Begun:
    """Make what is missing of all that a deployment begins with."""
    served_queues(runtime.settings.queues, runtime.routes)  # before a worker finds out, for ever
    await tell_public_url(runtime.database, runtime.settings.public_url)
    key = await ensure_local(runtime)
    await ensure_demo(runtime)
    return Begun(key=key, link=await operator_link(runtime))


async def operator_link(runtime: Runtime) -> str:
    """Return an address that signs the operator in once; they own the local account.

    Where somebody signed up with the operator's address who may be anybody, a hint in words.
    """
    now, settings = runtime.clock(), runtime.settings
    account = await accounts.by_name(runtime.database, LOCAL_ACCOUNT)
    try:
        person = await operators.ensure(
            runtime.database, settings.operator_email, OPERATOR_NAME, account.id, now
        )
    except Conflict:
        return TAKEN
    token = await signing_in.make_link(runtime.database, person.id, now)
    return f"{settings.public_url}/welcome?token={token}"


async def ensure_local(runtime: Runtime) -> str | None:
    """Make what is missing of the local account; return its key's text, if this machine has it.

    The database keeps only a hash. The text stays in the data folder, readable by its owner
    alone, as a client's credentials would, so that the next start can print the command to try.
    """
    now = runtime.clock()
    account, _ = await accounts.ensure(runtime.database, LOCAL_ACCOUNT, now)
    await book.grant_once(
        runtime.database, account.id, runtime.settings.first_grant, reason=GRANT_REASON, now=now
    )
    path = runtime.settings.data_dir / "local-key"
    if await keys.listing(runtime.database, account.id):
        return await _usable_key(runtime, path)
    # The file first: killed in between, the next start makes another key, and none is lost.
    issued = issue_key(KeyMode.LIVE)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(issued.text + "\n")
    await keys.keep(
        runtime.database,
        account.id,
        KEY_NAME,
        issued,
        mode=KeyMode.LIVE,
        expires_at=None,
        now=now,
    )
    return issued.text


async def ensure_demo(runtime: Runtime) -> None:
    """Make what is missing of the demo: an account without credits, the public key, the samples."""
    now = runtime.clock()
    database = runtime.database
    account, _ = await accounts.ensure(database, DEMO_ACCOUNT, now)
    await keys.ensure_demo(database, account.id, runtime.settings.demo_key, now)
    if runtime.settings.demo_key:
        await samples.ensure(
            database, runtime.catalog, runtime.routes, account.id, DEMO_KEY_ID, now
        )


def _kept_text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


async def _usable_key(runtime: Runtime, path: Path) -> str | None:
    text = _kept_text(path)
    try:
        await opening.authenticate(
            runtime.database, opening.present(f"Bearer {text}"), runtime.clock()
        )
    except (Unauthenticated, Forbidden):
        return None
    return text
