"""Passkeys at the door: adding and removing them in the settings, and signing in with one.

The script asks for a challenge, the browser has the device answer it, the script sends the answer
as a form. Which challenge it was is sealed in a cookie; the answer is good once.
"""

import base64
import secrets
from collections.abc import Mapping

from starlette.responses import Response

from kinetoscope.accounts import audit, passkeys, people
from kinetoscope.accounts.passkeys import Answered
from kinetoscope.dashboard import brief
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.sign_in import HOME, let_in
from kinetoscope.dashboard.visit import Visit, safe_path
from kinetoscope.dashboard.ways import SETTINGS, password_error
from kinetoscope.kernel.errors import Forbidden, NotFound, Unauthenticated

ADD, SIGN_IN = "passkey_add", "passkey_sign_in"

CHALLENGE_BYTES = 32

STALE = "This took too long. Try again."


def mount(pages: Pages) -> None:
    """Add signing in with a passkey, and keeping them in the settings."""
    pages.add("POST", "/sign-in/passkey/challenge", "anyone", challenge_to_sign_in)
    pages.add("POST", "/sign-in/passkey", "anyone", sign_in)
    pages.add("POST", "/settings/passkeys/challenge", "person", challenge_to_add)
    pages.add("POST", "/settings/passkeys", "person", add)
    pages.add("POST", "/settings/passkeys/{id}/remove", "person", remove)


async def challenge_to_sign_in(visit: Visit) -> Response:
    """Challenge whatever passkeys this browser has."""
    require_on(visit)
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    options = passkeys.options_to_sign_in(visit.runtime.settings.public_url, challenge)
    return _challenged(visit, SIGN_IN, options, challenge, {})


async def sign_in(visit: Visit) -> Response:
    """Sign in whose passkey answered."""
    require_on(visit)
    form, kept = await visit.form(), brief.kept(visit, SIGN_IN)
    if kept is None:
        raise Forbidden(STALE)
    database = visit.runtime.database
    try:
        person_id = await passkeys.by_passkey(database, _answered(visit, form, kept), visit.now)
    except Unauthenticated as error:
        raise Forbidden(str(error)) from None
    person = await people.by_id(database, person_id)
    if person.disabled_at is not None:
        raise Forbidden(passkeys.NOT_RIGHT)
    response = await let_in(visit, person, "passkey", safe_path(form["next"], HOME))
    brief.forget(visit, response, SIGN_IN)
    return response


async def challenge_to_add(visit: Visit) -> Response:
    """Challenge a device to become a passkey of who is signed in."""
    require_on(visit)
    form, me = await visit.form(), visit.me
    people.read_name(form["passkey_name"], passkeys.NAME_LENGTH_MAX)
    error = await password_error(visit, form["passkey_password"])
    if error:
        raise Forbidden(error)
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    options = await passkeys.options_to_add(
        visit.runtime.database,
        visit.runtime.settings.public_url,
        me.person_id,
        me.email,
        challenge,
    )
    return _challenged(visit, ADD, options, challenge, {"session": me.session_id})


async def add(visit: Visit) -> Response:
    """Keep a device's passkey."""
    require_on(visit)
    form, kept, me = await visit.form(), brief.kept(visit, ADD), visit.me
    if kept is None or kept["session"] != me.session_id:
        raise Forbidden(STALE)
    database, name = visit.runtime.database, form["passkey_name"]
    try:
        passkey_id = await passkeys.add(
            database, me.person_id, name, _answered(visit, form, kept), visit.now
        )
    except Unauthenticated as error:
        raise Forbidden(str(error)) from None
    await audit.note(
        database, visit.actor, "passkey.add", passkey_id, visit.now, account_id=me.account_id
    )
    response = visit.go(SETTINGS, "Passkey added")
    brief.forget(visit, response, ADD)
    return response


async def remove(visit: Visit) -> Response:
    """Remove a passkey."""
    passkey_id, me = visit.request.path_params["id"], visit.me
    database = visit.runtime.database
    await passkeys.remove(database, me.person_id, passkey_id)
    await audit.note(
        database, visit.actor, "passkey.remove", passkey_id, visit.now, account_id=me.account_id
    )
    return visit.go(SETTINGS, "Passkey removed")


def require_on(visit: Visit) -> None:
    """Hide what the operator has not turned on; raises NotFound."""
    if not visit.runtime.settings.passkeys:
        raise NotFound("There is no such page")


def _challenged(
    visit: Visit, purpose: str, options: str, challenge: bytes, values: Mapping[str, str]
) -> Response:
    response = Response(options, media_type="application/json")
    kept = {**values, "challenge": base64.b64encode(challenge).decode()}
    brief.keep(visit, response, purpose, kept)
    return response


def _answered(visit: Visit, form: Mapping[str, str], kept: Mapping[str, str]) -> Answered:
    return Answered(
        text=form["answer"],
        challenge=base64.b64decode(kept["challenge"]),
        public_url=visit.runtime.settings.public_url,
    )
