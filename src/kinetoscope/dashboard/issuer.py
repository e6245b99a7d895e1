"""Talking to the OpenID Connect issuer that the operator has named: the only one there is."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote_plus, urlencode

from kinetoscope.accounts import oidc
from kinetoscope.accounts.oidc import Expected, Metadata, NotProven, Proven
from kinetoscope.kernel.calling import Answer, Call, Caller
from kinetoscope.kernel.order import JSON
from kinetoscope.people_settings import PeopleSettings

TIMEOUT_S = 10.0
DOCUMENT = "/.well-known/openid-configuration"
FORM = "application/x-www-form-urlencoded"


async def metadata(settings: PeopleSettings) -> Metadata:
    """Ask the issuer how it is reached; raises CallFailed, Malformed or NotProven."""
    async with _caller() as caller:
        return await _metadata(caller, settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a browser brings back from the issuer, and what it was sent there with."""

    code: str
    issuer: str
    """Whose answer it says it is, if it does."""
    redirect_url: str
    verifier: str
    nonce: str


async def prove(settings: PeopleSettings, returned: Returned, now: datetime) -> Proven:
    """Turn a code into who somebody is; raises CallFailed, Malformed or NotProven."""
    async with _caller() as caller:
        there = await _metadata(caller, settings)
        # https://www.rfc-editor.org/rfc/rfc9207#section-2.4
        if returned.issuer != there.issuer and (returned.issuer or there.names_itself):
            raise NotProven("Another issuer answered than the one that was asked")
        tokens = await _tokens(caller, settings, there, returned)
        keys = await _asked(caller, Call(method="GET", url=there.keys_url, timeout_s=TIMEOUT_S))
        expected = Expected(
            issuer=there.issuer,
            client_id=settings.oidc_client_id,
            nonce=returned.nonce,
            now=now,
        )
        who = oidc.read_id_token(_text(tokens, "id_token"), keys, expected)
        if who.email or not there.userinfo_url or not isinstance(tokens.get("access_token"), str):
            return who
        return await _with_userinfo(caller, there, who, _text(tokens, "access_token"))


@asynccontextmanager
async def _caller() -> AsyncIterator[Caller]:
    # People sign in rarely: connections are not worth keeping.
    caller = Caller()
    try:
        yield caller
    finally:
        await caller.close()


async def _metadata(caller: Caller, settings: PeopleSettings) -> Metadata:
    url = settings.oidc_issuer + DOCUMENT
    document = await _asked(caller, Call(method="GET", url=url, timeout_s=TIMEOUT_S))
    return oidc.read_metadata(document, settings.oidc_issuer)


async def _tokens(
    caller: Caller, settings: PeopleSettings, there: Metadata, returned: Returned
) -> dict[str, JSON]:
    """Exchange the code: https://openid.net/specs/openid-connect-core-1_0.html#TokenEndpoint."""
    fields = {
        "grant_type": "authorization_code",
        "code": returned.code,
        "redirect_uri": returned.redirect_url,
        "code_verifier": returned.verifier,
    }
    headers = {"Content-Type": FORM, "Accept": "application/json"}
    client_id, secret = settings.oidc_client_id, settings.oidc_client_secret
    if secret and there.takes_basic:
        both = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(both.encode()).decode()
    else:
        fields |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
    call = Call(
        method="POST",
        url=there.token_url,
        headers=headers,
        content=urlencode(fields).encode(),
        timeout_s=TIMEOUT_S,
    )
    return await _asked(caller, call)


async def _with_userinfo(caller: Caller, there: Metadata, who: Proven, token: str) -> Proven:
    """Add the e-mail address where the ID token has none; what it says must be of the same one."""
    call = Call(
        method="GET",
        url=there.userinfo_url,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        timeout_s=TIMEOUT_S,
    )
    told = oidc.proven(await _asked(caller, call), there.issuer)
    if told.subject != who.subject:
        raise NotProven("The issuer tells of somebody else than its proof does")
    return replace(who, email=told.email, name=who.name or told.name)


async def _asked(caller: Caller, call: Call) -> dict[str, JSON]:
    answer: Answer = await caller.call(call)
    if not answer.is_fine:
        raise NotProven("The issuer did not accept this sign-in")
    return answer.table()


def _text(tokens: dict[str, JSON], name: str) -> str:
    value = tokens.get(name)
    if not isinstance(value, str):
        raise NotProven("The issuer's answer has no proof of who you are")
    return value
