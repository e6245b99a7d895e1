"""OpenAI images: made while one waits, paid by the token.

https://platform.openai.com/docs/api-reference/images. The video API was announced to end
in September 2026; servers that speak its shape are `openai_media`.
"""

from kinetoscope.kernel.calling import MEBIBYTE, Call
from kinetoscope.kernel.order import Size
from kinetoscope.providers import openai_images as images
from kinetoscope.providers.adapter import Adapter, Ask, Site, bearer
from kinetoscope.providers.contract import Idempotency, Refused
from kinetoscope.providers.sizes import size_of

ANY_SIZE = "gpt-image-2"
"""What the names of models begin with that are not bound to the standard sizes."""
STANDARD = frozenset({"gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"})
STANDARD_SIZES = frozenset({(1024, 1024), (1536, 1024), (1024, 1536)})
SIDE_STEP = 16
SIDE_MAX = 3840
RATIO_MAX = 3
PIXELS = range(655_360, 8_294_400 + 1)
"""https://developers.openai.com/api/docs/guides/image-generation"""
FINEST = frozenset({"xhigh", "max"})
HAVE_FINEST = ("gpt-image-2.5", "gpt-image-2.6")
"""https://platform.openai.com/docs/api-reference/images/create (quality)"""
REFERENCES_MAX = 16
REFERENCE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
"""https://platform.openai.com/docs/api-reference/images/createEdit (image)"""


def submit(ask: Ask) -> Call | Refused:
    """Ask for pictures in the size that was ordered, or leave it to who can make them so."""
    if (refused := images.unfit(ask)) is not None:
        return refused
    size = size_of(ask.job.order, ask.job.references)
    if (fault := _fault(ask, size)) is not None:
        return images.unsupported(fault)
    words = "auto" if size is None else f"{size.width}x{size.height}"
    return images.call(ask, {**images.wishes(ask), "size": words})


def _fault(ask: Ask, size: Size | None) -> str | None:
    """Say what the upstream is known not to make. Models nobody has heard of may do anything."""
    model = ask.job.upstream_model
    known = model in STANDARD or model.startswith(ANY_SIZE)
    if size is not None and known and not _makes(model, size):
        return f"It makes nothing of {size.width}x{size.height}."
    if known and ask.job.order.quality in FINEST and not model.startswith(HAVE_FINEST):
        return f"It makes nothing in quality {ask.job.order.quality}."
    if len(ask.attached) > REFERENCES_MAX:
        return f"It takes {REFERENCES_MAX} pictures at most."
    if {attached.fetched.media_type for attached in ask.attached} - REFERENCE_TYPES:
        return "It takes png, jpeg and webp only."
    return None


def _makes(model: str, size: Size) -> bool:
    sides = (size.width, size.height)
    if model in STANDARD:
        return sides in STANDARD_SIZES
    return (
        not any(side % SIDE_STEP for side in sides)
        and max(sides) <= min(SIDE_MAX, RATIO_MAX * min(sides))
        and size.width * size.height in PIXELS
    )


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
    submit_timeout_s=images.IMAGES_TIMEOUT_S,
    models={
        "gpt-image-2": "gpt-image-2",
        "gpt-image-2.5-flare": "gpt-image-2.5-flare",
        "gpt-image-2.5-sunburst": "gpt-image-2.5-sunburst",
    },
    headers=bearer,
    submit=submit,
    accepted=images.accepted,
    refusal=images.refusal,
    read=images.read,
    check=check,
)
