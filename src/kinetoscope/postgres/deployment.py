"""Whose database this is: every process of a deployment has the signing key of the first."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.secrets import equal
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True)
class _Written:
    fingerprint: str


async def claim(database: Database, fingerprint: str, now: datetime) -> None:
    """Write a signing key's fingerprint down on the first start; raises SettingInvalid later on.

    A process with another key would hand out addresses that the others refuse, and could open
    none of the secrets that are stored.
    """
    await database.execute(
        """
        insert into deployment (fingerprint, created_at) values (%(fingerprint)s, %(now)s)
        on conflict do nothing
        """,
        {"fingerprint": fingerprint, "now": now},
    )
    written = await database.fetch_one(_Written, "select fingerprint from deployment", {})
    if written is not None and not equal(written.fingerprint.encode(), fingerprint.encode()):
        raise SettingInvalid(
            f"KINETOSCOPE_SIGNING_KEY: this database belongs to the signing key "
            f"{written.fingerprint}, and here is {fingerprint}. Give every machine the first one's "
            "key: set KINETOSCOPE_SIGNING_KEY to `base64 < signing-key`, a file in its data folder"
        )


@dataclass(frozen=True, slots=True)
class _Told:
    public_url: str | None


async def tell_public_url(database: Database, public_url: str) -> None:
    """Write down where clients reach the API, for workers elsewhere."""
    await database.execute(
        "update deployment set public_url = %(url)s where public_url is distinct from %(url)s",
        {"url": public_url},
    )


async def require_public_url(database: Database, public_url: str) -> None:
    """See that this worker hands out the addresses that the API answers; raises SettingInvalid.

    It would send clients addresses that lead nowhere, and take our own uploads for a stranger's.
    """
    told = await database.fetch_one(_Told, "select public_url from deployment", {})
    if told is not None and told.public_url not in {None, public_url}:
        raise SettingInvalid(
            f"KINETOSCOPE_PUBLIC_URL: the API is at {told.public_url}, and here it is {public_url}."
            " Set it to the same on every machine"
        )
