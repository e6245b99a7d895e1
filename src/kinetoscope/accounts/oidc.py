"""OpenID Connect, as far as it is pure: where to send a browser, and what an ID token proves.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, with PKCE (RFC 7636).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON

ALGORITHMS = ("RS256", "PS256", "ES256")
"""Signatures that only the issuer can make: no shared secrets, and never none."""

LEEWAY_S = 30
"""How far the issuer's clock may be from ours."""

TOKEN_LENGTH_MAX = 64 * 1024
SUBJECT_LENGTH_MAX = 255


class NotProven(KinetoscopeError):
    """What came back from the issuer does not prove who somebody is. Its text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where the issuer does what, as its discovery document says."""

    issuer: str
    authorization_url: str
    token_url: str
    keys_url: str
    userinfo_url: str
    takes_basic: bool
    """Whether our secret travels in a header; else in the body."""
    names_itself: bool
    """Whether its answers say whose they are (RFC 9207)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What ties an answer of the issuer to the browser that was sent there."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Who somebody is at the issuer. `email` is empty unless the issuer has verified it."""

    issuer: str
    subject: str
    email: str
    name: str


def begin() -> Begun:
    """Draw what one attempt needs; nobody can guess any of it."""
    return Begun(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
    )


def read_metadata(document: Mapping[str, JSON], issuer: str) -> Metadata:
    """Read the discovery document of an issuer; raises NotProven."""
    named = document.get("issuer")
    # A setting has no slash at its end; an issuer's own name may have one.
    if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
        raise NotProven("The issuer's own description is of another issuer")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        issuer=named,
        authorization_url=_address(document, "authorization_endpoint", named),
        token_url=_address(document, "token_endpoint", named),
        keys_url=_address(document, "jwks_uri", named),
        userinfo_url=(
            _address(document, "userinfo_endpoint", named)
            if "userinfo_endpoint" in document
            else ""
        ),
        takes_basic=isinstance(methods, list) and "client_secret_basic" in methods,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def authorization_url(metadata: Metadata, client_id: str, redirect_url: str, begun: Begun) -> str:
    """Return where to send the browser."""
    query = urlencode(
        {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_url,
            "scope": "openid email profile",
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": create_s256_code_challenge(begun.verifier),
            "code_challenge_method": "S256",
        }
    )
    return f"{metadata.authorization_url}{'&' if '?' in metadata.authorization_url else '?'}{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an ID token must say."""

    issuer: str
    client_id: str
    nonce: str
    now: datetime


def read_id_token(token: str, keys: Mapping[str, JSON], expected: Expected) -> Proven:
    """Return who an ID token is about, once everything about it is right; raises NotProven."""
    registry = JWTClaimsRegistry(
        now=int(expected.now.timestamp()),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": expected.nonce},
    )
    try:
        if len(token) > TOKEN_LENGTH_MAX:
            raise NotProven("The issuer's proof is too long to be one")
        key_set = KeySet.import_key_set(_public_keys(keys))
        claims = jwt.decode(token, key_set, algorithms=ALGORITHMS).claims
        registry.validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise NotProven("The issuer's proof of who you are is not right") from error
    _require_for_us(claims, expected)
    return proven(claims, expected.issuer)


def proven(claims: Mapping[str, Any], issuer: str) -> Proven:
    """Read what verified claims say of somebody; raises NotProven."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_LENGTH_MAX:
        raise NotProven("The issuer does not say who you are")
    if not subject.isprintable():
        raise NotProven("The issuer calls you something that cannot be written down")
    email, name = claims.get("email"), claims.get("name")
    stated = claims.get("email_verified")
    is_verified = stated is True or stated == "true"  # some issuers write it as text
    return Proven(
        issuer=issuer,
        subject=subject,
        email=email if isinstance(email, str) and is_verified else "",
        name=name if isinstance(name, str) else "",
    )


def _require_for_us(claims: Mapping[str, Any], expected: Expected) -> None:
    """Refuse a token that was made for another client of the same issuer; raises NotProven."""
    audience, party = claims["aud"], claims.get("azp")
    is_shared = isinstance(audience, list) and len(audience) > 1
    if (is_shared or party is not None) and party != expected.client_id:
        raise NotProven("The issuer's proof of who you are was made for somebody else")


def _public_keys(keys: Mapping[str, JSON]) -> Any:  # noqa: ANN401 - joserfc's own shape
    """Keep the keys that our algorithms use: a set may hold others, and of kinds yet unknown."""
    found = keys.get("keys")
    if not isinstance(found, list):
        raise NotProven("The issuer does not say by which keys it signs")
    return {
        "keys": [
            each
            for each in found
            if isinstance(each, dict)
            and each.get("kty") in {"RSA", "EC"}
            and each.get("use", "sig") == "sig"
        ]
    }


def _address(document: Mapping[str, JSON], name: str, issuer: str) -> str:
    url = document.get(name)
    parts = urlsplit(url) if isinstance(url, str) else None
    schemes = {"https"} if issuer.startswith("https://") else {"http", "https"}
    if parts is None or parts.scheme not in schemes or not parts.netloc:
        raise NotProven(f"The issuer's own description lacks a good {name}")
    return str(url)
