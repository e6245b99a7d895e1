"""Folders of TOML files that an operator writes: a bad one is refused whole, the others go on."""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from kinetoscope.kernel.toml_lines import line_at
from kinetoscope.kernel.toml_tables import DeclarationInvalid, Table

Read = TypeVar("Read")

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a file is not used, and which line of it says so."""

    file: Path
    line: int
    reason: str

    @override
    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file's text, and where it is from."""

    path: Path
    text: str

    def table(self) -> Table:
        """Return what it holds; raises DeclarationInvalid where it is not TOML."""
        return parse(self.path.name, self.text)

    def problem(self, error: DeclarationInvalid) -> Problem:
        """Say where in the file an error is."""
        line = error.line or line_at(self.text, error.path)
        return Problem(file=self.path, line=line, reason=f"{error.key}: {error.reason}")


def parse(file: str, text: str) -> Table:
    """Parse a text; raises DeclarationInvalid."""
    try:
        return Table(file, "", tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # tomllib.TOMLDecodeError, or int's own limits
        said = str(error)
        place = _PLACE.search(said)
        line = 1
        if place is not None:
            line = int(place[1]) if place[1] else text.count("\n") + 1
        reason = f"is not TOML: {_PLACE.sub('', said)}"
        raise DeclarationInvalid(file, "file", reason, line=line) from None


def sources(folder: Path) -> tuple[tuple[Source, ...], tuple[Problem, ...]]:
    """Read every `*.toml` of a folder in the order of their names; there may be no such folder."""
    found: list[Source] = []
    problems: list[Problem] = []
    try:
        paths = sorted(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        paths = []
        problems.append(_unreadable(folder, error))
    for path in paths:
        if path.suffix != ".toml" or path.name.startswith("."):
            continue
        try:
            found.append(Source(path=path, text=_text_of(path)))
        except (OSError, ValueError) as error:
            problems.append(_unreadable(path, error))
    return tuple(found), tuple(problems)


def each(
    sources: Iterable[Source], read: Callable[[Source], Read]
) -> tuple[dict[Source, Read], tuple[Problem, ...]]:
    """Make something of every source; what cannot be used is left out, with the reason."""
    made: dict[Source, Read] = {}
    problems: list[Problem] = []
    for source in sources:
        try:
            made[source] = read(source)
        except DeclarationInvalid as error:
            problems.append(source.problem(error))
    return made, tuple(problems)


def _text_of(path: Path) -> str:
    if not path.is_file():  # reading a pipe would never end
        raise ValueError("is not a file")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not a text file in UTF-8") from None


def _unreadable(path: Path, error: OSError | ValueError) -> Problem:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Problem(file=path, line=1, reason=f"cannot be read: {reason}")
