"""A size in pixels, or a word for a shape, as the inputs that make it; and who contradicts it."""

from collections.abc import Mapping
from math import log

from kinetoscope.catalog.model import Model
from kinetoscope.dialects.inputs import NOTHING, meaning, refused
from kinetoscope.kernel.order import Size

CUSTOM = "custom"
"""What some say for a shape that the size beside it tells."""


def sized(model: Model, size: Size, name: str) -> dict[str, object]:
    """Return the inputs that make a model's files exactly this large; raises InvalidInputs.

    `name` is the input that the size came by.
    """
    for resolution, ratios in model.sizes.items():
        for ratio, found in ratios.items():
            if found == size:
                inputs: dict[str, object] = {"aspectRatio": ratio}
                if model.resolution_name and resolution:
                    inputs[model.resolution_name] = resolution
                return {key: value for key, value in inputs.items() if key in model.fields_by_name}
    offered = sorted(
        {(each.width, each.height) for sizes in model.sizes.values() for each in sizes.values()}
    )
    if not offered:
        raise refused(name, f"{model.id} makes nothing that has a size")
    texts = ", ".join(f"{width}x{height}" for width, height in offered)
    width, height = min(offered, key=lambda each: _distance(size, *each))
    raise refused(
        name,
        f"{model.id} does not make {size.width}x{size.height}; the nearest is {width}x{height}. "
        f"It makes {texts}",
    )


def _distance(size: Size, width: int, height: int) -> tuple[float, float]:
    """Return how far another size is off, first in shape, then in pixels."""
    shape = log(width / height) - log(max(size.width, 1) / max(size.height, 1))
    return abs(shape), abs(width * height - size.width * size.height)


def agreed(
    model: Model, chosen: Mapping[str, object], inputs: Mapping[str, object], by: str
) -> dict[str, object]:
    """Return the inputs with those that a size chose, which came by the name `by`.

    Raises InvalidInputs for one that says another thing: the price may be another as well.
    """
    left = dict(inputs)
    for name in [name for name in inputs if meaning(model, name) in chosen]:
        meant, stated = chosen[meaning(model, name)], left.pop(name)
        word = str(stated).lower()
        if word not in {str(meant).lower(), CUSTOM, *NOTHING}:
            raise refused(name, f"{by} says {meant}; leave one of them out")
    return {**chosen, **left}
