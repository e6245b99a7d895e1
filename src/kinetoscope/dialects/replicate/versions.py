"""Which model a client means: by owner and name, or by one of the versions that Replicate numbers.

A version is 64 hexadecimal digits there. Ours follow from a model's id and from what is declared
of it, so that they are the same everywhere, and change when the model does.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import Catalog
from kinetoscope.dialects.names import OWNER, Names, find
from kinetoscope.kernel.errors import UnknownModel

VERSION = re.compile(r"[0-9a-f]{64}")

HIDDEN = "hidden"
"""The word for a version that nobody can name any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All models, by every name and by their versions."""

    names: Names
    by_version: Mapping[str, Model]


def shelf_of(catalog: Catalog, names: Names) -> Shelf:
    """Put the models on a shelf."""
    return Shelf(
        names=names,
        by_version={version_of(model): model for model in catalog.models},
    )


def version_of(model: Model) -> str:
    """Return a model's present version."""
    return hashlib.sha256(f"{model.id} {model.version}".encode()).hexdigest()


def full_name(model: Model) -> str:
    """Return a model's own name with its owner."""
    return f"{OWNER}/{model.id}"


def by_version(shelf: Shelf, stated: str) -> Model:
    """Return the model that a prediction's `version` names; raises UnknownModel.

    It may be the digits alone, `owner/name`, or `owner/name:digits`.
    """
    name, _, digits = stated.rpartition(":") if "/" in stated else ("", "", stated)
    if "/" in stated and not name:
        return find(shelf.names, stated)
    model = shelf.by_version.get(digits)
    if name:
        named = find(shelf.names, name)
        return require_version(named, digits)
    if model is None:
        if VERSION.fullmatch(digits):
            raise UnknownModel(
                "Invalid version. It does not exist, or the model has changed since: "
                "name the model, as owner/name."
            )
        return find(shelf.names, stated)
    return model


def require_version(model: Model, digits: str) -> Model:
    """Return a model whose version is meant; raises UnknownModel for another than the present."""
    if digits != version_of(model):
        raise UnknownModel(
            f"Invalid version. {full_name(model)} has one version, {version_of(model)}."
        )
    return model
