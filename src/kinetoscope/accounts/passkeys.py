"""Passkeys: what a device must prove to become one, and to sign its person in.

https://www.w3.org/TR/webauthn-3/#sctn-rp-operations
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import orjson
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from kinetoscope.accounts import people, ways
from kinetoscope.accounts.people import PersonId
from kinetoscope.kernel.errors import Conflict, InvalidRequest, NotFound, Unauthenticated
from kinetoscope.kernel.ids import random_base36
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Connection, Database

PASSKEYS_MAX = 20
NAME_LENGTH_MAX = 60
FORGET_AFTER = timedelta(days=1)
"""Longer than any challenge is good for."""

NOT_RIGHT = "This passkey does not sign anybody in here"

UNREADABLE = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)
"""What the library makes of an answer that no device gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A device that signs its person in."""

    id: str
    person_id: PersonId
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    credential_id: bytes
    person_id: PersonId
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Id:
    id: str


def host_of(public_url: str) -> str:
    """Return the name that passkeys are bound to."""
    return urlsplit(public_url).hostname or ""


def origin_of(public_url: str) -> str:
    """Return what browsers call the pages that passkeys are made and used on."""
    parts = urlsplit(public_url)
    usual = {"https": 443, "http": 80}[parts.scheme]
    port = "" if parts.port in {None, usual} else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


async def listing(database: Database, person_id: PersonId) -> list[Passkey]:
    """Return a person's passkeys, oldest first."""
    return await database.fetch_all(
        Passkey,
        """
        select id, person_id, name, created_at, used_at from passkey
        where person_id = %(person_id)s order by created_at, id
        """,
        {"person_id": person_id},
    )


async def options_to_add(
    database: Database, public_url: str, person_id: PersonId, email: str, challenge: bytes
) -> str:
    """Return what a browser needs to make a passkey, as JSON; raises Conflict for too many."""
    stored = await database.fetch_all(
        _Stored,
        """
        select credential_id, person_id, public_key, sign_count from passkey
        where person_id = %(person_id)s
        """,
        {"person_id": person_id},
    )
    if len(stored) >= PASSKEYS_MAX:
        raise Conflict(f"You have {PASSKEYS_MAX} passkeys; remove one first")
    options = generate_registration_options(
        rp_id=host_of(public_url),
        rp_name="Kinetoscope",
        user_id=person_id.encode(),
        user_name=email,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=bytes(each.credential_id)) for each in stored
        ],
    )
    return options_to_json(options)


def options_to_sign_in(public_url: str, challenge: bytes) -> str:
    """Return what a browser needs to ask for any passkey of ours, as JSON."""
    return options_to_json(
        generate_authentication_options(
            rp_id=host_of(public_url),
            challenge=challenge,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a browser answers to a challenge of ours, as it came."""

    text: str
    challenge: bytes
    public_url: str


async def add(
    database: Database, person_id: PersonId, name: str, answered: Answered, now: datetime
) -> str:
    """Keep a new passkey; return its id. Raises InvalidRequest or Conflict."""
    name = people.read_name(name, NAME_LENGTH_MAX)
    try:
        verified = verify_registration_response(
            credential=_read(answered.text),
            expected_challenge=answered.challenge,
            expected_rp_id=host_of(answered.public_url),
            expected_origin=origin_of(answered.public_url),
            require_user_verification=True,
        )
    except UNREADABLE as error:
        raise InvalidRequest("The browser's answer does not make a passkey") from error
    await _spend(database, answered.challenge, now)
    made = await database.fetch_one(
        _Id,
        """
        insert into passkey
          (credential_id, id, person_id, name, public_key, sign_count, created_at)
        values
          (%(credential_id)s, %(id)s, %(person_id)s, %(name)s, %(public_key)s, %(sign_count)s,
           %(now)s)
        on conflict (credential_id) do nothing
        returning id
        """,
        {
            "credential_id": verified.credential_id,
            "id": "passkey_" + random_base36(16),
            "person_id": person_id,
            "name": name,
            "public_key": verified.credential_public_key,
            "sign_count": verified.sign_count,
            "now": now,
        },
    )
    if made is None:
        raise Conflict("This passkey is here already")
    return made.id


async def by_passkey(database: Database, answered: Answered, now: datetime) -> PersonId:
    """Return whom a passkey signs in; raises Unauthenticated."""
    credential = _read(answered.text)
    stored = await _stored(database, credential)
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=answered.challenge,
            expected_rp_id=host_of(answered.public_url),
            expected_origin=origin_of(answered.public_url),
            credential_public_key=bytes(stored.public_key),
            credential_current_sign_count=stored.sign_count,
            require_user_verification=True,
        )
    except UNREADABLE as error:
        raise Unauthenticated(NOT_RIGHT) from error
    await _spend(database, answered.challenge, now)
    # Devices that count must have counted on, also where two sign in at the same moment.
    counted = await database.execute(
        """
        update passkey set sign_count = %(count)s, used_at = %(now)s
        where credential_id = %(credential_id)s
          and (sign_count < %(count)s or (sign_count = 0 and %(count)s = 0))
        """,
        {
            "credential_id": stored.credential_id,
            "count": verified.new_sign_count,
            "now": now,
        },
    )
    if counted != 1:
        raise Unauthenticated(NOT_RIGHT)
    return stored.person_id


async def remove(database: Database, person_id: PersonId, passkey_id: str) -> None:
    """Let a passkey sign nobody in any more.

    Raises NotFound for one that is not theirs, Conflict for their only way in.
    """

    async def steps(connection: Connection) -> None:
        await ways.hold(connection, person_id)
        removed = await connection.execute(
            "delete from passkey where id = %s and person_id = %s", (passkey_id, person_id)
        )
        if removed.rowcount != 1:
            raise NotFound("There is no such passkey")
        await ways.require_left(connection, person_id)

    await database.transact_once(steps)


async def forget_old(database: Database, now: datetime) -> None:
    """Delete challenges that could not be answered any more anyway."""
    await database.execute(
        "delete from passkey_challenge where answered_at < %(before)s",
        {"before": now - FORGET_AFTER},
    )


def _read(text: str) -> dict[str, JSON]:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unauthenticated(NOT_RIGHT) from None
    if not isinstance(read, dict):
        raise Unauthenticated(NOT_RIGHT)
    return read


async def _stored(database: Database, credential: Mapping[str, JSON]) -> _Stored:
    """Return the passkey that an answer is of; raises Unauthenticated."""
    try:
        credential_id = base64url_to_bytes(str(credential.get("id")))
    except ValueError:
        raise Unauthenticated(NOT_RIGHT) from None
    stored = await database.fetch_one(
        _Stored,
        """
        select credential_id, person_id, public_key, sign_count from passkey
        where credential_id = %(credential_id)s
        """,
        {"credential_id": credential_id},
    )
    response = credential.get("response")
    handle = response.get("userHandle") if isinstance(response, dict) else None
    if stored is None or (handle and handle != _base64url(stored.person_id)):
        raise Unauthenticated(NOT_RIGHT)
    return stored


def _base64url(text: str) -> str:
    return bytes_to_base64url(text.encode())


async def _spend(database: Database, challenge: bytes, now: datetime) -> None:
    """Note that a challenge was answered; raises Unauthenticated where it was before."""
    spent = await database.execute(
        """
        insert into passkey_challenge (challenge_sha256, answered_at) values (%(sha256)s, %(now)s)
        on conflict do nothing
        """,
        {"sha256": hashlib.sha256(challenge).digest(), "now": now},
    )
    if spent != 1:
        raise Unauthenticated(NOT_RIGHT)
