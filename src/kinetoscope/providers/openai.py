"""OpenAI images: made while one waits, paid by the token.

https://platform.openai.com/docs/api-reference/images. The video API was announced to end in
September 2026; servers that speak its shape are `openai_media`.
"""

from kinetoscope.kernel.calling import MEBIBYTE, Call
from kinetoscope.providers import openai_images as images
from kinetoscope.providers.adapter import Adapter, Site, bearer
from kinetoscope.providers.contract import Idempotency


def check(site: Site) -> Call:
    """List the models."""
    del site
    return Call(method="GET", url="models", bytes_max=4 * MEBIBYTE)


OPENAI = Adapter(
    name="openai",
    docs="https://platform.openai.com/docs/api-reference/images",
    base_url="https://api.openai.com/v1",
    key_name="openai",
    # Idempotency-Key is sent by nobody and documented nowhere for images.
    idempotency=Idempotency.NEITHER,
    polling=None,
    models={"gpt-image-2": "gpt-image-2"},
    headers=bearer,
    submit=images.submit,
    accepted=images.accepted,
    refusal=images.refusal,
    read=images.read,
    check=check,
)
