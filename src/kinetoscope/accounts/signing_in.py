"""Signing in: by password, slowed down for whoever guesses, or by a link that works once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.accounts import passkeys, passwords, people
from kinetoscope.accounts.people import Person, PersonId
from kinetoscope.accounts.sessions import TOKEN_BYTES, sha256
from kinetoscope.kernel.errors import NotFound, RateLimited, Unauthenticated
from kinetoscope.postgres.pool import Database

WRONG = "The e-mail address or the password is not right"

FREE_FAILURES = 5
DELAY_MAX = timedelta(minutes=15)
FORGET_AFTER = timedelta(hours=24)

LINK_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failures:
    failures: int
    last_at: datetime


async def by_password(database: Database, email: str, password: str, now: datetime) -> Person:
    """Return who signs in; raises Unauthenticated, or RateLimited for who guesses.

    Whether there is anybody of this address shows neither in the words nor in the time taken.
    Guessers keep nobody out: a link, which the operator can make, asks for no password.
    """
    subject = subject_of(email)
    # Counted before it is looked at: of many guesses at once each counts.
    await _require_patience(database, subject, now)
    person = await people.by_email(database, email)
    stored = None if person is None else person.password_hash
    if not await passwords.matches(stored, password) or person is None or person.disabled_at:
        raise Unauthenticated(WRONG)
    await _forgive(database, subject)
    if stored is not None and passwords.is_outdated(stored):
        await people.rehash(database, person, await passwords.hashed(password))
    return person


def subject_of(email: str) -> str:
    """Return who is tried, as it is stored."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def delay_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures: nothing at first, then doubling."""
    if failures < FREE_FAILURES:
        return timedelta()
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), DELAY_MAX)


COUNT = """
insert into sign_in_failure (subject, failures, last_at) values (%(subject)s, 1, %(now)s)
on conflict (subject) do update
set failures = case when sign_in_failure.last_at < %(forgotten)s then 1
                    else sign_in_failure.failures + 1 end,
    last_at = %(now)s
where sign_in_failure.last_at < %(forgotten)s
   or sign_in_failure.failures < %(free)s
   or sign_in_failure.last_at
      + least(make_interval(secs => power(2, least(sign_in_failure.failures - %(free)s, 20))),
              %(delay_max)s) <= %(now)s
returning failures, last_at
"""
"""Counts a try as failed in advance, unless it comes too soon: then no row comes back."""


async def _require_patience(database: Database, subject: str, now: datetime) -> None:
    counted = await database.fetch_one(
        _Failures,
        COUNT,
        {
            "subject": subject,
            "now": now,
            "forgotten": now - FORGET_AFTER,
            "free": FREE_FAILURES,
            "delay_max": DELAY_MAX,
        },
    )
    if counted is not None:
        return
    found = await database.fetch_one(
        _Failures,
        "select failures, last_at from sign_in_failure where subject = %(subject)s",
        {"subject": subject},
    )
    wait = timedelta(seconds=1)
    if found is not None:
        wait = max(found.last_at + delay_after(found.failures) - now, wait)
    raise RateLimited(limit=1, wait_s=int(wait.total_seconds()) + 1)


async def _forgive(database: Database, subject: str) -> None:
    await database.execute(
        "delete from sign_in_failure where subject = %(subject)s", {"subject": subject}
    )


async def make_link(database: Database, person_id: PersonId, now: datetime) -> str:
    """Make a token that signs a person in once, within a day."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await database.execute(
        """
        insert into sign_in_link (token_sha256, person_id, created_at, expires_at)
        values (%(token_sha256)s, %(person_id)s, %(now)s, %(expires_at)s)
        on conflict do nothing
        """,
        {
            "token_sha256": sha256(token),
            "person_id": person_id,
            "now": now,
            "expires_at": now + LINK_LIFETIME,
        },
    )
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    person_id: PersonId


async def by_link(database: Database, token: str, now: datetime) -> Person:
    """Return whom a link signs in; it never does so again. Raises NotFound."""
    used = await database.fetch_one(
        _Used,
        """
        update sign_in_link set used_at = %(now)s
        where token_sha256 = %(token_sha256)s and used_at is null and expires_at > %(now)s
        returning person_id
        """,
        {"token_sha256": sha256(token), "now": now},
    )
    if used is None:
        raise NotFound("This link has been used, or has expired")
    person = await people.by_id(database, used.person_id)
    if person.disabled_at is not None:
        raise NotFound("This link has been used, or has expired")
    return person


async def forget_old(database: Database, now: datetime) -> None:
    """Delete what of guesses, links and challenges is remembered no longer."""
    await database.execute(
        "delete from sign_in_failure where last_at < %(before)s", {"before": now - FORGET_AFTER}
    )
    await database.execute(
        "delete from sign_in_link where expires_at < %(before)s", {"before": now - FORGET_AFTER}
    )
    await passkeys.forget_old(database, now)
