"""Files that clients bring in a form: kept as uploads, like those of the native contract."""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from starlette.datastructures import UploadFile

from kinetoscope.api.intake import Intake, scratch
from kinetoscope.api.uploads import brought
from kinetoscope.kernel.ids import AccountId
from kinetoscope.media import own_uploads
from kinetoscope.media.files import MediaFile
from kinetoscope.media.signing import Signer, kept_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An upload of a client's, and an address for it that may stand in inputs."""

    file: MediaFile
    url: str


async def keep(intake: Intake, account_id: AccountId, sent: UploadFile, field: str) -> Kept:
    """Keep a file as an upload; `field` is what it came by.

    Raises InvalidRequest for what is no media that may be uploaded, BodyTooLarge, TooManyUploads.
    """
    runtime = intake.runtime
    with scratch(intake.folder) as path:
        await sent.seek(0)
        await asyncio.to_thread(_copy, sent, path)
        told = await brought(intake, account_id, path, None, field)
    url = str(told["url"])
    name = url.partition("?")[0].rpartition("/")[2]
    file = await own_uploads.find(runtime.database, account_id, name, runtime.clock())
    return Kept(file=file, url=url)


def _copy(sent: UploadFile, path: Path) -> None:
    with path.open("wb") as copy:
        shutil.copyfileobj(sent.file, copy)


def address(signer: Signer, file: MediaFile, now: datetime) -> str:
    """Return an upload's address, good for as long as the upload is there."""
    return signer.url(file.name, file.expires_at or kept_until(now))
