"""Which URLs are worth asking for, decided on the text alone, so that no two parsers can differ."""

import re
from contextlib import suppress
from ipaddress import IPv6Address

from yarl import URL

from kinetoscope.kernel.addresses import read_address

URL_CHARACTERS_MAX = 8192

_PREFIX = re.compile(r"(?i:https?)://[^/?#]")
# Only what RFC 3986 lets stand as it is; such a URL is sent byte for byte, so that signed ones
# stay valid.
_EXACT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_AUTHORITY_END = re.compile(r"[/?#]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# WHATWG "ends in a number": systems read such a name as an IPv4 address in octal, hex or short.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST_CHARACTERS_MAX = 253


def read_url(text: str, *, https_only: bool) -> URL:
    """Read an http or https URL; raise ValueError, in words safe to show, for one to refuse.

    The host is a plain name or a canonical IP literal; its address and port are not judged here.
    Rules: https://url.spec.whatwg.org/#host-parsing and RFC 3986.
    """
    _check_text(text)
    authority = _AUTHORITY_END.split(text.partition("//")[2], maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("A URL must not carry a user name or password")
    url = _parsed(text)
    if url is None or url.raw_host is None:
        raise ValueError("The URL cannot be read")
    if https_only and url.scheme.lower() != "https":
        raise ValueError("Only https URLs are accepted")
    _check_host(url.raw_host.lower(), authority.lower())
    return url


def _parsed(text: str) -> URL | None:
    with suppress(ValueError):
        url = URL(text, encoded=_EXACT.fullmatch(text) is not None)
        # The decoded host and the port are worked out only here, and may turn out to be nonsense.
        if url.host and url.port:
            return url
    return None


def _check_text(text: str) -> None:
    if len(text) > URL_CHARACTERS_MAX:
        raise ValueError(f"The URL is longer than {URL_CHARACTERS_MAX} characters")
    if "\\" in text or any(
        not character.isprintable() or character.isspace() for character in text
    ):
        raise ValueError("The URL holds characters that do not belong in one")
    if _PREFIX.match(text) is None:
        raise ValueError("Only http and https URLs are accepted")


def _check_host(host: str, authority: str) -> None:
    address = read_address(host)
    if authority.startswith("["):
        if "%" in host or not isinstance(address, IPv6Address):
            raise ValueError("The URL's IPv6 address cannot be read")
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > _HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("The URL's host is not a valid name")
    # Fullwidth and other digits turn into plain ones on the way; a plainly typed address stays.
    plain = authority.startswith(host) if address else not _NUMBER.fullmatch(labels[-1])
    if not plain:
        raise ValueError("The URL's address is written in a roundabout way")
