"""Which model a client means: by our id, by its name elsewhere, or as the operator chose.

What is none of these is refused. No model is ever made in the place of one that we do not have,
unless the operator said so (KINETOSCOPE_MODEL_NAMES).
"""

import difflib
from collections.abc import Mapping

import structlog

from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.errors import UnknownModel
from kinetoscope.kernel.order import MediaKind

log = structlog.get_logger(__name__)

OWNER = "kinetoscope"
"""Before our ids, for clients whose names have an owner: `kinetoscope/seedance-20`."""

NAME_LENGTH_MAX = 200

DEEDS = frozenset(
    {
        "edit",
        "image-to-image",
        "image-to-video",
        "reference-to-image",
        "reference-to-video",
        "text-to-audio",
        "text-to-image",
        "text-to-video",
        "video-to-video",
    }
)
"""What may stand behind a model's name in a path: our models see by their inputs what to do."""

Names = Mapping[str, Model]


def names_of(catalog: Catalog, chosen: Mapping[str, str]) -> Names:
    """Return every name there is for a model; `chosen` are the operator's, and come first."""
    names: dict[str, Model] = {}
    for model in catalog.models:
        for name in model.known_as:
            names.setdefault(name, model)
    for model in catalog.models:
        names[model.id] = names[f"{OWNER}/{model.id}"] = model
    for name, model_id in chosen.items():
        model_meant = catalog.models_by_id.get(model_id)
        if model_meant is None:
            log.error("model_name.not_used", name=name, model=model_id)
        else:
            names[name] = model_meant
    return names


def find(names: Names, stated: str, kind: MediaKind | None = None) -> Model:
    """Return the model that a name stands for.

    Raises UnknownModel, which names similar ones: of a `kind`, where only such would do.
    """
    return names[resolved(names, stated, kind)]


def resolved(names: Names, stated: str, kind: MediaKind | None = None) -> str:
    """Return the name itself, of those there are, that somebody states; raises as `find` does.

    What stands around it, slashes and what to do, is left out: it is what may be kept of a name.
    """
    if len(stated) > NAME_LENGTH_MAX:
        raise UnknownModel(f"Unknown model: no name is longer than {NAME_LENGTH_MAX} characters.")
    name = stated.strip("/")
    while name:
        if name in names:
            return name
        name, _, deed = name.rpartition("/")
        if deed not in DEEDS:
            break
    fitting = [name for name, model in names.items() if kind in {None, model.kind}]
    nearest = difflib.get_close_matches(stated, fitting, n=3, cutoff=0.4)
    hint = f" Nearest: {', '.join(nearest)}." if nearest else ""
    raise UnknownModel(f"Unknown model {stated!r}.{hint} All of them: /models")
