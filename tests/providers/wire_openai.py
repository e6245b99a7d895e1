"""The wire shape of OpenAI's images, as its SDK reads it."""

import base64
import json

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import (
    KEY,
    Upstream,
    Verb,
    form_of,
    media_of,
    payload,
    unauthorised,
)

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import Kind
from kinetoscope.providers.openai import OPENAI

TEXTS = frozenset({"model", "prompt", "size", "quality", "output_format", "background"})
NUMBERS = frozenset({"n", "output_compression"})


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        if unauthorised(request, f"Bearer {KEY}"):
            return web.json_response(payload("openai_key.json"), status=401)
        return None

    def made(body: dict[str, object]) -> web.Response:
        for name in sorted(body.keys() - TEXTS - NUMBERS):
            return unknown(name)
        count = int(str(body.get("n", 1)))
        upstream.new_job(body, MediaKind.IMAGE, count=count)
        encoded = base64.b64encode(media_of(MediaKind.IMAGE)[1]).decode()
        shown = payload("openai_image.json")
        shown["data"] = [{"b64_json": encoded}] * count
        shown["usage"]["output_tokens_details"] = {"image_tokens": 1050, "text_tokens": 6}
        return web.json_response(shown)

    async def generations(request: web.Request) -> web.Response:
        return refused(request) or made(await request.json())

    async def edits(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        form = await form_of(request)
        pictures = form.pop("image[]", []) + form.pop("image", [])
        assert pictures
        upstream.uploads |= {f"image-{at}": each for at, each in enumerate(pictures, start=1)}
        texts = {name: values[0].decode() for name, values in form.items()}
        numbers = {name: json.loads(texts[name]) for name in NUMBERS & texts.keys()}
        return made(texts | numbers)

    async def models(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"object": "list", "data": []})

    upstream.route(Verb.SUBMIT, "POST", "/v1/images/generations", generations)
    upstream.route(Verb.SUBMIT, "POST", "/v1/images/edits", edits)
    upstream.route(Verb.CHECK, "GET", "/v1/models", models)


def unknown(name: str) -> web.Response:
    """Turn an input away that no model has."""
    error = {
        "message": f"Unknown parameter: '{name}'.",
        "type": "invalid_request_error",
        "param": name,
        "code": "unknown_parameter",
    }
    return web.json_response({"error": error}, status=400)


CASES = (
    Case(
        name="openai",
        adapter=OPENAI,
        wire=wire,
        path="/v1",
        model="gpt-image-2",
        inputs={"prompt": "A fox in the snow"},
        with_image={"prompt": "Add snow", "imageUrls": ["https://example.com/fox.png"]},
        refusals=(
            Payload(400, "openai_moderated.json", Kind.MODERATION),
            Payload(400, "openai_invalid.json", Kind.PERMANENT),
            Payload(401, "openai_key.json", Kind.ACCOUNT),
            Payload(404, "openai_model.json", Kind.UNSUPPORTED),
        ),
        at_once=True,
    ),
)
