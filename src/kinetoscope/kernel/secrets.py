"""Secrets: the text form of API keys, their hashes, and the signing key."""

import hashlib
import hmac
import os
import re
import secrets
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.ids import BASE62, KeyId, random_text

SIGNING_KEY_BYTES = 32


class KeyMode(StrEnum):
    """What a key may set in motion."""

    LIVE = "live"
    """Spends credits on the models' own routes."""
    TEST = "test"
    """Costs nothing, always takes the embedded renderer, and may script how a task ends."""
    DEMO = "demo"
    """Public; reads the sample tasks."""


DEMO_KEY_ID = KeyId("demoreadonly")

DEMO_KEY_SHAPE = re.compile(r"kino_demo_readonly_([0-9a-f]{24})")
"""Public and fixed in the settings, after https://kinovi.ai/docs (`zimg_demo_readonly_…`)."""

KEY_SHAPE = re.compile(r"kino_(live|test)_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """What an API key says of itself: which row to look up, and the hash that must match it."""

    id: KeyId
    mode: KeyMode
    secret_sha256: bytes
    client_ip: str | None = None
    """Where it was presented from, if that is known."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. `text` is the only copy of the secret there will ever be."""

    id: KeyId
    text: str
    secret_sha256: bytes
    last_four: str


def checksum(text: str) -> str:
    """Six base62 characters of CRC-32, so that typos and false finds are told apart offline."""
    number = zlib.crc32(text.encode())
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    return "".join(reversed(digits))


def issue_key(mode: KeyMode) -> IssuedKey:
    """Make `kino_<mode>_<12 id>_<43 secret><6 checksum>`; the secret holds 256 random bits."""
    key_id = KeyId(random_text(BASE62, 12))
    secret = random_text(BASE62, 43)
    body = f"kino_{mode}_{key_id}_{secret}"
    text = body + checksum(body)
    return IssuedKey(
        id=key_id,
        text=text,
        secret_sha256=hashlib.sha256(secret.encode()).digest(),
        last_four=text[-4:],
    )


def parse_key(text: str) -> PresentedKey | None:
    """Read a key's text; None where it cannot be a key of ours (shape or checksum is wrong)."""
    demo = DEMO_KEY_SHAPE.fullmatch(text)
    if demo is not None:
        return PresentedKey(DEMO_KEY_ID, KeyMode.DEMO, hashlib.sha256(demo[1].encode()).digest())
    match = KEY_SHAPE.fullmatch(text)
    if match is None or checksum(text[:-6]) != match[4]:
        return None
    secret_sha256 = hashlib.sha256(match[3].encode()).digest()
    return PresentedKey(KeyId(match[2]), KeyMode(match[1]), secret_sha256)


def equal(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one, other)


def load_signing_key(path: Path) -> bytes:
    """Read the deployment's signing key, making it on the first start (mode 0600).

    Processes that start together agree: the file appears whole under its name, once.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(SIGNING_KEY_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) < SIGNING_KEY_BYTES:
        raise SettingInvalid(f"{path} must hold at least {SIGNING_KEY_BYTES} bytes")
    return key
