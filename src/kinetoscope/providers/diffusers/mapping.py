"""From a job to a pipeline's call, by the names in its signature. Pure.

What the call has no name for is never passed: media that have no place refuse the job, anything
else is left out and named.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON, MediaKind, Order, Role, Size
from kinetoscope.providers.contract import FetchedReference, Job
from kinetoscope.providers.diffusers.making import Loading, Making, Medium
from kinetoscope.providers.diffusers.options import ModelOptions
from kinetoscope.providers.diffusers.signature import FRAMES, IMAGES, RATES, SECONDS, Signature
from kinetoscope.providers.sizes import size_of

MULTIPLE = 32
"""Sides that are multiples of this suit nearly every pipeline (measured: SD 8, Wan 16, LTX 32)."""
TEMPORAL = 4
DURATION_S_DEFAULT = 5.0
NO_SIZE = Size(width=0, height=0)
"""The pipeline's own."""

NATIVE_FPS = {
    "AnimateDiff": 8.0,
    "CogVideoX": 8.0,
    "Allegro": 15.0,
    "Hunyuan": 24.0,
    "Kandinsky": 24.0,
    "LTX": 24.0,
    "Mochi": 30.0,
    "SkyReels": 24.0,
}
"""How fast pictures follow each other where the call does not take a rate; Wan and others: 16."""
FPS_DEFAULT = 16.0


class Unfit(KinetoscopeError):
    """This pipeline cannot make this order; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What a loaded pipeline says about sizes: sides are multiples, frames `temporal` * n + 1."""

    multiple: int
    temporal: int


def making_of(
    job: Job, options: ModelOptions, signature: Signature, loading: Loading, folder: Path
) -> tuple[Making, tuple[str, ...]]:
    """Return what to make, and what of the order goes unheeded; raises Unfit."""
    order = job.order
    if signature.kind is not order.kind:
        raise Unfit(f"{signature.class_name} makes {signature.kind}, not {order.kind}.")
    media = media_of(job.references, signature)
    fps = fps_of(options, signature)
    arguments, ignored = arguments_of(job, options, signature, fps)
    size = size_of(order, job.references) or NO_SIZE
    making = Making(
        task_id=job.task_id,
        folder=str(folder),
        loading=loading,
        call_as=signature.class_name,
        kind=order.kind,
        arguments=arguments,
        width=size.width,
        height=size.height,
        duration_s=duration_s_of(order, job.references),
        fps=fps,
        size_multiple=options.size_multiple,
        count=max(1, order.count),
        seed=job.seed,
        audio=order.audio,
        last_frame=order.last_frame and order.kind is MediaKind.VIDEO,
        file_format=order.file_format,
        media=media,
    )
    return making, ignored


def arguments_of(
    job: Job, options: ModelOptions, signature: Signature, fps: float
) -> tuple[dict[str, JSON], tuple[str, ...]]:
    """Return the plain arguments, and the names of those that the call does not take."""
    inputs = job.order.inputs
    wanted: dict[str, JSON] = {
        argument: inputs[name]
        for name, argument in options.inputs.items()
        if inputs.get(name) is not None
    }
    wanted |= options.arguments
    negative = inputs.get("negative_prompt") or options.negative_prompt
    if negative:
        wanted["negative_prompt"] = negative
    if options.steps is not None:
        wanted["num_inference_steps"] = options.steps
    if options.guidance is not None:
        wanted["guidance_scale"] = options.guidance
    wanted["prompt"] = job.order.prompt
    passed = {name: value for name, value in wanted.items() if name in signature.parameters}
    rate = signature.first(RATES)
    if rate is not None and job.order.kind is MediaKind.VIDEO:
        whole = isinstance(signature.parameters[rate].default, int)
        passed[rate] = round(fps) if whole else fps
    if "output_type" in signature.parameters:
        passed["output_type"] = "np"
    ignored = [name for name in wanted if name not in signature.parameters]
    if job.order.size is not None and job.order.kind is not MediaKind.AUDIO:
        ignored += [name for name in ("width", "height") if name not in signature.parameters]
    return passed, tuple(sorted(ignored))


def measures(making: Making, signature: Signature, factors: Factors) -> dict[str, JSON]:
    """Return the sizes and lengths of a call, rounded as the loaded pipeline wants them.

    Sides are rounded up: what is too much is cut off afterwards, and the order gets its pixels.
    """
    found: dict[str, JSON] = {}
    if making.width and making.height:
        sides = {"width": making.width, "height": making.height}
        for name, pixels in sides.items():
            if name in signature.parameters:
                found[name] = rounded_up(pixels, making.size_multiple or factors.multiple)
    frames, seconds = signature.first(FRAMES), signature.first(SECONDS)
    if frames is not None and making.duration_s:
        found[frames] = frames_for(making.duration_s, making.fps, factors.temporal)
    elif seconds is not None and making.duration_s:
        found[seconds] = making.duration_s
    return found


def rounded_up(pixels: int, multiple: int) -> int:
    """Return the next multiple."""
    return -(-pixels // multiple) * multiple


def frames_for(duration_s: float, fps: float, temporal: int) -> int:
    """Return the number of frames of the form `temporal` * n + 1 nearest to a duration."""
    return max(1, math.floor(duration_s * fps / temporal + 0.5)) * temporal + 1


def fps_of(options: ModelOptions, signature: Signature) -> float:
    """Return how many frames a second has: as the operator says, or as the model was made."""
    if options.fps is not None:
        return options.fps
    rate = signature.first(RATES)
    default = None if rate is None else signature.parameters[rate].default
    if isinstance(default, int | float) and default > 0:
        return float(default)
    native = (fps for name, fps in NATIVE_FPS.items() if signature.class_name.startswith(name))
    return next(native, FPS_DEFAULT)


def duration_s_of(order: Order, references: tuple[FetchedReference, ...]) -> float:
    """Return the ordered length in seconds; an edit is as long as the clip it edits."""
    if order.kind is MediaKind.IMAGE or order.duration_s > 0:
        return float(order.duration_s)
    sources = [fetched for fetched in references if fetched.reference.role is Role.SOURCE]
    return sources[0].duration_ms / 1000 if sources else DURATION_S_DEFAULT


def media_of(references: tuple[FetchedReference, ...], signature: Signature) -> tuple[Medium, ...]:
    """Return which argument each reference is for; raises Unfit where one has no place."""
    found: list[Medium] = []
    for fetched in references:
        argument = _place(fetched, signature)
        kind = fetched.reference.kind
        if argument is None:
            word = f"{kind} ({fetched.reference.role})"
            raise Unfit(f"{signature.class_name} has no place for this {word}.")
        many = kind is MediaKind.IMAGE and signature.takes_many(argument)
        if not many and any(medium.argument == argument for medium in found):
            raise Unfit(f"{signature.class_name} takes one {kind} only.")
        found.append(Medium(argument=argument, kind=kind, path=str(fetched.path), many=many))
    given = {medium.argument for medium in found}
    for name in ("image", "video"):
        if signature.needs(name) and name not in given:
            raise Unfit(f"{signature.class_name} cannot do without {name}.")
    return tuple(found)


def _place(fetched: FetchedReference, signature: Signature) -> str | None:
    match fetched.reference.kind, fetched.reference.role:
        case MediaKind.IMAGE, Role.LAST_FRAME:
            return signature.first(("last_image",))
        case MediaKind.IMAGE, Role.REFERENCE:
            return signature.first(("reference_images", *IMAGES))
        case MediaKind.IMAGE, _:
            return signature.first(IMAGES)
        case MediaKind.VIDEO, _:
            return signature.first(("video",))
        case _:
            return None
