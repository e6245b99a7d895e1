"""Reuse: an equal task with an explicit seed may show the media of an earlier one, for nothing.

Clients ask for it per request. Equal means: the same account and kind of key, the same model
exactly as it is declared now, made by the same provider, and the same normalised inputs, seed
included. URLs are compared as text: who changes the picture behind one should not ask for reuse.
"""

import hashlib

import orjson

from kinetoscope.catalog.model import Model
from kinetoscope.kernel.order import Order

SEED = "seed"


def cache_key(model: Model, order: Order, provider: str, *, is_test: bool) -> bytes | None:
    """Name what a task will make; None where its seed is left to chance."""
    if order.seed is None:  # as `obstacle` tells
        return None
    declared = hashlib.sha256(repr(model).encode()).hexdigest()
    inputs = dict(order.inputs)
    made = [declared, provider, is_test, order.seed, inputs]
    return hashlib.sha256(orjson.dumps(made, option=orjson.OPT_SORT_KEYS)).digest()


def takes_seed(model: Model) -> bool:
    """Whether what a model makes can ever be shown again."""
    return any(field.name == SEED for field in model.fields)


def obstacle(model: Model, order: Order, *, is_rehearsal: bool) -> str | None:
    """Say why a request can never be answered with an earlier task's media; None if it can."""
    if not takes_seed(model):
        return f"The model {model.id} takes no {SEED}, so no two of its tasks are equal"
    if order.seed is None:
        return f"Without a {SEED} in the inputs no two tasks are equal"
    return "A rehearsal is always played" if is_rehearsal else None
