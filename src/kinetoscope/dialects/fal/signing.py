"""Ed25519 signatures of webhooks, as fal has them, and where receivers find the public key.

A receiver's verifier stays as it is, but for the address of the keys: ours are at
/fal/.well-known/jwks.json. https://docs.fal.ai/model-apis/model-endpoints/webhooks
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE = b"kinetoscope fal webhooks 1"
SEED_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What stands in a signature besides a body: which request it is about, and whose it was."""

    request_id: str
    user_id: str


@lru_cache(maxsize=4)
def private_key(signing_key: bytes) -> Ed25519PrivateKey:
    """Derive the key from the deployment's signing key; neither tells anything of the other."""
    seed = HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=PURPOSE)
    return Ed25519PrivateKey.from_private_bytes(seed.derive(signing_key))


def jwks(signing_key: bytes) -> dict[str, list[dict[str, str]]]:
    """Return the public key as a JSON Web Key Set. https://www.rfc-editor.org/rfc/rfc8037."""
    raw = private_key(signing_key).public_key().public_bytes_raw()
    key = {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": hashlib.sha256(raw).hexdigest()[:16],
        "x": base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    return {"keys": [key]}


def headers(signing_key: bytes, sender: Sender, body: bytes, now: datetime) -> Mapping[str, str]:
    """Return the headers that sign a webhook's body."""
    timestamp = str(int(now.timestamp()))
    parts = (sender.request_id, sender.user_id, timestamp, hashlib.sha256(body).hexdigest())
    signature = private_key(signing_key).sign("\n".join(parts).encode())
    return {
        "X-Fal-Webhook-Request-Id": sender.request_id,
        "X-Fal-Webhook-User-Id": sender.user_id,
        "X-Fal-Webhook-Timestamp": timestamp,
        "X-Fal-Webhook-Signature": signature.hex(),
    }
