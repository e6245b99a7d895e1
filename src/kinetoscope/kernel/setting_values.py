"""What settings may say: one reader per kind of value.

Each returns the value or raises ValueError saying, in a few words, why the text is none. Secrets
are never repeated in what they say.
"""

import base64
import binascii
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from kinetoscope.kernel.credits import Credits, parse_credits
from kinetoscope.kernel.secrets import DEMO_KEY_SHAPE

Network = IPv4Network | IPv6Network

MEDIA_SCHEMES = frozenset({"file", "s3", "gs", "az"})

KEY_BYTES = 32

CREDENTIAL_LENGTH_MAX = 4096


def number(text: str, smallest: int, largest: int) -> int:
    """Read a whole number within bounds."""
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None
    if not smallest <= value <= largest:
        raise ValueError(f"{value} does not lie between {smallest} and {largest}")
    return value


def pairs(text: str) -> dict[str, str]:
    """Read `this=that` pairs with commas between them."""
    found = {}
    for part in text.split(","):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not (name and sign and value):
            raise ValueError(f"{part.strip()!r} is not of the form name=value")
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = value
    return found


def folder(text: str) -> Path:
    """Read the path of a folder; `~` is the home folder."""
    return Path(text).expanduser().absolute()


def port(text: str) -> int:
    """Read a port."""
    return number(text, 1, 65535)


def ports(text: str) -> tuple[int, ...]:
    """Read ports with commas between them."""
    return tuple(port(part.strip()) for part in text.split(","))


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    return number(text, 1, 2**40)


def pace(text: str) -> int:
    """Read requests per second; 0 is no limit."""
    return number(text, 0, 1_000_000)


def burst(text: str) -> int:
    """Read how many requests may come at once."""
    return number(text, 1, 1_000_000)


def days(text: str) -> timedelta:
    """Read a number of days."""
    return timedelta(days=number(text, 1, 36500))


def hours(text: str) -> timedelta:
    """Read a number of hours."""
    return timedelta(hours=number(text, 1, 876000))


def seconds(text: str) -> timedelta:
    """Read a time in seconds."""
    return timedelta(seconds=number(text, 1, 31536000))


def names(text: str) -> tuple[str, ...]:
    """Read words between commas."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def minutes(text: str) -> timedelta:
    """Read a number of minutes."""
    return timedelta(minutes=number(text, 1, 525600))


def demo_key(text: str) -> str:
    """Read the demo key; `off` is none."""
    if text.lower() == "off":
        return ""
    if DEMO_KEY_SHAPE.fullmatch(text) is None:
        raise ValueError("is neither `off` nor kino_demo_readonly_ and 24 hexadecimal digits")
    return text


def flag(text: str) -> bool:
    """Read 0 or 1."""
    if text.lower() not in {"0", "1", "false", "true"}:
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return text.lower() in {"1", "true"}


def url(text: str) -> str:
    """Read an http or https address, without a slash at its end."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("what it says is not an http or https address")  # it may hold a password
    return text.rstrip("/")


def media_url(text: str) -> str:
    """Read where media is stored."""
    scheme, separator, rest = text.partition("://")
    if scheme not in MEDIA_SCHEMES or not separator or not rest:
        raise ValueError("what it says does not begin with file://, s3://, gs:// or az://")
    return text


def grant(text: str) -> Credits:
    """Read an amount of credits."""
    # Looked at before it is multiplied: Decimal's exponents reach further than any arithmetic.
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,2})?", text):
        raise ValueError(f"{text!r} is not an amount such as 10000 or 142.57")
    return parse_credits(text)


def networks(text: str) -> tuple[Network, ...]:
    """Read networks, comma-separated."""
    return tuple(ip_network(part.strip()) for part in text.split(","))


def log_level(text: str) -> str:
    """Read the name of a log level."""
    if text.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError(f"{text!r} is none of debug, info, warning, error")
    return text.upper()


def key_of_32_bytes(text: str) -> bytes:
    """Read a key written as 64 hexadecimal digits or as base64, with or without its padding."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text.rstrip("=") + "=", altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("what it says is not 32 bytes, in hexadecimal or base64")
    return key


def keys_of_32_bytes(text: str) -> tuple[bytes, ...]:
    """Read keys separated by commas."""
    return tuple(key_of_32_bytes(part.strip()) for part in text.split(","))


def credential(text: str) -> str:
    """Read somebody else's key: characters that can stand in a header, on one line."""
    if not (text.isascii() and text.isprintable() and len(text) <= CREDENTIAL_LENGTH_MAX):
        raise ValueError(
            f"what it says is not one line of at most {CREDENTIAL_LENGTH_MAX} ASCII characters"
        )
    return text
