"""Making tasks of what OpenAI's clients ask for: their inputs in our words, or refused by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from kinetoscope.catalog import check
from kinetoscope.catalog.fields import Boolean, Field, Integer, Media, Number
from kinetoscope.catalog.model import Model
from kinetoscope.dialects import making, retries
from kinetoscope.dialects.door import Client
from kinetoscope.dialects.inputs import camel, fit, refused, takes
from kinetoscope.dialects.making import Wish
from kinetoscope.dialects.openai.asking import Asked, Parts, Referred, give_up
from kinetoscope.dialects.openai.shapes import NAME
from kinetoscope.dialects.sizes import agreed, sized
from kinetoscope.kernel.errors import InputIssue, InvalidInputs
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import JSON, MediaKind, Size
from kinetoscope.tasks.request import Spoken

SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
WHOLE = re.compile(r"-?[0-9]{1,18}")
DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")

USUAL_TIMEOUT = timedelta(minutes=10)
"""How long OpenAI's clients wait for an answer where they do not say."""

NAME_BY_KIND: Mapping[MediaKind, str] = {
    MediaKind.IMAGE: "image",
    MediaKind.VIDEO: "video",
    MediaKind.AUDIO: "audio_url",
}

NOT_INPUTS = frozenset(
    {
        "callBackUrl",
        "input_reference",
        "model",
        "moderation",
        "safety_identifier",
        "size",
        "user",
    }
)
"""What never reaches a model: it is read elsewhere, or tells OpenAI about its users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client wants of a model: inputs that are fitted to it, and what it is to be shown as.

    `theirs` are the client's names for inputs that have others here, for refusals.
    """

    model: Model
    inputs: Mapping[str, object]
    details: Mapping[str, JSON] = field(default_factory=dict)
    theirs: Mapping[str, str] = field(default_factory=dict)


async def make(parts: Parts, client: Client, request: Asked, order: Order) -> TaskId:
    """Create a task, or find the one that the same request made before.

    Raises what `making.make` does; inputs are told of by the names that the client gave them.
    """
    callback_url = request.values.get("callBackUrl")
    once = retries.once(client, "openai", request.digest, USUAL_TIMEOUT)
    wish = Wish(
        model=order.model,
        inputs=order.inputs,
        spoken=Spoken(dialect=NAME, details=order.details),
        callback_url=callback_url,
        once=once,
        body_sha256=request.digest,
    )
    try:
        created = await making.make(parts.runtime, client, wish)
    except InvalidInputs as error:
        raise InvalidInputs(_renamed(error.issues, _theirs(request, order))) from None
    if created.replayed:
        # The task refers to those of the time before.
        await give_up(parts, client, request)
    client.request.state.made = created.task_id
    return created.task_id


def _theirs(request: Asked, order: Order) -> dict[str, str]:
    """Return what the client calls our inputs."""
    ratio = {"aspectRatio": "size"} if "size" in request.values else {}
    return {**ratio, **{camel(name): name for name in request.values}, **order.theirs}


def _renamed(issues: tuple[InputIssue, ...], theirs: Mapping[str, str]) -> tuple[InputIssue, ...]:
    return tuple(
        InputIssue(
            issue.code,
            issue.message,
            (theirs.get(str(issue.path[0]), issue.path[0]), *issue.path[1:]),
        )
        if issue.path
        else issue
        for issue in issues
    )


def inputs_of(
    model: Model, request: Asked, given: Mapping[str, object], media: list[Referred]
) -> dict[str, object]:
    """Return a model's inputs: what it has of the `given`, the media, and the size that is asked.

    Raises InvalidInputs for what the model cannot do.
    """
    wanted = {name: value for name, value in given.items() if name not in NOT_INPUTS}
    for each in media:
        name = NAME_BY_KIND[each.kind or MediaKind.IMAGE]
        known = wanted.get(name)
        wanted[name] = [*(known if isinstance(known, list) else []), each.url]
    inputs = fit(model, wanted)
    if request.is_form:
        inputs = {name: read(model, name, value) for name, value in inputs.items()}
    size = request.values.get("size")
    if size is not None and size != "auto":
        inputs = _with_size(model, inputs, size)
    return inputs


def _with_size(model: Model, inputs: dict[str, object], stated: object) -> dict[str, object]:
    """Add the inputs that make a size, or an aspect ratio if that was stated."""
    match = SIZE.fullmatch(str(stated))
    if match is None:
        if "aspectRatio" not in model.fields_by_name:
            raise refused("size", f"{model.id} takes no size")
        return agreed(model, {"aspectRatio": stated}, inputs, "size")
    size = Size(width=int(match[1]), height=int(match[2]))
    inputs = agreed(model, sized(model, size, "size"), inputs, "size")
    # The rules tell what comes out of it: some models keep the shape of what they are shown.
    try:
        order = check.check(model, inputs)
    except InvalidInputs:
        return inputs  # which is told when the task is made
    if order.size != size:
        raise refused("size", f"{model.id} takes the shape of its media here. Leave size out")
    return inputs


def read(model: Model, name: str, value: object) -> object:
    """Read a form's text as what a model's input wants; what cannot be is left to be refused."""
    field = _field(model, name)
    match field:
        case Media() if isinstance(value, str):
            return [value]
        case Boolean() if isinstance(value, str) and value in {"true", "false"}:
            return value == "true"
        case Integer() if isinstance(value, str) and WHOLE.fullmatch(value):
            return int(value)
        case Number() if isinstance(value, str) and DECIMAL.fullmatch(value):
            return float(value)
        case _:
            return value


def _field(model: Model, name: str) -> Field | None:
    ours = model.names_by_alias.get(name, (name,))
    return model.fields_by_name.get(name) or model.fields_by_name.get(ours[0])


def without_harmless(
    model: Model, values: Mapping[str, object], harmless: Mapping[str, frozenset[object]]
) -> dict[str, object]:
    """Leave out what changes nothing, and refuse what OpenAI would honour and a model has not.

    `harmless` are, by name, the values that ask for nothing in particular: a model that has a word
    for them gets them nevertheless. Raises InvalidInputs.
    """
    left = {}
    for name, value in values.items():
        field = _field(model, name) or _field(model, camel(name))
        if name not in harmless:
            left[name] = value
        elif isinstance(value, str | int | float) and value in harmless[name]:
            if field is not None and takes(field, value):
                left[name] = value
        elif field is None:
            raise refused(name, f"{model.id} has no {name} to choose")
        else:
            left[name] = value
    return left
