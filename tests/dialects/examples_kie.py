"""A good request to each route of kie.ai's dialect."""

import base64
from io import BytesIO

from PIL import Image
from tests.dialects.examples import Example, Make, Things


def _picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (320, 320), (200, 90, 30)).save(file, "PNG")
    return file.getvalue()


PICTURE = _picture()


def _by_stream(_things: Things) -> Example:
    files = {"file": ("fox.png", PICTURE, "image/png")}
    return Example(form={"uploadPath": "images"}, files=files)


def _by_base64(_things: Things) -> Example:
    packed = base64.b64encode(PICTURE).decode()
    return Example(json={"base64Data": packed, "uploadPath": "images"})


def _by_url(things: Things) -> Example:
    return Example(json={"fileUrl": things.upload_url, "uploadPath": "images"})


EXAMPLES: dict[tuple[str, str], Make] = {
    ("POST", "/kie/api/v1/jobs/createTask"): lambda _things: Example(
        json={"model": "bytedance/seedance-2", "input": {"prompt": "a sunset"}}
    ),
    ("GET", "/kie/api/v1/jobs/recordInfo"): lambda things: Example(
        query={"taskId": things.ended}, names_something=True
    ),
    ("GET", "/kie/api/v1/chat/credit"): lambda _things: Example(),
    ("POST", "/kie/api/v1/common/download-url"): lambda things: Example(
        json={"url": things.upload_url}, names_something=True
    ),
    ("POST", "/kie/api/file-url-upload"): _by_url,
    ("POST", "/kie/api/v1/file-url-upload"): _by_url,
    ("POST", "/kie/api/file-stream-upload"): _by_stream,
    ("POST", "/kie/api/v1/file-stream-upload"): _by_stream,
    ("POST", "/kie/api/file-base64-upload"): _by_base64,
    ("POST", "/kie/api/v1/file-base64-upload"): _by_base64,
}
