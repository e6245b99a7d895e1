"""Files that fal's clients bring: a place to put one to, or its bytes at once.

JavaScript's client asks for a place and puts the bytes there. Python's asks for a token first, and
sends the bytes with that; it does so at fal's own hosts, unless `fal_client.client.REST_URL` and
`CDN_URL` are set to ours.
"""

import base64
import binascii
from datetime import datetime, timedelta

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.body import invalid, issue, read_object
from kinetoscope.api.intake import Intake, scratch
from kinetoscope.api.uploads import SCOPE, brought, promised, receive
from kinetoscope.dialects.door import Client, Speech, authorization_of
from kinetoscope.dialects.fal.answers import told
from kinetoscope.dialects.fal.asking import require_lifecycle
from kinetoscope.kernel.errors import SettingInvalid, Unauthenticated
from kinetoscope.kernel.sealing import Sealer
from kinetoscope.media.store import ENDINGS
from kinetoscope.media.uploads import BYTES_MAX, media_type_for

TOKEN_LIFETIME = timedelta(minutes=10)
TOKEN_PREFIX = "fal_upload_"  # noqa: S105 - how one is told from a key
CONTEXT = "fal upload token"


async def initiate(intake: Intake, client: Client) -> Response:
    """Make a place for a file: the bytes are put there with the content type that was stated."""
    runtime = intake.runtime
    require_lifecycle(client.request, runtime.settings.upload_lifetime)
    stated = await read_object(client.request)
    content_type, name = stated.get("content_type"), stated.get("file_name")
    if not isinstance(content_type, str) or not isinstance(name, str):
        missing = "file_name" if isinstance(content_type, str) else "content_type"
        raise invalid(issue("invalid_type", "Expected a text", missing))
    plain = content_type.partition(";")[0].strip().lower()
    # The bytes come with this very type; one that no ending stands for would be refused then.
    ending = ENDINGS.get(plain)
    if ending is None or media_type_for(f"upload.{ending}") != plain:
        raise invalid(issue("invalid_value", f"{plain} cannot be uploaded", "content_type"))
    place = await promised(runtime, client.caller.account_id, f"upload.{ending}")
    return told({"upload_url": place["uploadUrl"], "file_url": place["url"]})


async def token(intake: Intake, client: Client) -> Response:
    """Lend a token that permits to upload for a while, and nothing else."""
    runtime = intake.runtime
    until = runtime.clock() + TOKEN_LIFETIME
    body = {
        "token": seal(runtime.sealer, str(authorization_of(client.request)), until),
        "token_type": "Bearer",
        "base_url": f"{runtime.settings.public_url}/fal",
        "expires_at": until.isoformat(),
    }
    return told(body)


async def upload(speech: Speech, intake: Intake, request: Request) -> Response:
    """Take a file in, from whoever has a key or a token made with one."""
    runtime = intake.runtime
    given = request.headers.get("authorization", "").partition(" ")[2].strip()
    authorization = None
    if given.startswith(TOKEN_PREFIX):
        authorization = unseal(runtime.sealer, given, runtime.clock())
    client = await speech.admit(request, SCOPE, authorization=authorization)
    require_lifecycle(request, runtime.settings.upload_lifetime)
    account_id = client.caller.account_id
    async with intake.places.place(account_id):
        with scratch(intake.folder) as path:
            await receive(request, path, max(BYTES_MAX.values()))
            kept = await brought(intake, account_id, path, None, "file")
    return told({"access_url": kept["url"]})


def seal(sealer: Sealer, authorization: str, until: datetime) -> str:
    """Return a token that stands for a key until a time; nobody else can read it."""
    stated = orjson.dumps([authorization, int(until.timestamp())]).decode()
    sealed = sealer.seal(stated, CONTEXT)
    return TOKEN_PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def unseal(sealer: Sealer, text: str, now: datetime) -> str:
    """Return what a token stands for; raises Unauthenticated."""
    bare = text.removeprefix(TOKEN_PREFIX)
    try:
        sealed = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
        authorization, until = orjson.loads(sealer.unseal(sealed, CONTEXT))
    except (binascii.Error, ValueError, SettingInvalid):
        raise Unauthenticated("Invalid token") from None
    if now.timestamp() >= until:
        raise Unauthenticated("The token has expired")
    return str(authorization)
