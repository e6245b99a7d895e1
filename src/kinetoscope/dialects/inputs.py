"""From the inputs that clients of other services send to those that a model of ours has.

Most names differ in their spelling only. What is left is checked like any inputs are, so that
nothing here has to judge values: an input that a model has and cannot take is refused by name.
"""

from collections.abc import Mapping

from kinetoscope.catalog.accept import accept
from kinetoscope.catalog.fields import Field, Media
from kinetoscope.catalog.model import Model, Roles
from kinetoscope.kernel.errors import InputIssue, InvalidInputs
from kinetoscope.kernel.order import MediaKind

FIRST = ("first_frame_url", "first_frame_image", "first_frame", "start_image_url", "start_image")
LAST = (
    "last_frame_url",
    "last_frame_image",
    "last_frame",
    "end_image_url",
    "end_image",
    "tail_image_url",
)
FRAMES = (*FIRST, *LAST)
"""An opening image and a closing one."""

REFERENCES: Mapping[MediaKind, tuple[str, ...]] = {
    MediaKind.IMAGE: (
        "reference_image_urls",
        "reference_images",
        "reference_image",
        "references",
    ),
    MediaKind.VIDEO: ("reference_video_urls", "reference_videos", "reference_video"),
    MediaKind.AUDIO: ("reference_audio_urls", "reference_audios", "reference_audio"),
}
"""What is to guide a clip, and not to open or close it."""

MEDIA: Mapping[MediaKind, tuple[str, ...]] = {
    MediaKind.IMAGE: (
        "image",
        "image_url",
        "images",
        "image_urls",
        "input_image",
        "input_images",
        "image_input",
        "input_urls",
    ),
    MediaKind.VIDEO: ("video", "video_url", "videos", "video_urls", "input_video"),
    MediaKind.AUDIO: ("audio_url", "audios", "audio_urls", "input_audio"),
}

COUNTS = ("n", "num_images", "num_outputs", "number_of_images", "max_images", "num_videos")

OPENING = (*FIRST, "image", "image_url", "input_image")
"""One image: it stands before those that come in a list."""

OTHERWISE = (
    "aspect_ratio",
    "background",
    "camera_fixed",
    "controlnets",
    "elements",
    "enable_web_search",
    "frames",
    "google_search",
    "height",
    "image_search",
    "image_size",
    "ip_adapters",
    "loras",
    "mask",
    "mask_image",
    "mask_image_url",
    "mask_url",
    "n_frames",
    "negative_prompt",
    "num_frames",
    "resolution",
    "thinking_level",
    "video_size",
    "web_search",
    "width",
)
"""Inputs that change what is made: a model without them must not pretend to heed them."""

USUAL: Mapping[str, str] = {"background": "opaque", "thinking_level": "minimal"}
"""What those inputs say that is so here as well."""

OPEN = ("auto", "adaptive", "default")
"""Words by which clients leave an input open."""

OPEN_NUMBERS: Mapping[str, str] = {"duration": "-1"}
"""By our name for an input, the number that says the same."""

NOTHING = ("", *OPEN, False, 0)
"""Values that ask for nothing in particular."""

SOUND = ("enable_audio", "generate_audio", "with_audio", "sound")

_FOREIGN = (
    *FRAMES,
    *(name for names in (*REFERENCES.values(), *MEDIA.values()) for name in names),
    *COUNTS,
    *OTHERWISE,
    *SOUND,
)


def fit(model: Model, given: Mapping[str, object]) -> dict[str, object]:
    """Return a client's inputs under the names that a model has for them.

    Names that the model knows stay, in our spelling or an older one; what nobody knows is left
    out, as createTask ignores it. Raises InvalidInputs where more files are asked for than the
    model makes, for media that it has no place for, and for what it cannot heed (OTHERWISE).
    """
    inputs: dict[str, object] = {}
    foreign: dict[str, object] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in model.fields_by_name or name in model.names_by_alias:
            inputs[name] = value
        elif camel(name) in model.fields_by_name:
            inputs.setdefault(camel(name), value)
        else:
            foreign[_SPELLED.get(name, name)] = value
    _fit_media(model, foreign, inputs)
    if model.audio_name:
        for name in SOUND:
            if name in foreign:
                inputs.setdefault(model.audio_name, foreign[name])
    _require_count(model, foreign)
    _require_heeded(model, foreign)
    return _without_open(model, inputs)


