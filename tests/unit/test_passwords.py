"""Passwords: which are taken, how they are kept, and the same work where there is none."""

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type
from typing_extensions import override

from kinetoscope.accounts import passwords
from kinetoscope.kernel.errors import InvalidRequest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "password",
    [
        "",
        "nine char",
        "x" * 257,
        "1234567890",
        "Password123",
        "PASSWORDPASSWORD",
        "ada.lovelace",
        "Ada.Lovelace@Example.com",
        "ada.lovelace@example.com",
    ],
)
def test_what_is_short_long_or_known_to_everybody_is_refused(password: str):
    with pytest.raises(InvalidRequest):
        passwords.require_good(password, "ada.lovelace@example.com")


@pytest.mark.parametrize(
    "password", ["ten chars!", "x" * 256, "1234567890 and more", "päßwörter 🎞️", " " * 9 + "x"]
)
def test_anything_else_is_taken_as_it_is(password: str):
    passwords.require_good(password, "ada.lovelace@example.com")


async def test_a_password_matches_itself_and_nothing_else():
    stored = await passwords.hashed("a long enough secret")
    assert "secret" not in stored
    assert await passwords.hashed("a long enough secret") != stored
    assert await passwords.matches(stored, "a long enough secret")
    for other in ("", "a long enough secre", "a long enough secret ", "A long enough secret", "\0"):
        assert not await passwords.matches(stored, other)


async def test_what_is_longer_than_any_password_matches_none():
    longest = "x" * passwords.LENGTH_MAX
    stored = await passwords.hashed(longest)
    assert await passwords.matches(stored, longest)
    assert not await passwords.matches(stored, longest + "x")
    assert not await passwords.matches(stored, longest * 1000)


async def test_nothing_matches_where_nothing_or_nonsense_is_stored():
    for stored in (None, "", "nonsense", "$argon2id$v=19$m=8,t=1,p=1$bm8$bm8"):
        for password in ("", "a long enough secret", passwords.NOBODYS):
            assert not await passwords.matches(stored, password)


async def test_what_is_compared_for_nobody_takes_the_work_of_a_stored_one():
    stored = extract_parameters(await passwords.hashed("a long enough secret"))
    assert extract_parameters(passwords.NOBODYS) == stored
    assert (stored.type, stored.memory_cost, stored.time_cost) == (Type.ID, 19 * 1024, 2)


async def test_what_was_hashed_with_less_effort_is_hashed_again():
    weaker = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)
    assert passwords.is_outdated(weaker.hash("a long enough secret"))
    assert not passwords.is_outdated(await passwords.hashed("a long enough secret"))


async def test_few_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch):
    """Each takes memory and a core: many at once would be a way to wear the server out."""
    now, most = 0, 0

    class Watched(PasswordHasher):
        @override
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            nonlocal now, most
            now += 1
            most = max(most, now)
            made = super().hash(password, salt=salt)
            now -= 1
            return made

    monkeypatch.setattr(passwords, "HASHER", Watched(time_cost=2, memory_cost=19 * 1024))
    await asyncio.gather(*(passwords.hashed("a long enough secret") for _ in range(12)))
    assert 1 <= most <= passwords.HASHES_AT_ONCE
