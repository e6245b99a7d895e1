"""What is left of an account's credits, and addresses to download by, as kie.ai has them.

https://docs.kie.ai/common-api/get-account-credits, https://docs.kie.ai/common-api/download-url
"""

from datetime import timedelta
from urllib.parse import urlsplit

from starlette.responses import Response

from kinetoscope.accounts import accounts
from kinetoscope.api.account import SCOPE
from kinetoscope.api.body import invalid, issue, read_object
from kinetoscope.api.envelope import credits_json
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.kie.codes import said
from kinetoscope.kernel.errors import Forbidden, NotFound
from kinetoscope.media import files
from kinetoscope.media.files import MediaFile
from kinetoscope.media.signing import MEDIA_NAME
from kinetoscope.tasks import read, whole
from kinetoscope.wiring import Runtime

DOWNLOAD_LIFETIME = timedelta(minutes=20)
GONE = "There is no such file of yours, or it is gone"


def mount(speech: Speech) -> None:
    """Add both."""
    runtime = speech.doors.runtime

    async def credit(client: Client) -> Response:
        """Show what can be spent: `data` is a number, with up to two decimals."""
        found = await accounts.by_id(runtime.database, client.caller.account_id)
        return said(credits_json(found.available))

    async def download_url(client: Client) -> Response:
        """Return an address for a file that is good for 20 minutes; only for files of one's own.

        An address that has expired will do, as long as the file is there.
        """
        stated = await read_object(client.request)
        name = own_name(stated.get("url"), runtime.signer.base_url)
        file = await _require_own(runtime, client, name)
        until = runtime.clock() + DOWNLOAD_LIFETIME
        return said(runtime.signer.url(name, min(until, file.expires_at or until)))

    speech.route("GET", "/chat/credit", SCOPE, credit, "Show what can be spent")
    speech.route("POST", "/common/download-url", read.SCOPE, download_url, "Address a file anew")


def own_name(url: object, base_url: str) -> str:
    """Return the name of the file that an address of ours is for; raises InvalidRequest."""
    if isinstance(url, str) and url.startswith(f"{base_url}/media/"):
        name = urlsplit(url).path.rpartition("/")[2]
        if MEDIA_NAME.fullmatch(name):
            return name
    raise invalid(issue("invalid_value", "Expected the address of a file made here", "url"))


async def _require_own(runtime: Runtime, client: Client, name: str) -> MediaFile:
    """Return a file that is an account's own or a sample's; raises NotFound."""
    now, account_id = runtime.clock(), client.caller.account_id
    file = await files.find(runtime.database, name)
    if file is None or file.sha256 is None or not file.is_there(now):
        raise NotFound(GONE)
    if file.account_id == account_id:
        return file
    try:
        await whole.own(runtime.database, account_id, file.task_id or "", now)
    except (Forbidden, NotFound):
        raise NotFound(GONE) from None
    return file