def camel(name: str) -> str:
    """Return `aspect_ratio` as `aspectRatio`."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


_SPELLED: Mapping[str, str] = {camel(name): name for name in _FOREIGN}
"""The names that are read here, as they are often written too."""


def meaning(model: Model, name: str) -> str:
    """Return our name for an input that may have come by an older one."""
    meant = model.names_by_alias.get(name, (name,))
    return meant[0] if len(meant) == 1 else name


def has_media(model: Model, inputs: Mapping[str, object]) -> bool:
    """Tell whether anything is to be worked from."""
    ours = {field.name for field in model.media}
    return any(
        value and not ours.isdisjoint(model.names_by_alias.get(name, (name,)))
        for name, value in inputs.items()
    )


def takes(field: Field, value: object) -> bool:
    """Tell whether an input can have a value."""
    problems: list[InputIssue] = []
    return accept(field, value, problems) is not None and not problems


def _without_open(model: Model, inputs: Mapping[str, object]) -> dict[str, object]:
    """Leave out what clients leave open by a word, or a number, that the model has not.

    Beside media, an open shape is the shape of those: a model that cannot follow it says so.
    """
    follows = "aspectRatio" if has_media(model, inputs) else ""
    left = dict(inputs)
    for name, value in inputs.items():
        ours = meaning(model, name)
        field = model.fields_by_name.get(ours)
        is_open = str(value) in (*OPEN, OPEN_NUMBERS.get(ours))
        if is_open and field is not None and ours != follows and not takes(field, value):
            del left[name]
    return left


def _fit_media(model: Model, foreign: Mapping[str, object], inputs: dict[str, object]) -> None:
    """Gather media of each kind, in order, into the input that the model has for it."""
    _require_first(model, foreign, inputs)
    _require_either(model, foreign, inputs)
    for kind, names in MEDIA.items():
        frames = kind is MediaKind.IMAGE
        ordered = (*FIRST, *names, *LAST) if frames else names
        sent = [name for name in (*ordered, *REFERENCES[kind]) if name in foreign]
        if not any(_listed(foreign[name]) for name in sent):
            continue
        field = next((each for each in model.media if each.kind is kind), None)
        if field is None:
            raise refused(sent[0], f"{model.id} takes no {kind.value}")
        # What came under the model's own names stands behind an opening image, before all else.
        opening = [name for name in sent if frames and name in OPENING]
        items = [item for name in opening for item in _listed(foreign[name])]
        items += _taken_out(model, field, inputs)
        items += [item for name in sent if name not in opening for item in _listed(foreign[name])]
        inputs[field.name] = items
        _set_mode(model, field, sent, inputs)


def _taken_out(model: Model, field: Media, inputs: dict[str, object]) -> list[object]:
    """Take out what came for an input under its own name, or an older one of it alone."""
    names = [name for name in inputs if _is_for(model, field, name)]
    return [item for name in names for item in _listed(inputs.pop(name))]


def _is_for(model: Model, field: Media, name: str) -> bool:
    return model.names_by_alias.get(name, (name,)) == (field.name,)


def _require_first(
    model: Model, foreign: Mapping[str, object], inputs: Mapping[str, object]
) -> None:
    """Refuse a closing image without an opening one: it would open the clip here."""
    last = next((name for name in LAST if foreign.get(name)), None)
    fields = [each for each in model.media if each.kind is MediaKind.IMAGE]
    sent = [name for name in (*FIRST, *MEDIA[MediaKind.IMAGE]) if foreign.get(name)]
    sent += [name for each in fields for name in inputs if _is_for(model, each, name)]
    if last is not None and not sent:
        raise refused(last, "Expected an opening image beside a closing one")


def _require_either(
    model: Model, foreign: Mapping[str, object], inputs: Mapping[str, object]
) -> None:
    """Refuse frames where they would be references: beside such, by mode, or with the model."""
    guides = [name for names in REFERENCES.values() for name in names if foreign.get(name)]
    # Beside what guides, one image alone is meant to open the clip.
    one = [name for name in OPENING if guides and isinstance(foreign.get(name), str)]
    frame = next((name for name in (*FRAMES, *one) if foreign.get(name)), None)
    if frame is None:
        return
    if model.roles in {Roles.REFERENCES, Roles.SOURCE} and frame in FRAMES:
        raise refused(frame, f"{model.id} takes no opening or closing images")
    by_mode = ["mode"] if inputs.get("mode") == "reference" else []
    reference = next(iter((*guides, *by_mode)), None)
    if "mode" in model.fields_by_name and reference is not None:
        raise refused(frame, f"{model.id} takes frames or references; {reference} came as well")


def _require_heeded(model: Model, foreign: Mapping[str, object]) -> None:
    for name in OTHERWISE:
        value = foreign.get(name)
        is_nothing = isinstance(value, str | int) and value in (*NOTHING, USUAL.get(name, ""))
        if value is not None and not is_nothing and value not in ([], {}):
            raise refused(name, f"{model.id} has no {name} to choose")


def _set_mode(model: Model, field: Media, sent: list[str], inputs: dict[str, object]) -> None:
    """Where a model tells frames from references by its `mode`, say which of them came."""
    if "mode" in model.fields_by_name and any(name in REFERENCES[field.kind] for name in sent):
        inputs.setdefault("mode", "reference")


def _require_count(model: Model, foreign: Mapping[str, object]) -> None:
    for name in COUNTS:
        value = foreign.get(name)
        if value is not None and str(value) != str(model.count):
            raise refused(name, f"{model.id} makes {files_of(model)} a task; leave {name} out")


def files_of(model: Model) -> str:
    """Say how many files a task makes."""
    return "1 file" if model.count == 1 else f"{model.count} files"


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value] if value else []


def refused(name: str, message: str) -> InvalidInputs:
    """Return the error for an input that cannot be had; the message has no full stop yet."""
    return InvalidInputs((InputIssue("custom", f"{message}.", (name,)),))
