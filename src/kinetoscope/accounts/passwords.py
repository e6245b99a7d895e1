"""Passwords: argon2id, few at a time, and the same work whether there is anything to compare.

Parameters: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kinetoscope.kernel.errors import InvalidRequest

LENGTH_MIN = 10
LENGTH_MAX = 256

HASHES_AT_ONCE = 2
"""Each takes 19 MiB and a core for a moment; more at once would only be a way to wear us out."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

NOBODYS = HASHER.hash("compared where nobody has the address: both refusals take the same time")

COMMON = frozenset(
    [
        "1234567890",
        "12345678910",
        "0123456789",
        "1q2w3e4r5t",
        "1qaz2wsx3edc",
        "password12",
        "password123",
        "passwordpassword",
        "qwertyuiop",
        "qwerty1234",
        "qwerty12345",
        "qwertyuiop123",
        "iloveyou123",
        "letmein123",
        "welcome123",
        "administrator",
        "adminadmin",
        "changeme123",
        "asdfghjkl1",
        "zxcvbnm123",
        "football123",
        "sunshine123",
        "princess123",
        "aaaaaaaaaa",
        "1111111111",
        "abcdefghij",
        "abc123abc123",
        "password1234",
        "p@ssw0rd123",
        "kinetoscope",
    ]
)
"""Those of at least ten characters that lists of stolen passwords begin with."""

_hashing: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def require_good(password: str, email: str) -> None:
    """Refuse what is too short, too long or known to everybody; raises InvalidRequest."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise InvalidRequest(f"Use {LENGTH_MIN} to {LENGTH_MAX} characters")
    lowered = password.lower()
    if lowered in COMMON or lowered in {email.lower(), email.lower().partition("@")[0]}:
        raise InvalidRequest("This is among the first that anybody would try; take another")


async def hashed(password: str) -> str:
    """Return what to store of a password."""
    async with _turn():
        return await asyncio.to_thread(HASHER.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Whether a password is the stored one; takes as long where nothing is stored."""
    async with _turn():
        right = await asyncio.to_thread(_verified, stored or NOBODYS, password[:LENGTH_MAX])
    return right and stored is not None and len(password) <= LENGTH_MAX


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with less effort than we make now."""
    return HASHER.check_needs_rehash(stored)


def _verified(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _turn() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    if loop not in _hashing:
        _hashing.clear()  # tests have a loop each; a process has one
        _hashing[loop] = asyncio.Semaphore(HASHES_AT_ONCE)
    return _hashing[loop]
