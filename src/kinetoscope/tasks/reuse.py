"""Reuse: an equal task with an explicit seed may show the media of an earlier one, for nothing.

Clients ask for it per request. Equal means: the same account and kind of key, the same model
exactly as it is declared now, made by the same provider, and the same normalised inputs, seed
included. URLs are compared as text: who changes the picture behind one should not ask for reuse.
"""

import hashlib

import orjson

from kinetoscope.catalog.model import Model
from kinetoscope.kernel.order import Order


def cache_key(model: Model, order: Order, provider: str, *, is_test: bool) -> bytes | None:
    """Name what a task will make; None where its seed is left to chance."""
    if order.seed is None:
        return None
    declared = hashlib.sha256(repr(model).encode()).hexdigest()
    inputs = dict(order.inputs)
    made = [declared, provider, is_test, order.seed, inputs]
    return hashlib.sha256(orjson.dumps(made, option=orjson.OPT_SORT_KEYS)).digest()
