"""Sealing: secrets that we must be able to use again are encrypted where they are stored.

AES-256-GCM under a key derived from the deployment's signing key, so that a copy of the database
alone gives none of them away. https://cryptography.io/en/latest/hazmat/primitives/aead/
"""

import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kinetoscope.kernel.errors import SettingInvalid

NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals texts and opens them again. `context` says whose a text is: it opens nowhere else."""

    key: bytes

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt a text; the nonce stands in front."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, text.encode(), context.encode())

    def unseal(self, sealed: bytes, context: str) -> str:
        """Decrypt what `seal` made; raises SettingInvalid where it was sealed with another key."""
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return AESGCM(self.key).decrypt(nonce, rest, context.encode()).decode()
        except InvalidTag:
            raise SettingInvalid("A stored secret was sealed with another signing-key") from None


def sealer_from(signing_key: bytes) -> Sealer:
    """Derive the sealing key; neither key tells anything about the other."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kinetoscope sealing 1")
    return Sealer(derived.derive(signing_key))
