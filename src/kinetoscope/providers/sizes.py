"""The size of a picture or clip, where an order leaves it to the shape of what it is given."""

import math

from kinetoscope.kernel.order import Order, Size
from kinetoscope.providers.contract import FetchedReference


def size_of(order: Order, references: tuple[FetchedReference, ...]) -> Size | None:
    """Return the ordered size, or of those on offer the one shaped most like the first reference.

    None where there are none on offer.
    """
    shape = shape_of(references)
    if order.size is not None or not order.sizes:
        return order.size
    if shape is None:
        return order.sizes[0]
    return min(order.sizes, key=lambda size: shape_off(size, shape))


def shape_of(references: tuple[FetchedReference, ...]) -> float | None:
    """Return the width by the height of the first picture or clip."""
    return next((each.width / each.height for each in references if each.height), None)


def shape_off(size: Size, shape: float) -> float:
    """Return how far a size is from a shape, as a natural logarithm."""
    return abs(math.log(size.width / size.height / shape))
