"""Which model a name of kie.ai's means, and its inputs in our words.

One name there may stand for several of our models, or several names for one:
https://docs.kie.ai/market/wan/3-0-video, https://docs.kie.ai/market/seedream/5-pro-text-to-image.
What kie.ai would honour and we would not is refused by name, never left out.
"""

from collections.abc import Mapping

from kinetoscope.catalog.fields import Choice
from kinetoscope.catalog.model import FOLLOW_WORDS, Model
from kinetoscope.dialects.inputs import FRAMES, MEDIA, REFERENCES, camel, fit, refused
from kinetoscope.dialects.names import Names, find
from kinetoscope.kernel.order import MediaKind

WAN = {"wan/3-0-video": "wan3.0", "wan/3-0-video-prime": "wan3.0-prime"}
"""Names of theirs that mean the model of ours that fits the media."""

TEXT_TO_IMAGE = "-text-to-image"
IMAGE_TO_IMAGE = "-image-to-image"
"""Behind a name of theirs; our models see by their inputs what to do."""

QUALITIES = {"basic": "1k", "high": "2k"}
"""What Seedream there calls its resolutions."""

NOT_HERE = ("web_search", "google_search", "reference_file_urls", "reference_link_urls")
"""What changes the result there, and no model of ours does."""

OTHERWISE = ("camera_fixed", "fixed_lens", "image_resolution", "size")
"""What changes a result there, besides what `fit` refuses for all: a model here may have it."""

COUNT = "nVariants"
"""How many pictures, as their 4o Image has it."""

_ALL_REFERENCES = tuple(name for names in REFERENCES.values() for name in names)
_IMAGES = (*FRAMES, *MEDIA[MediaKind.IMAGE], *REFERENCES[MediaKind.IMAGE])
_MEDIA = (*FRAMES, *_ALL_REFERENCES, *(name for names in MEDIA.values() for name in names))

Given = Mapping[str, object]


def model_of(names: Names, stated: str, given: Given) -> Model:
    """Return the model that a name means beside these inputs.

    Raises UnknownModel, or InvalidInputs for an image to change where there is none.
    """
    if stated in names:
        return names[stated]
    tier = WAN.get(stated)
    if tier is not None:
        return find(names, f"{tier}-{_face(given)}")
    base = stated.removesuffix(IMAGE_TO_IMAGE)
    if base != stated and base in names:
        if not _has_any(given, (*_IMAGES, *_own(names[base]))):
            raise refused("image_urls", "Expected at least one image")
        return names[base]
    return find(names, stated.removesuffix(TEXT_TO_IMAGE))


def _face(given: Given) -> str:
    if _has_any(given, _ALL_REFERENCES):
        return "ref-to-video"
    return "image-to-video" if _has_any(given, _MEDIA) else "text-to-video"


def inputs_of(model: Model, given: Given) -> dict[str, object]:
    """Return the inputs under the names and in the words of a model of ours.

    Raises InvalidInputs for what we cannot do.
    """
    # Clients send empty texts for what they leave open, as kie.ai's own forms do.
    stated = {
        name: value for name, value in given.items() if value != "" or camel(name) == "prompt"
    }
    for name in NOT_HERE:
        if stated.get(name):
            raise refused(name, "This is not supported here")
    for name in OTHERWISE:
        is_known = name in model.fields_by_name or name in model.names_by_alias
        if stated.get(name) and not is_known:
            raise refused(name, f"{model.id} has no {name}")
    if COUNT in stated and str(stated.pop(COUNT)) != str(model.count):
        raise refused(COUNT, f"{model.id} makes {model.count} file(s) a task")
    _require_one_scene(stated)
    _read_quality(model, stated)
    _read_resolution(model, stated)
    _read_ratio(model, stated)
    _read_format(model, stated)
    return fit(model, stated)


def _require_one_scene(stated: Given) -> None:
    """Refuse opening and closing images beside references: no model takes both."""
    frame = next((name for name in FRAMES if stated.get(name)), None)
    reference = next((name for name in _ALL_REFERENCES if stated.get(name)), None)
    if frame is not None and reference is not None:
        raise refused(reference, f"Expected either references or {frame}, not both")


def _read_quality(model: Model, stated: dict[str, object]) -> None:
    if "quality" not in stated or "quality" in model.fields_by_name:
        return
    quality = str(stated.pop("quality"))
    if quality not in QUALITIES or not model.resolution_name:
        raise refused("quality", f"Expected {' or '.join(QUALITIES)}, of a model that has them")
    stated.setdefault(model.resolution_name, QUALITIES[quality])


def _read_resolution(model: Model, stated: dict[str, object]) -> None:
    """Read `720P` and `1K` as ours."""
    field = model.fields_by_name.get(model.resolution_name)
    word = stated.get("resolution")
    if isinstance(field, Choice) and isinstance(word, str) and not _takes(field, word):
        stated["resolution"] = word.lower() if _takes(field, word.lower()) else word


def _read_ratio(model: Model, stated: dict[str, object]) -> None:
    """Leave out the shape of the media where there are none to follow."""
    field = model.fields_by_name.get("aspectRatio")
    word = stated.get("aspect_ratio")
    if not isinstance(word, str) or word not in FOLLOW_WORDS:
        return
    if isinstance(field, Choice) and not _takes(field, word):
        if _has_any(stated, (*_MEDIA, *_own(model))):
            raise refused("aspect_ratio", f"{model.id} does not take the shape of what goes in")
        del stated["aspect_ratio"]


def _read_format(model: Model, stated: dict[str, object]) -> None:
    """Refuse another kind of file than a model makes."""
    word = stated.get("output_format")
    if word is None or model.format_name:
        return
    if {"jpg": "jpeg"}.get(str(word), str(word)) != model.file_format:
        raise refused("output_format", f"{model.id} makes {model.file_format}")
    del stated["output_format"]


def _takes(field: Choice, word: str) -> bool:
    return word in field.options or word in field.synonyms or field.otherwise is not None


def _own(model: Model) -> tuple[str, ...]:
    """Return our names for a model's media, which may be sent as well."""
    return tuple(field.name for field in model.media)


def _has_any(given: Given, names: tuple[str, ...]) -> bool:
    return any(given.get(name) or given.get(camel(name)) for name in names)
