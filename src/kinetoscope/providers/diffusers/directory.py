"""A pipeline's directory, looked at without loading anything. Pure but for reading it."""

import json
from pathlib import Path

from kinetoscope.kernel.errors import KinetoscopeError

INDEX = "model_index.json"
INDEX_BYTES_MAX = 1024 * 1024
PICKLES = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
"""Weights that run whatever program they bring. They are not loaded, ever."""


class DirectoryInvalid(KinetoscopeError):
    """A directory holds no pipeline that could be loaded; the text says why."""


def class_name_of(directory: Path) -> str:
    """Return which pipeline class a directory is for; raises DirectoryInvalid."""
    path = directory / INDEX
    try:
        if path.stat().st_size > INDEX_BYTES_MAX:
            raise DirectoryInvalid(f"{path} is far too large")
        index = json.loads(path.read_bytes())
    except OSError as error:
        raise DirectoryInvalid(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise DirectoryInvalid(f"{path} is not JSON") from None
    name = index.get("_class_name") if isinstance(index, dict) else None
    if not isinstance(name, str):
        raise DirectoryInvalid(f"{path} names no class of diffusers")
    _refuse_pickles(directory, index)
    return name


def _refuse_pickles(directory: Path, index: dict[str, object]) -> None:
    """Complain about a part whose weights are there only as pickle."""
    for part, stated in index.items():
        if not isinstance(stated, list) or not (directory / part).is_dir():
            continue
        endings = {path.suffix for path in (directory / part).iterdir()}
        if endings & PICKLES and ".safetensors" not in endings:
            raise DirectoryInvalid(
                f"{directory / part} has weights that can run programs; convert to safetensors"
            )
