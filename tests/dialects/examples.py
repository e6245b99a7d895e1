"""What the matrix of callers knows of a dialect's route: a good request by whom it concerns."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What alice has, and others must not reach: three tasks, and the name of an upload.

    Two make pictures, `clip` is a video that is there. The upload's address is the permission to
    read it, for whoever has it.
    """

    ended: str
    running: str
    clip: str
    upload: str
    upload_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A good request by the owner of what it names, if it names anything of somebody's.

    `json` is sent as such; with `files` it is a form, of `form` and of files by their fields.
    `content` is a body of another kind.
    """

    path: str = ""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    json: object = None
    content: bytes | None = None
    form: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes, str]] = field(default_factory=dict)
    names_something: bool = False


Make = Callable[[Things], Example]
