"""What the writers of labels share: what is said in a file, and a file made of another's pieces.

A writer never copies media itself. It answers with pieces, bytes of its own and ranges of the
file it was given, so that whatever it adds, every byte of picture and sound is the one it was.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

COPY_BYTES = 1024 * 1024


class Label(NamedTuple):
    """What a file says of its making: a sentence for people, and XMP for everything else."""

    software: str
    comment: str
    xmp: bytes


class Range(NamedTuple):
    """Bytes of the file as it was: `start` up to, not including, `end`."""

    start: int
    end: int


Pieces = list[bytes | Range]


class Unlabelled(Exception):
    """The file is left as it is; the text says why."""


class Sealed(Unlabelled):
    """The file carries a C2PA manifest of its maker's: one more byte would break its seal."""


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Return exactly so many bytes; raises Unlabelled where the file has fewer."""
    file.seek(offset)
    found = file.read(count)
    if len(found) != count:
        raise Unlabelled("ends too early")
    return found


def size_of(file: BinaryIO) -> int:
    """Return how long a file is."""
    return file.seek(0, 2)


def write_pieces(file: BinaryIO, pieces: Iterable[bytes | Range], target: Path) -> None:
    """Write the pieces out, one after the other."""
    with target.open("wb") as copy:
        for piece in pieces:
            if isinstance(piece, bytes):
                copy.write(piece)
                continue
            file.seek(piece.start)
            left = piece.end - piece.start
            while left > 0:
                part = file.read(min(left, COPY_BYTES))
                if not part:
                    raise Unlabelled("ends too early")
                copy.write(part)
                left -= len(part)
