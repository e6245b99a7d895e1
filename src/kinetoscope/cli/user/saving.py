"""Where files go: looked at before anything is asked or paid, and saved at the end."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from kinetoscope.cli.user.connection import HERE, INTERRUPTED, USAGE, fail, say
from kinetoscope.cli.user.formats import format_of, format_of_type
from kinetoscope.cli.user.written import Written
from kinetoscope.client import Kinetoscope, Task
from kinetoscope.client.downloading import name_of, numbered

INTERRUPTION = "Interrupted"

FOLDER_ENDINGS = ("/", os.sep)

Output = Annotated[
    str, typer.Option("--output", "-o", help="A file or a folder; several files are numbered.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


@contextmanager
def interruptible(told: str, *, as_json: bool, **data: Written) -> Iterator[None]:
    """Let Ctrl-C end the command, and say how things stand then."""
    try:
        yield
    except KeyboardInterrupt:
        message = f"interrupted; {told}"
        raise fail(message, INTERRUPTED, as_json=as_json, kind=INTERRUPTION, **data) from None


def file_of(output: str) -> Path | None:
    """Return the file that somebody wants; None where it is a folder, or nothing was said."""
    path = Path(output).expanduser()
    return None if not output or output.endswith(FOLDER_ENDINGS) or path.is_dir() else path


def require_place(output: str, *, as_json: bool) -> None:
    """See to it that there is somewhere to save, before anything is asked or costs.

    A folder that is wanted may be missing, and is made then; the one that it is in must be there.
    """
    path = Path(output or ".").expanduser()
    try:
        folder = path if path.is_dir() else path.parent
        is_there = folder.is_dir()
        is_file = output.endswith(FOLDER_ENDINGS) and os.path.lexists(path) and not path.is_dir()
    except OSError as error:  # no name that this machine can give
        raise fail(str(error), USAGE, as_json=as_json) from None
    if not is_there:
        raise fail(f"there is no folder {folder}", USAGE, as_json=as_json)
    if is_file:
        raise fail(f"{path} is a file, not a folder", USAGE, as_json=as_json)
    if not os.access(folder, os.W_OK):
        raise fail(f"nothing can be written to {folder}", USAGE, as_json=as_json)


def require_free(output: str, files: int, *, as_json: bool) -> None:
    """See to it that the names are free, before anything costs."""
    path = file_of(output)
    for each in () if path is None else numbered(path, files):
        if os.path.lexists(each):
            raise fail(_is_there(each), USAGE, as_json=as_json)


def saved(
    client: Kinetoscope,
    task: Task,
    output: str,
    *,
    force: bool,
    as_json: bool,
    is_new: bool = False,
) -> Sequence[Path]:
    """Save a task's files where somebody wants them, or under its id; return where they are.

    Of a task that is new, whose id was told to nobody, what goes wrong says how to have its files.
    """
    path = Path(output or f"{task.id}{_suffix(task)}").expanduser()
    slash = "/" if output.endswith(FOLDER_ENDINGS) else ""
    later = f"`kinetoscope tasks download {task.id}` has the files"
    tail = f"; {later}" if is_new else ""
    try:
        with interruptible(later, as_json=as_json, taskId=task.id):
            paths = client.download(task, f"{path}{slash}", overwrite=force)
    except FileExistsError as error:
        message = f"{_is_there(error.filename)}{tail}"
        raise fail(message, USAGE, as_json=as_json, taskId=task.id) from None
    except OSError as error:
        message = f"{path} cannot be saved: {error.strerror or error}{tail}"
        raise fail(message, HERE, as_json=as_json, kind="OSError", taskId=task.id) from None
    for output_of, place in zip(task.outputs, paths, strict=True):
        _warn(output_of.media_type, place)
    return paths


def _is_there(place: object) -> str:
    return f"{place} is there already; --force replaces it"


def _warn(media_type: str, path: Path) -> None:
    made, promised = format_of_type(media_type), format_of(path)
    if made and promised and made != promised:
        say(f"{path} is {made}, whatever its name says")


def _suffix(task: Task) -> str:
    return PurePosixPath(name_of(task.outputs[0].url)).suffix if task.outputs else ""
