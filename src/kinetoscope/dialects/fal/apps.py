"""Which model a path of fal's means, and its inputs under the names that the model has for them."""

from collections.abc import Mapping

from kinetoscope.catalog.model import Model
from kinetoscope.dialects import names
from kinetoscope.dialects.inputs import fit, has_media, refused
from kinetoscope.dialects.names import Names
from kinetoscope.dialects.sizes import agreed, sized
from kinetoscope.kernel.errors import UnknownModel
from kinetoscope.kernel.order import JSON, Size

OWNER = "fal-ai/"
"""Before the names of models that fal runs itself, also where the model is somebody else's."""

REFERENCES = "/reference-to-video"
"""At the end of a path whose images guide the clip rather than open it."""

RATIOS: Mapping[str, str] = {
    "square_hd": "1:1",
    "square": "1:1",
    "portrait_4_3": "3:4",
    "portrait_16_9": "9:16",
    "landscape_4_3": "4:3",
    "landscape_16_9": "16:9",
}
"""fal's words for shapes; how many pixels they are differs from model to model there too."""

AUTO: Mapping[str, str | None] = {
    "auto": None,
    "auto_1k": "1k",
    "auto_2k": "2k",
    "auto_3k": "3k",
    "auto_4k": "4k",
}
"""Sizes that the model chooses, and how large they are to be."""

FROM_MEDIA: Mapping[str, str] = {
    "/edit": "image_urls",
    "/image-to-image": "image_url",
    "/image-to-video": "image_url",
    REFERENCES: "image_urls",
}
"""At the end of a path that works from something, and what is asked for where nothing came."""

HONOURED_ELSEWHERE = ("sync_mode",)
"""What changes a result at fal, besides what `fit` refuses for all."""

SIDE_MAX = 16_384

SAME_FORMAT = {"jpg": "jpeg"}


def find(known: Names, app: str) -> Model:
    """Return the model that a path means; raises UnknownModel, which names similar ones."""
    try:
        return names.find(known, app)
    except UnknownModel:
        if not app.startswith(OWNER):
            raise
        try:
            return names.find(known, app.removeprefix(OWNER))
        except UnknownModel:
            pass  # the name as it was stated tells more
        raise


def fitted(model: Model, app: str, given: Mapping[str, JSON]) -> dict[str, object]:
    """Return a request's inputs as the model has them; raises InvalidInputs."""
    stated = {name: value for name, value in given.items() if value is not None}
    _refuse_elsewhere(model, stated)
    chosen = _size(model, stated.pop("image_size", None))
    path = app.rstrip("/")
    if path.endswith(REFERENCES) and "mode" in model.fields_by_name:
        stated.setdefault("mode", "reference")
    inputs = fit(model, stated)
    missing = next((name for end, name in FROM_MEDIA.items() if path.endswith(end)), None)
    if missing is not None and not has_media(model, inputs):
        raise refused(missing, f"{app} works from media; expected at least one")
    return agreed(model, chosen, inputs, "image_size")


def _refuse_elsewhere(model: Model, stated: Mapping[str, JSON]) -> None:
    for name in HONOURED_ELSEWHERE:
        if stated.get(name) and name not in model.fields_by_name:
            raise refused(name, f"{model.id} has no {name}")
    wanted = stated.get("output_format")
    if not model.format_name and isinstance(wanted, str):
        wanted = wanted.lower()
        if SAME_FORMAT.get(wanted, wanted) != model.file_format:
            raise refused("output_format", f"{model.id} makes {model.file_format}")


def _size(model: Model, stated: JSON) -> dict[str, object]:
    """Return the inputs that an `image_size` means: a word, or width and height."""
    if stated is None:
        return {}
    if isinstance(stated, dict):
        width, height = stated.get("width"), stated.get("height")
        if not _is_side(width) or not _is_side(height):
            raise refused("image_size", "Expected a width and a height in pixels")
        return sized(model, Size(width=int(str(width)), height=int(str(height))), "image_size")
    word = stated.lower() if isinstance(stated, str) else ""
    if word in RATIOS and "aspectRatio" in model.fields_by_name:
        return {"aspectRatio": RATIOS[word]}
    if word in AUTO:
        resolution = AUTO[word]
        if resolution is None:
            return {}
        if model.resolution_name:
            return {model.resolution_name: resolution}
    raise refused("image_size", f"{model.id} has no such size")


def _is_side(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= SIDE_MAX
