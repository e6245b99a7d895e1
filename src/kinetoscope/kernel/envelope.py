"""Envelopes: secrets at rest, each under a key of its own, which a master key wraps.

Changing the master key wraps the small keys anew and leaves what they seal alone. AES-256-GCM both
times; what a record is for is authenticated with it, so that it opens nowhere else.

    version 1 | id of the master key 8 | nonce 12 | wrapped data key 48 | nonce 12 | sealed text
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kinetoscope.kernel.errors import SettingInvalid

VERSION = b"\x01"
KEY_BYTES = 32
NONCE_BYTES = 12
ID_BYTES = 8
TAG_BYTES = 16

_WRAPPED_AT = len(VERSION) + ID_BYTES
_SEALED_AT = _WRAPPED_AT + NONCE_BYTES + KEY_BYTES + TAG_BYTES
_BYTES_MIN = _SEALED_AT + NONCE_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Envelope:
    """Seals with the first master key, opens with any of them."""

    masters: tuple[bytes, ...] = field(repr=False)

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt a text that may be opened as `context` only."""
        data_key = secrets.token_bytes(KEY_BYTES)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(data_key).encrypt(nonce, text.encode(), context.encode())
        return self._wrap(data_key, context) + nonce + sealed

    def open(self, record: bytes, context: str) -> str:
        """Decrypt what `seal` made; raises SettingInvalid saying what to do where it cannot."""
        data_key = self._unwrap(record, context)
        nonce, sealed = record[_SEALED_AT : _SEALED_AT + NONCE_BYTES], record[_SEALED_AT:]
        try:
            text = AESGCM(data_key).decrypt(nonce, sealed[NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise _damaged(context) from None
        return text.decode()

    def rewrap(self, record: bytes, context: str) -> bytes:
        """Return the record under the first master key; what it seals is not touched."""
        if self.is_current(record):
            return record
        return self._wrap(self._unwrap(record, context), context) + record[_SEALED_AT:]

    def is_current(self, record: bytes) -> bool:
        """Return whether the first master key wraps this record."""
        return record[:_WRAPPED_AT] == VERSION + master_id(self.masters[0])

    def _wrap(self, data_key: bytes, context: str) -> bytes:
        master = self.masters[0]
        head = VERSION + master_id(master)
        nonce = secrets.token_bytes(NONCE_BYTES)
        return head + nonce + AESGCM(master).encrypt(nonce, data_key, head + context.encode())

    def _unwrap(self, record: bytes, context: str) -> bytes:
        if len(record) < _BYTES_MIN or not record.startswith(VERSION):
            raise _damaged(context)
        head, wrapped = record[:_WRAPPED_AT], record[_WRAPPED_AT:_SEALED_AT]
        wanted = head.removeprefix(VERSION)
        master = next((key for key in self.masters if master_id(key) == wanted), None)
        if master is None:
            raise SettingInvalid(
                f"The stored key of {context!r} was sealed with master key {wanted.hex()}, which "
                "is not at hand. Add that key to KINETOSCOPE_SECRETS_KEY, behind a comma, or start "
                "with the deployment's own signing key, or store the key of "
                f"{context!r} anew: kinetoscope providers set-key {context}"
            )
        nonce = wrapped[:NONCE_BYTES]
        try:
            return AESGCM(master).decrypt(nonce, wrapped[NONCE_BYTES:], head + context.encode())
        except InvalidTag:
            raise _damaged(context) from None


def envelope_from(masters: Sequence[bytes], signing_key: bytes) -> Envelope:
    """Return an envelope under the operator's master keys, or else one of the signing key's own.

    The latter always opens, so that records from before there were any of the operator's do.
    """
    derived = derive(signing_key, b"kinetoscope provider keys 1")
    return Envelope((*masters, derived))


def master_id(master: bytes) -> bytes:
    """Return what a record calls its master key; it tells nothing about the key."""
    return hashlib.sha256(master).digest()[:ID_BYTES]


def fingerprint(signing_key: bytes) -> str:
    """Return a name for a signing key, which tells nothing about it."""
    return derive(signing_key, b"kinetoscope deployment 1")[:16].hex()


def derive(signing_key: bytes, purpose: bytes) -> bytes:
    """Derive a key for one purpose; neither key tells anything about the other."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(signing_key)


def _damaged(context: str) -> SettingInvalid:
    return SettingInvalid(
        f"The stored key of {context!r} is damaged or was made for another provider. Store it "
        f"anew: kinetoscope providers set-key {context}"
    )
