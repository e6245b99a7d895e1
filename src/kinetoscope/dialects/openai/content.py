"""What a video is made of: its bytes, or a small picture of it.

https://platform.openai.com/docs/api-reference/videos/content
"""

from functools import partial

from starlette.responses import Response

from kinetoscope.api.body import invalid, issue
from kinetoscope.api.media import sent
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.openai.asking import Parts
from kinetoscope.dialects.openai.videos import own_video
from kinetoscope.kernel.errors import NotFound, StoreUnavailable, Unsupported
from kinetoscope.media.inspect import InspectionFailed, MediaRefused
from kinetoscope.media.store import StoreFailed
from kinetoscope.media.thumbnail import thumbnail
from kinetoscope.media.uploads import UNAVAILABLE
from kinetoscope.tasks.task import Status

CACHE = "private, no-cache"
"""It is the key that permits it, so it is asked for each time; the ETag saves the bytes."""


def mount(speech: Speech, parts: Parts) -> None:
    """Add the route."""
    path = "/videos/{video_id}/content"
    speech.route("GET", path, "tasks:read", partial(content, parts), "Download a video")


async def content(parts: Parts, client: Client) -> Response:
    """Send a video's file, or a part of it by Range, or its `thumbnail`, a JPEG."""
    variant = client.request.query_params.get("variant", "video")
    if variant not in {"video", "thumbnail", "spritesheet"}:
        message = "Expected video, thumbnail or spritesheet"
        raise invalid(issue("invalid_value", message, "variant"))
    record = (await own_video(parts, client)).record
    if variant == "spritesheet":
        raise Unsupported("There are no spritesheets here: ask for the video or its thumbnail")
    if record.status is not Status.SUCCESS:
        raise invalid(issue("invalid_value", "The video is not completed", "video_id"))
    if record.is_expired:
        raise NotFound("The video's file has expired")
    name = record.output[0].name
    if variant == "thumbnail":
        return Response(await _thumbnail(parts, name), media_type="image/jpeg")
    return await sent(parts.runtime, client.request, name, cache=CACHE)


async def _thumbnail(parts: Parts, name: str) -> bytes:
    runtime = parts.runtime
    try:
        jpeg = await thumbnail(runtime.store, runtime.settings.work_dir / "thumbnails", name)
    except (InspectionFailed, StoreFailed):
        raise StoreUnavailable(UNAVAILABLE) from None
    except MediaRefused:
        jpeg = None
    if jpeg is None:
        raise NotFound("There is no thumbnail of this video")
    return jpeg
