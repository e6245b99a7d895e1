"""From what a client sent to an Order, or to every single thing that is wrong with it."""

import re

from kinetoscope.catalog import flags, issues, older
from kinetoscope.catalog.accept import Issues, absent, accept
from kinetoscope.catalog.fields import Choice
from kinetoscope.catalog.model import FOLLOW_WORDS, Model
from kinetoscope.catalog.references import Inputs, arrange, follows_media
from kinetoscope.kernel.errors import InvalidInputs
from kinetoscope.kernel.order import JSON, MediaKind, Order, Reference, Size

_RESOLUTION = re.compile(r"([0-9]{1,5})(p|k)")
_LINES_PER_K = 540


def check(model: Model, inputs: object, *, auto_fix: bool = False) -> Order:
    """Return the order these inputs make; raises InvalidInputs with every issue there is.

    `inputs` is parsed JSON of any shape. Unknown names are ignored and `null` counts as not
    given. With `auto_fix`, here or as an input of that name, a resolution the model does not
    offer becomes the nearest one it does. Checking the order's own inputs gives the same order.
    The rules are those of the models' pages in kinovi-ai/kinovi-models.
    """
    if not isinstance(inputs, dict):
        raise InvalidInputs((issues.wrong_type("object", inputs),))
    found: Issues = []
    given, old = _known(model, inputs)
    sent = older.modernise(model, given, old) if old else {}
    if auto_fix or inputs.get("autoFix") is True:
        _fix_resolution(model, given)
    if model.names_by_flag:
        flags.lift(model, given)
    kept = _kept(model, given, found)
    _refuse_foreign(model, inputs, found)
    _refuse_clashes(model, kept, found)
    if found:
        raise InvalidInputs(tuple(older.as_sent(issue, sent) for issue in found))
    return _order(model, kept)


def _known(model: Model, inputs: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Return what was sent under current names, and what was sent under older ones."""
    given: dict[str, object] = {}
    old: dict[str, object] = {}
    for name, value in inputs.items():
        if value is None:
            continue
        if name in model.fields_by_name:
            given[name] = value
        elif name in model.names_by_alias:
            old[name] = value
    return given, old


def _kept(model: Model, given: dict[str, object], found: Issues) -> Inputs:
    kept = dict(model.defaults)
    for name, value in given.items():
        accepted = accept(model.fields_by_name[name], value, found)
        if accepted is not None:
            kept[name] = accepted
    for field in model.required:
        if field.name not in kept and not any(issue.path[0] == field.name for issue in found):
            found.append(absent(field))
    return kept


def _fix_resolution(model: Model, given: dict[str, object]) -> None:
    field = model.fields_by_name.get(model.resolution_name)
    word = given.get(model.resolution_name)
    if not isinstance(field, Choice) or not isinstance(word, str) or word in field.options:
        return
    lines = _lines(word)
    if lines is None:
        del given[model.resolution_name]
        return
    given[model.resolution_name] = min(
        field.options, key=lambda option: abs((_lines(option) or 0) - lines)
    )


def _lines(word: str) -> int | None:
    """Return about how many lines `720p`, `4k` or `4K` means, None for any other word."""
    matched = _RESOLUTION.fullmatch(word.strip().lower())
    if matched is None:
        return None
    return int(matched[1]) * (_LINES_PER_K if matched[2] == "k" else 1)


def _refuse_foreign(model: Model, inputs: dict[str, object], found: Issues) -> None:
    for name in model.refuses:
        if inputs.get(name) not in (None, []):
            found.append(issues.custom(f"{name} is not accepted by this model.", name))


def _refuse_clashes(model: Model, kept: Inputs, found: Issues) -> None:
    if kept.get("background") == "transparent" and kept.get(model.format_name) == "jpeg":
        message = f"A transparent background needs {model.format_name} png."
        found.append(issues.custom(message, "background"))


def _order(model: Model, kept: Inputs) -> Order:
    references = arrange(model, kept)
    resolution = _text(kept, model.resolution_name)
    size = _size(model, kept, resolution, references)
    seed = kept.get("seed")
    duration = kept.get("duration")
    return Order(
        model=model.id,
        kind=model.kind,
        prompt=_text(kept, "prompt"),
        size=size,
        sizes=model.size_lists.get(resolution, ()),
        duration_s=duration if isinstance(duration, int) else 0,
        count=model.count,
        seed=seed if isinstance(seed, int) and seed >= 0 else None,
        audio=_has_sound(model, kept),
        file_format=_text(kept, model.format_name) or model.file_format,
        last_frame=model.kind is MediaKind.VIDEO,
        quality=_text(kept, "quality"),
        resolution=resolution,
        references=references,
        inputs=kept,
    )


def _size(
    model: Model, kept: Inputs, resolution: str, references: tuple[Reference, ...]
) -> Size | None:
    """Return the size, None where it follows the media or there is none; completes `kept`."""
    sizes = model.sizes.get(resolution)
    if sizes is None:
        return None
    aspect_ratio: JSON = kept.get("aspectRatio")
    if references and follows_media(model, aspect_ratio, references):
        return None
    field = model.fields_by_name.get("aspectRatio")
    if aspect_ratio is None and isinstance(field, Choice) and field.default is not None:
        aspect_ratio = kept["aspectRatio"] = field.default
    if not isinstance(aspect_ratio, str) or aspect_ratio in FOLLOW_WORDS:
        return sizes[model.shape]
    return sizes[aspect_ratio]


def _has_sound(model: Model, kept: Inputs) -> bool:
    if model.kind is MediaKind.AUDIO:
        return True
    return kept.get(model.audio_name) is True


def _text(kept: Inputs, name: str) -> str:
    """Return the input as a word; empty where there is none."""
    value = kept.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)
