"""Videos made of videos: remixes, edits and extensions.

https://platform.openai.com/docs/api-reference/videos/remix
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from starlette.responses import Response

from kinetoscope.api.body import invalid, issue
from kinetoscope.catalog.model import Model, Roles
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.inputs import fit, meaning, refused
from kinetoscope.dialects.openai.asking import (
    Asked,
    Parts,
    Referred,
    asked,
    media_of,
    model_of,
    refuse_other_files,
    text_of,
)
from kinetoscope.dialects.openai.making import NOT_INPUTS, Order, inputs_of, make, read
from kinetoscope.dialects.openai.shapes import REMIXED, video_json
from kinetoscope.dialects.openai.videos import (
    REFERENCE,
    THEIRS,
    answer_created,
    given_of,
    own_video,
    video_of,
)
from kinetoscope.kernel.order import MediaKind
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.whole import Whole

BOTH = ("tasks:read", "tasks:write")

SOURCE = ("video",)

DEEDS = ("-edit", "-extend")
"""What stands behind a model's id in the ids of those that work on its clips."""


def mount(speech: Speech, parts: Parts) -> None:
    """Add the routes."""
    editing, extending = partial(derive, parts, extend=False), partial(derive, parts, extend=True)
    speech.route(
        "POST", "/videos/{video_id}/remix", BOTH, partial(remix, parts), "Make a video anew"
    )
    speech.route("POST", "/videos/edits", BOTH, editing, "Edit a video")
    speech.route("POST", "/videos/extensions", BOTH, extending, "Continue a video")


async def remix(parts: Parts, client: Client) -> Response:
    """Make a video with another one's inputs and a new prompt.

    The model does not see the other video: it is told the same, but for the prompt.
    """
    async with asked(parts, client) as request:
        refuse_other_files(request, ())
        found = await own_video(parts, client)
        _require_done(found, "video_id")
        # By its id alone: the operator's names say what clients mean, not what made the video.
        model = parts.runtime.catalog.find(found.record.model)
        _refuse_changes(parts, request, found, model)
        inputs = {**found.inputs, "prompt": text_of(request, "prompt")}
        order = Order(
            model=model,
            inputs=inputs,
            details={REMIXED: found.record.id},
        )
        task_id = await make(parts, client, request, order)
    return await answer_created(parts, client, task_id)


def _refuse_changes(parts: Parts, request: Asked, found: Whole, model: Model) -> None:
    """Refuse what would make another video than the same with a new prompt.

    Raises InvalidInputs, or UnknownModel. What the video has anyway may be said, and what no model
    has is ignored as everywhere.
    """
    for name in request.values:
        if name != "prompt" and not _is_had(parts, request, found, model, name):
            raise refused(name, f"A remix has the {name} of its video. Leave {name} out")


def _is_had(parts: Parts, request: Asked, found: Whole, model: Model, name: str) -> bool:
    """Whether what is stated under a name is so with a video anyway, or asks for nothing."""
    stated = request.values[name]
    if name == "model":
        meant = text_of(request, name)
        return meant == model.id or model_of(parts, meant, MediaKind.VIDEO) is model
    if name in {"seconds", "size"}:
        # What the client was shown: how it was ordered at first, how it came out in the end.
        ordered = replace(found, record=replace(found.record, output=()))
        shown = [video_json(parts.runtime.catalog, each)[name] for each in (ordered, found)]
        return str(stated) in {"auto", *shown}
    if name in NOT_INPUTS:
        return name not in REFERENCE
    return all(
        found.inputs.get(meaning(model, ours)) in (value, read(model, ours, value))
        for ours, value in fit(model, {name: stated}).items()
    )


async def derive(parts: Parts, client: Client, *, extend: bool) -> Response:
    """Edit a video, or continue it: one of the account's, `{"id"}`, or a file that comes along.

    It is done by the model that does this to clips of the model that made the video, or by the one
    that `model` names, which OpenAI's own request does not have.
    """
    async with asked(parts, client) as request:
        refuse_other_files(request, SOURCE)
        _refuse_references(request)
        source = await _source(parts, client, request)
        model = _model(parts, request, source, extend=extend)
        if source is None:
            media = await media_of(parts, client, request, SOURCE)
        else:
            until = source.record.addresses_expire_at
            url = parts.runtime.signer.url(source.record.output[0].name, until)
            media = [Referred(url=url, kind=MediaKind.VIDEO)]
        if not media:
            raise invalid(issue("invalid_type", 'Expected a file or {"id"}', "video"))
        media = [Referred(url=each.url, kind=each.kind or MediaKind.VIDEO) for each in media]
        given = given_of(model, request)
        given.pop("video", None)
        inputs = inputs_of(model, request, given, media)
        order = Order(model=model, inputs=inputs, theirs=THEIRS)
        task_id = await make(parts, client, request, order)
    return await answer_created(parts, client, task_id)


def _refuse_references(request: Asked) -> None:
    """Refuse what stands beside the one video that is read; raises InvalidInputs."""
    for name in REFERENCE:
        if name in request.values:
            raise refused(name, "No reference is read here. Send the video as `video`")


async def _source(parts: Parts, client: Client, request: Asked) -> Whole | None:
    """Return the video that a request names by its id; raises NotFound or InvalidRequest."""
    stated = request.values.get("video")
    video_id = stated.get("id") if isinstance(stated, Mapping) else None
    if not isinstance(video_id, str):
        return None
    if "video" in request.files:
        raise invalid(issue("invalid_value", 'Expected a file or {"id"}, not both', "video"))
    found = await video_of(parts, client, video_id)
    _require_done(found, "video")
    return found


def _require_done(found: Whole, name: str) -> None:
    if found.record.status is not Status.SUCCESS:
        raise invalid(issue("invalid_value", "The video is not completed", name))
    if found.record.is_expired:
        raise invalid(issue("invalid_value", "The video's file has expired", name))


def _model(parts: Parts, request: Asked, source: Whole | None, *, extend: bool) -> Model:
    """Return the model that edits or continues; raises UnknownModel or InvalidInputs."""
    able = [
        model
        for model in parts.runtime.catalog.models
        if model.roles is Roles.SOURCE and ("duration" in model.fields_by_name) is extend
    ]
    if "model" in request.values:
        model = model_of(parts, text_of(request, "model"), MediaKind.VIDEO)
        if model in able:
            return model
        problem = f"{model.id} cannot do this"
    elif source is None:
        problem = "Name the model in `model`"
    else:
        for model in able:
            if _stem(model.id) == _stem(source.record.model):
                return model
        problem = f"No model does this to clips of {source.record.model} by itself"
    names = ", ".join(model.id for model in able) or "none here"
    raise refused("model", f"{problem}. Models that can: {names}")


def _stem(model_id: str) -> str:
    for deed in DEEDS:
        model_id = model_id.removesuffix(deed)
    return model_id
