"""Images: made from text or from other images, and answered when they are there.

https://platform.openai.com/docs/api-reference/images
"""

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from kinetoscope.api.body import invalid, issue
from kinetoscope.catalog.model import Model
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.inputs import refused
from kinetoscope.dialects.openai.asking import (
    Asked,
    Parts,
    asked,
    media_of,
    model_of,
    refuse_other_files,
    text_of,
)
from kinetoscope.dialects.openai.making import (
    Order,
    inputs_of,
    make,
    without_harmless,
)
from kinetoscope.dialects.openai.shapes import size_text, unix_s
from kinetoscope.dialects.openai.waiting import ended
from kinetoscope.kernel.errors import NotFound, Unsupported
from kinetoscope.kernel.order import MediaKind, Size
from kinetoscope.media.store import MediaStore, media_type_of
from kinetoscope.media.uploads import look_up
from kinetoscope.tasks.task import StoredOutput
from kinetoscope.tasks.whole import Whole

IMAGES = ("image", "images")

UNSUPPORTED = ("mask", "markup", "svg", "frame_count", "frame_duration_ms")
"""What OpenAI would do with an image, and no model here can be told."""

HARMLESS: Mapping[str, frozenset[object]] = {
    "background": frozenset({"auto", "opaque"}),
    "complexity": frozenset(),
    "effort": frozenset({"auto"}),
    "input_fidelity": frozenset({"low"}),
    "output_compression": frozenset({100, "100"}),
    "quality": frozenset({"auto", "standard"}),
    "reasoning": frozenset(),
    "style": frozenset(),
}
"""What asks for nothing in particular. Anything else is for the model to take, or is refused."""

NOT_INPUTS = frozenset({*IMAGES, "partial_images", "response_format", "stream", "output_format"})


def mount(speech: Speech, parts: Parts) -> None:
    """Add the routes."""
    # The answer tells of the task, so whoever may not read one may not ask for it.
    both = ("tasks:read", "tasks:write")
    generating, editing = partial(generate, parts, edit=False), partial(generate, parts, edit=True)
    speech.route("POST", "/images/generations", both, generating, "Make images of text")
    speech.route("POST", "/images/edits", both, editing, "Make images of images")


async def generate(parts: Parts, client: Client, *, edit: bool) -> Response:
    """Make images, and answer with them: as base64, with an address beside, or as addresses alone.

    Further inputs of ours may stand beside OpenAI's, `callBackUrl` among them.
    """
    async with asked(parts, client) as request:
        _refuse_unsupported(request)
        refuse_other_files(request, IMAGES if edit else ())
        model = model_of(parts, text_of(request, "model"), MediaKind.IMAGE)
        as_addresses = _as_addresses(request)
        media = await media_of(parts, client, request, IMAGES)
        if edit and not media:
            raise invalid(issue("invalid_type", "Expected an image to edit", "image"))
        values = without_harmless(model, request.values, HARMLESS)
        given = {name: value for name, value in values.items() if name not in NOT_INPUTS}
        inputs = inputs_of(model, request, given | _format(model, request), media)
        order = Order(model=model, inputs=inputs)
        task_id = await make(parts, client, request, order)
    found = await ended(parts, client, task_id)
    if isinstance(found, Response):
        return found
    return await _answer(parts, found, as_addresses=as_addresses)


def _refuse_unsupported(request: Asked) -> None:
    values = request.values
    for name in UNSUPPORTED:
        if name in request.files or name in values:
            raise Unsupported(f"{name} is not supported here; see /docs/migrating")
    stream, partial_images = values.get("stream", False), values.get("partial_images", 0)
    # Lists and objects may stand here, which no set can be asked for.
    if stream not in (False, "false", True, "true"):
        raise refused("stream", "Expected true or false")
    if not isinstance(partial_images, int | str):
        raise refused("partial_images", "Expected a number")
    if stream in (True, "true") or partial_images not in (0, "0"):
        raise Unsupported("Images are not streamed here: leave stream and partial_images out")


def _as_addresses(request: Asked) -> bool:
    stated = request.values.get("response_format", "b64_json")
    if stated not in ("b64_json", "url"):
        raise invalid(issue("invalid_value", "Expected b64_json or url", "response_format"))
    return bool(stated == "url")


def _format(model: Model, request: Asked) -> dict[str, object]:
    """Return the input that makes files of a format; raises InvalidInputs if none does."""
    stated = request.values.get("output_format")
    if stated is None:
        return {}
    if model.format_name:
        return {model.format_name: stated}
    if stated != model.file_format:
        raise refused("output_format", f"{model.id} makes {model.file_format} only")
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One image of an answer: where it is stored, how long it is, and what is told besides."""

    name: str
    bytes_size: int
    told: bytes

    @property
    def characters(self) -> int:
        """How long it is as base64."""
        return (self.bytes_size + 2) // 3 * 4


async def _answer(parts: Parts, found: Whole, *, as_addresses: bool) -> Response:
    record, runtime = found.record, parts.runtime
    if record.is_expired:
        raise NotFound("The images of this request have expired")
    head = _head(found, record.output)
    urls = [runtime.signer.url(each.name, record.addresses_expire_at) for each in record.output]
    headers = {"x-request-id": str(record.id)}
    if as_addresses:
        body = {**head, "data": [{"url": url} for url in urls]}
        return Response(orjson.dumps(body), headers=headers, media_type="application/json")
    items = [
        Item(
            name=output.name,
            bytes_size=(await look_up(runtime.store, output.name)).bytes_size,
            told=orjson.dumps({"url": url}),
        )
        for output, url in zip(record.output, urls, strict=True)
    ]
    return _streamed(runtime.store, head, items, headers)


def _head(found: Whole, output: tuple[StoredOutput, ...]) -> dict[str, Any]:
    first, record = output[0], found.record
    head: dict[str, Any] = {
        "created": unix_s(record.completed_at),
        "id": record.id,
        "size": size_text(Size(width=first.width, height=first.height)),
        "output_format": media_type_of(first.name).removeprefix("image/"),
    }
    for name in ("quality", "background"):
        value = found.inputs.get(name)
        if isinstance(value, str) and value != "auto":
            head[name] = value
    return head


def _streamed(
    store: MediaStore, head: dict[str, Any], items: list[Item], headers: dict[str, str]
) -> Response:
    """Write the answer as it is read from the store: no image is ever held as a whole."""
    opening = orjson.dumps(head)[:-1] + b',"data":['
    length = len(opening) + len(b"]}")
    for number, item in enumerate(items):
        length += len(_before(number, item)) + item.characters + len(b'"}')
    return StreamingResponse(
        _written(store, opening, items),
        headers={**headers, "Content-Length": str(length)},
        media_type="application/json",
    )


def _before(number: int, item: Item) -> bytes:
    return (b"," if number else b"") + item.told[:-1] + b',"b64_json":"'


async def _written(store: MediaStore, opening: bytes, items: list[Item]) -> AsyncIterator[bytes]:
    yield opening
    for number, item in enumerate(items):
        yield _before(number, item)
        left = b""
        async for chunk in store.read(item.name, 0, item.bytes_size):
            left += chunk
            whole = len(left) // 3 * 3
            yield base64.b64encode(left[:whole])
            left = left[whole:]
        yield base64.b64encode(left) + b'"}'
    yield b"]}"
