"""The account, the hardware and the secret of its webhooks, as Replicate's clients ask for them."""

from datetime import datetime, timedelta

from starlette.responses import Response

from kinetoscope.accounts import accounts, audit, powers
from kinetoscope.accounts.audit import Actor
from kinetoscope.api.auth import client_ip
from kinetoscope.api.envelope import answer
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.webhooks import secret
from kinetoscope.wiring import Runtime

Noted = dict[tuple[str, str | None, str], datetime]
"""When it was noted last that a key, from an address, was shown a secret."""

NOTED_EVERY = timedelta(hours=1)
"""Some clients ask for the secret for every webhook; the audit log is to stay readable."""


def mount(speech: Speech) -> None:
    """Add the routes."""
    runtime = speech.doors.runtime
    database, sealer, clock = runtime.database, runtime.sealer, runtime.clock
    noted: Noted = {}

    async def show(client: Client) -> Response:
        """Show whose key this is."""
        found = await accounts.by_id(database, client.caller.account_id)
        return answer(
            {"type": "organization", "username": found.name, "name": found.name, "github_url": None}
        )

    async def hardware(_client: Client) -> Response:
        """List what can be chosen to run on: nothing, the operator has chosen."""
        return answer([])

    async def show_secret(client: Client) -> Response:
        """Show the newest secret that webhooks are signed with.

        Replicate's clients ask for it whenever they verify, so it must be shown again, though our
        own door shows a secret only when it is made. It goes to keys that may make a new one: those
        can have a secret that counts at any time, so they learn nothing here that is kept from
        them there. As there, a test key may not, since it is the whole account's. While an older
        secret still counts, each webhook carries a signature with this one too.
        """
        powers.require_live(client.caller.mode)
        texts = await secret.texts(database, sealer, client.caller.account_id, clock())
        await _note(runtime, noted, client, texts[0])
        return answer({"key": texts[0]}, headers={"Cache-Control": "no-store"})

    speech.route("GET", "/account", "account:read", show, "Show the account")
    speech.route("GET", "/hardware", "tasks:read", hardware, "List the hardware")
    speech.route(
        "GET",
        "/webhooks/default/secret",
        "webhooks:write",
        show_secret,
        "Show the secret of the webhooks",
    )


async def _note(runtime: Runtime, noted: Noted, client: Client, text: str) -> None:
    """Note in the audit log that a key was shown a secret, once an hour for an address."""
    now, caller = runtime.clock(), client.caller
    ip = client_ip(client.request, runtime.settings.trusted_proxies)
    target = f"…{text.rstrip('=')[-4:]}"
    for each in [each for each, at in noted.items() if now - at >= NOTED_EVERY]:
        del noted[each]
    if (caller.key_id, ip, target) in noted:
        return
    actor = Actor(person_id=None, name=f"key {caller.key_id}", client_ip=ip)
    await audit.note(
        runtime.database,
        actor,
        "webhook.secret_shown",
        target,
        now,
        account_id=caller.account_id,
    )
    noted[caller.key_id, ip, target] = now
