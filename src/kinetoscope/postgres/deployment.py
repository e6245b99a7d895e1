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
