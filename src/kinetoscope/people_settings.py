"""The settings that are about people: who may sign up, how they sign in, how they pay."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from kinetoscope.accounts.people import read_email
from kinetoscope.kernel import setting_values as values
from kinetoscope.kernel.credits import Credits, parse_credits
from kinetoscope.kernel.currency import read_price
from kinetoscope.kernel.errors import InvalidRequest, SettingInvalid

Value = TypeVar("Value")

SIGN_UP = ("open", "invited")

PACK = re.compile(r"([0-9]+(?:\.[0-9]{1,2})?)=([0-9.]+)")

PACKS_DEFAULT = "1000=5.00, 5000=24.00, 20000=90.00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """So many credits for so much money, in the currency's smallest unit as Stripe counts it."""

    credits: Credits
    price_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSettings:
    """What an operator decides about people. Each field is the variable of the same name."""

    sign_up: str
    """`open`: everybody may sign up; `invited`: whom a member or the operator invites."""
    sign_up_grant: Credits
    """Credits of a new account whose owner signed up."""
    sign_ups_per_hour: int
    """How many may sign up from one network in an hour."""
    operator_email: str
    """Address of the first operator, whom the first start's link signs in."""
    passkeys: bool
    """Whether people may sign in with passkeys (1)."""
    oidc_issuer: str
    """Address of an OpenID Connect issuer to sign in with; empty for none."""
    oidc_name: str
    """What its button says."""
    oidc_client_id: str
    """Our name at the issuer."""
    oidc_client_secret: str = field(repr=False)
    """Our secret at the issuer."""
    stripe_key: str = field(repr=False)
    """Stripe's secret key; empty: credits are granted by the operator alone."""
    stripe_webhook_secret: str = field(repr=False)
    """What Stripe signs its events with."""
    stripe_url: str
    """Where Stripe's API is; the key goes there and nowhere else."""
    currency: str
    """What packs are paid in, as Stripe names it: `usd`."""
    credit_packs: tuple[Pack, ...]
    """What can be bought, comma-separated: `1000=5.00` is a thousand credits for 5."""


class Reader(Protocol):
    """Reads one setting by its field's name."""

    def __call__(self, name: str, parse: Callable[[str], Value], default: Value) -> Value:
        """Return what is set, or the default; raises SettingInvalid naming the variable."""


def read_people(read: Reader, *, is_local: bool) -> dict[str, Any]:
    """Read the fields of PeopleSettings; strangers are let in only where none can come."""
    currency = read("currency", _currency, "usd")
    none: tuple[Pack, ...] = ()
    packs = read("credit_packs", lambda text: read_packs(text, currency), none)
    return {
        "sign_up": read("sign_up", _sign_up, "open" if is_local else "invited"),
        "sign_up_grant": read("sign_up_grant", values.grant, Credits(50_000 if is_local else 0)),
        "sign_ups_per_hour": read("sign_ups_per_hour", values.positive, 10),
        "operator_email": read("operator_email", _email, "operator@localhost"),
        "passkeys": read("passkeys", values.flag, False),
        "oidc_issuer": read("oidc_issuer", values.url, ""),
        "oidc_name": read("oidc_name", str, "single sign-on"),
        "oidc_client_id": read("oidc_client_id", str, ""),
        "oidc_client_secret": read("oidc_client_secret", values.credential, ""),
        "stripe_key": read("stripe_key", values.credential, ""),
        "stripe_webhook_secret": read("stripe_webhook_secret", values.credential, ""),
        "stripe_url": read("stripe_url", values.url, "https://api.stripe.com"),
        "currency": currency,
        "credit_packs": packs or _usual_packs(currency),
    }


def require_usable(settings: PeopleSettings, public_url: str) -> None:
    """Refuse ways to sign in that could not work at this address; raises SettingInvalid."""
    if settings.passkeys and not _takes_passkeys(public_url):
        raise SettingInvalid(
            "KINETOSCOPE_PASSKEYS: browsers bind passkeys to a name and to TLS;"
            " KINETOSCOPE_PUBLIC_URL must be https with a host name, or http://localhost"
        )
    if settings.oidc_issuer and not settings.oidc_client_id:
        raise SettingInvalid("KINETOSCOPE_OIDC_CLIENT_ID: KINETOSCOPE_OIDC_ISSUER needs it as well")


def _takes_passkeys(public_url: str) -> bool:
    """Whether browsers do: https://www.w3.org/TR/webauthn-3/#rp-id."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    is_name = ":" not in host and not re.fullmatch(r"[0-9.]+", host)
    return is_name and (parts.scheme == "https" or host == "localhost")


def read_packs(text: str, currency: str) -> tuple[Pack, ...]:
    """Read `1000=5.00, 5000=24`; raises ValueError."""
    packs = []
    for part in text.split(","):
        match = PACK.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is no pack such as 1000=5")
        pack = Pack(credits=parse_credits(match[1]), price_minor=read_price(match[2], currency))
        if not pack.credits or not pack.price_minor:
            raise ValueError(f"{part.strip()!r} has nothing on one side")
        packs.append(pack)
    return tuple(packs)


def _usual_packs(currency: str) -> tuple[Pack, ...]:
    """Return what is sold where nobody says so; five yen would be no price for it."""
    try:
        return read_packs(PACKS_DEFAULT, currency)
    except ValueError:
        raise SettingInvalid(
            f"KINETOSCOPE_CREDIT_PACKS: say what is sold for {currency}, such as 1000=500"
        ) from None


def _sign_up(text: str) -> str:
    if text not in SIGN_UP:
        raise ValueError(f"{text!r} is neither open nor invited")
    return text


def _email(text: str) -> str:
    try:
        return read_email(text)
    except InvalidRequest as error:
        raise ValueError(str(error)) from None


def _currency(text: str) -> str:
    if not re.fullmatch(r"[a-z]{3}", text):
        raise ValueError(f"{text!r} is no currency such as usd")
    return text
