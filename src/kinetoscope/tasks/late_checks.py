"""Late checks: what a model demands of its media shows only once they are here.

A task that fails them was taken, and ends in `fail` with `InvalidParameter`, unpaid, before any
provider hears of it. https://github.com/kinovi-ai/kinovi-models ("Reference media")
"""

from kinetoscope.catalog.fields import Media
from kinetoscope.catalog.model import Model
from kinetoscope.kernel.order import MediaKind, Order
from kinetoscope.providers.contract import FetchedReference
from kinetoscope.tasks.task import Failure

SLACK_MS = 100
"""An honest clip runs over by a few frames."""

Fetched = tuple[FetchedReference, ...]


def check(model: Model, order: Order, fetched: Fetched) -> Failure | None:
    """Return why the media of an order do not fit its model, the first reason found."""
    for field in model.media:
        own = tuple(found for found in fetched if found.reference.kind is field.kind)
        problem = own and (
            _alone(field, fetched)
            or _sides(field, own)
            or _lengths(field, own)
            or _together(field, own, order)
        )
        if problem:
            return Failure(code="InvalidParameter", message=problem)
    return None


def _alone(field: Media, fetched: Fetched) -> str | None:
    if field.never_alone and all(found.reference.kind is field.kind for found in fetched):
        others = " or ".join(_a(kind) for kind in MediaKind if kind is not field.kind)
        return f"Reference {field.kind} cannot stand alone. Add {others}."
    return None


def _sides(field: Media, own: Fetched) -> str | None:
    least, most = field.side_pixels_min, field.side_pixels_max
    for found in own:
        sides = (found.width, found.height)
        if not _within(min(sides), least, None) or not _within(max(sides), None, most):
            return (
                f"{_named(found)} has {found.width}x{found.height} pixels. "
                f"Each side must have {_range(least, most)} pixels."
            )
    return None


def _lengths(field: Media, own: Fetched) -> str | None:
    least, most = field.item_s_min, field.item_s_max
    for found in own:
        if not _lasts(found.duration_ms, least, most):
            return (
                f"{_named(found)} lasts {_seconds(found.duration_ms)} seconds. "
                f"It must last {_range(least, most)} seconds."
            )
    return None


def _together(field: Media, own: Fetched, order: Order) -> str | None:
    total_ms = sum(found.duration_ms for found in own)
    if not _lasts(total_ms, None, field.total_s_max):
        return (
            f"The reference {field.kind}s last {_seconds(total_ms)} seconds together. "
            f"They may last {field.total_s_max} seconds."
        )
    with_output_ms = total_ms + order.duration_s * 1000
    if not _lasts(with_output_ms, None, field.total_with_output_s_max):
        return (
            f"The reference {field.kind}s and the output last {_seconds(with_output_ms)} seconds "
            f"together. They may last {field.total_with_output_s_max} seconds."
        )
    return None


def _lasts(duration_ms: int, least_s: int | None, most_s: int | None) -> bool:
    return _within(
        duration_ms,
        None if least_s is None else least_s * 1000 - SLACK_MS,
        None if most_s is None else most_s * 1000 + SLACK_MS,
    )


def _within(value: int, least: int | None, most: int | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _range(least: int | None, most: int | None) -> str:
    if least is None:
        return f"at most {most}"
    return f"at least {least}" if most is None else f"{least} to {most}"


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms / 1000:.1f}"


def _named(found: FetchedReference) -> str:
    return f"Reference {found.reference.kind} {found.reference.number}"


def _a(kind: MediaKind) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
