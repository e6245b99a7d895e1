"""Addresses of media that carry their own permission, and lose it at a time."""

import base64
import hmac
import re
from datetime import UTC, datetime, time, timedelta
from urllib.parse import parse_qs, urlsplit

from kinetoscope.kernel.errors import Forbidden

MEDIA_NAME = re.compile(r"[0-9a-z]{20,40}(-[0-9a-z]{1,12}){0,2}\.[0-9a-z]{2,5}")

SIGNATURE_BYTES = 24

UPLOAD = "upload\n"
"""Set before the name in what is signed for putting, so that neither permission is the other."""


KEPT_ADDRESS_LIFETIME = timedelta(days=14)


def kept_until(now: datetime) -> datetime:
    """Return how long an address holds of a file that is kept for good: the same all day long."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return tomorrow + KEPT_ADDRESS_LIFETIME


class Signer:
    """Signs and checks addresses under `base_url` + `/media/`."""

    def __init__(self, key: bytes, base_url: str) -> None:
        self.base_url = base_url
        # Keyed once and copied for each signature, which takes half the time of keying anew.
        self._keyed = hmac.new(key, b"media\n", "sha256")

    def url(self, name: str, expires_at: datetime) -> str:
        """Address a file until a time; the same file and time give the same address."""
        expires = int(expires_at.timestamp())
        signature = self._signature(name, expires)
        return f"{self.base_url}/media/{name}?expires={expires}&signature={signature}"

    def check(self, name: str, expires: str, signature: str, now: datetime) -> datetime:
        """Return when the permission ends; raises Forbidden if it has, or never was one."""
        if not MEDIA_NAME.fullmatch(name) or not re.fullmatch(r"[0-9]{1,12}", expires):
            raise Forbidden("This media address is not valid")
        expected = self._signature(name, int(expires))
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise Forbidden("This media address is not valid")
        expires_at = datetime.fromtimestamp(int(expires), UTC)
        if expires_at <= now:
            raise Forbidden("This media address has expired")
        return expires_at

    def upload_url(self, name: str, expires_at: datetime) -> str:
        """Address the place where a file may be put until a time; it permits no reading."""
        expires = int(expires_at.timestamp())
        signature = self._signature(f"{UPLOAD}{name}", expires)
        return f"{self.base_url}/api/v1/uploads/{name}?expires={expires}&signature={signature}"

    def check_upload(self, name: str, expires: str, signature: str, now: datetime) -> None:
        """Demand that an upload address is one of ours, and still holds; raises Forbidden."""
        if not MEDIA_NAME.fullmatch(name) or not re.fullmatch(r"[0-9]{1,12}", expires):
            raise Forbidden("This upload address is not valid")
        expected = self._signature(f"{UPLOAD}{name}", int(expires))
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise Forbidden("This upload address is not valid")
        if datetime.fromtimestamp(int(expires), UTC) <= now:
            raise Forbidden("This upload address has expired")

    def own_name(self, url: str, now: datetime) -> str | None:
        """Return the name of the file a valid address of ours stands for; None for others."""
        if not url.startswith(f"{self.base_url}/media/"):
            return None
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        name = parts.path.rpartition("/")[2]
        self.check(name, query.get("expires", [""])[0], query.get("signature", [""])[0], now)
        return name

    def _signature(self, name: str, expires: int) -> str:
        signing = self._keyed.copy()
        signing.update(f"{name}\n{expires}".encode())
        return base64.urlsafe_b64encode(signing.digest()[:SIGNATURE_BYTES]).decode()
