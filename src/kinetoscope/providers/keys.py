"""Providers' keys: stored sealed, held in a worker's memory, shown to nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from typing_extensions import override

from kinetoscope.kernel.envelope import Envelope
from kinetoscope.kernel.errors import InvalidRequest, NotFound, SettingInvalid
from kinetoscope.kernel.setting_values import credential
from kinetoscope.postgres.pool import Database
from kinetoscope.providers.config import NAME, key_word

log = structlog.get_logger(__name__)

REFRESH_DELAY_S = 30.0
"""How soon a running worker knows of a key that was changed."""

CALLBACKS = "-callbacks"
"""What the name of a provider's secret for callbacks ends with."""

HINT_LENGTH = 4
HINTED_LENGTH_MIN = 16
"""Of a shorter key, four characters would give too much away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What may be shown of a stored key."""

    provider: str
    hint: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The keys that open, by provider, and why others do not. Its text shows none of them."""

    keys: Mapping[str, str]
    problems: Mapping[str, str]

    @override
    def __repr__(self) -> str:
        return f"Opened({', '.join(self.keys)})"


@dataclass(frozen=True, slots=True)
class _Sealed:
    provider: str
    sealed: bytes


def hint_of(key: str) -> str:
    """Return what of a key may be shown, so that people can tell which one it is."""
    return key[-HINT_LENGTH:] if len(key) >= HINTED_LENGTH_MIN else ""


async def put(
    database: Database, envelope: Envelope, provider: str, key: str, now: datetime
) -> None:
    """Store a provider's key in the place of any before; raises InvalidRequest."""
    if not NAME.fullmatch(provider):
        raise InvalidRequest("A provider's name is small letters, digits, - and _")
    try:
        text = credential(key.strip())
    except ValueError:
        raise InvalidRequest("A key is one line of ASCII characters") from None
    if not text:
        raise InvalidRequest("The key is empty")
    await database.execute(
        """
        insert into provider_key (provider, sealed, hint, created_at, updated_at)
        values (%(provider)s, %(sealed)s, %(hint)s, %(now)s, %(now)s)
        on conflict (provider) do update
        set sealed = excluded.sealed, hint = excluded.hint, updated_at = excluded.updated_at
        """,
        {
            "provider": provider,
            "sealed": envelope.seal(text, provider),
            "hint": hint_of(text),
            "now": now,
        },
    )


async def delete(database: Database, provider: str) -> None:
    """Forget a provider's stored key; raises NotFound."""
    deleted = await database.execute(
        "delete from provider_key where provider = %(provider)s", {"provider": provider}
    )
    if not deleted:
        raise NotFound(f"There is no stored key of {provider!r}")


def callbacks_key(provider: str) -> str:
    """Return the name under which the secret of a provider's callbacks is kept."""
    return f"{provider}{CALLBACKS}"


async def one(
    database: Database, envelope: Envelope, given: Mapping[str, str], name: str
) -> str | None:
    """Return the key of a name as it is this moment, or None.

    Raises SettingInvalid for a stored one that does not open.
    """
    if given.get(key_word(name)):
        return given[key_word(name)]
    values = await database.fetch_values(
        "select sealed from provider_key where provider = %(name)s", {"name": name}
    )
    return None if values is None else envelope.open(values[0], name)


async def listing(database: Database) -> list[StoredKey]:
    """Return what may be shown of every stored key."""
    return await database.fetch_all(
        StoredKey,
        "select provider, hint, created_at, updated_at from provider_key order by provider",
        {},
    )


async def load_all(database: Database, envelope: Envelope) -> Opened:
    """Open every stored key. One that does not open keeps no other provider from working."""
    keys: dict[str, str] = {}
    problems: dict[str, str] = {}
    for record in await _all(database):
        try:
            keys[record.provider] = envelope.open(record.sealed, record.provider)
        except SettingInvalid as error:
            problems[record.provider] = str(error)
    return Opened(keys=keys, problems=problems)


async def rekey(database: Database, envelope: Envelope) -> int:
    """Wrap every record by the first master key; return how many were not. Safe to break off.

    A record that was replaced meanwhile is under that key already, and is left alone. Raises
    SettingInvalid for one that does not open, when all others are done.
    """
    changed = 0
    failure: SettingInvalid | None = None
    for record in await _all(database):
        if envelope.is_current(record.sealed):
            continue
        try:
            rewrapped = envelope.rewrap(record.sealed, record.provider)
        except SettingInvalid as error:
            failure = failure or error
            continue
        changed += await database.execute(
            """
            update provider_key set sealed = %(rewrapped)s
            where provider = %(provider)s and sealed = %(sealed)s
            """,
            {"provider": record.provider, "sealed": record.sealed, "rewrapped": rewrapped},
        )
    if failure is not None:
        raise failure
    return changed


async def _all(database: Database) -> list[_Sealed]:
    return await database.fetch_all(
        _Sealed, "select provider, sealed from provider_key order by provider", {}
    )


class KeyRing:
    """The keys a running worker uses: those of its settings, then the stored ones as last read."""

    def __init__(self, database: Database, envelope: Envelope, given: Mapping[str, str]) -> None:
        self._database = database
        self._envelope = envelope
        self._given = given
        self._stored = Opened(keys={}, problems={})

    def get(self, provider: str) -> str:
        """Return a provider's key; nothing where there is none."""
        return self._given.get(key_word(provider)) or self._stored.keys.get(provider, "")

    @property
    def problems(self) -> Mapping[str, str]:
        """Return why stored keys do not open, by provider."""
        return self._stored.problems

    async def refresh(self) -> None:
        """Read the stored keys again; while the database is away, those from before stay."""
        before, self._stored = self._stored, await load_all(self._database, self._envelope)
        for provider, reason in self._stored.problems.items():
            if before.problems.get(provider) != reason:
                log.error("provider.key_does_not_open", provider=provider, reason=reason)

    @override
    def __repr__(self) -> str:
        return f"KeyRing({', '.join(sorted({*self._given, *self._stored.keys}))})"
