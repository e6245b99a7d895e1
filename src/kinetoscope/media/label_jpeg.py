"""Labels in JPEG: XMP in a segment of its own, and a comment, behind JFIF's and EXIF's segments.

ISO/IEC 10918-1 Annex B; Adobe, XMP Specification Part 3 §1.1.3.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from kinetoscope.media.label import Label, Pieces, Range, Sealed, Unlabelled, read_at, size_of

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_START = b"\xff\xd8"
_APP0, _APP1, _APP11, _COMMENT, _SCAN = 0xE0, 0xE1, 0xEB, 0xFE, 0xDA
_SEGMENTS_MAX = 4096
_SEGMENT_BYTES_MAX = 0xFFFF


class _Segment(NamedTuple):
    marker: int
    start: int
    end: int
    begins: bytes


def label_jpeg(file: BinaryIO, label: Label) -> Pieces:
    """Say it in a comment and, where nobody else has yet, in XMP. Raises Unlabelled."""
    if read_at(file, 0, 2) != _START:
        raise Unlabelled("is no JPEG")
    place = len(_START)
    has_xmp = False
    for segment in _segments(file):
        if segment.marker == _APP11 and segment.begins.startswith(b"JP"):
            raise Sealed("carries a manifest")
        has_xmp = has_xmp or segment.begins.startswith(_XMP)
        if segment.start == place and _comes_first(segment):
            place = segment.end
    added = _segment(_COMMENT, label.comment.encode())
    if not has_xmp:
        added = _segment(_APP1, _XMP + label.xmp) + added
    return [Range(0, place), added, Range(place, size_of(file))]


def _comes_first(segment: _Segment) -> bool:
    is_exif = segment.marker == _APP1 and segment.begins.startswith(b"Exif\0")
    return segment.marker == _APP0 or is_exif


def _segments(file: BinaryIO) -> Iterator[_Segment]:
    offset = len(_START)
    for _ in range(_SEGMENTS_MAX):
        fill, marker, *length = read_at(file, offset, 4)
        if fill != 0xFF:  # noqa: PLR2004 - every marker begins so
            raise Unlabelled("has something between its segments")
        if marker == _SCAN:
            return
        end = offset + 2 + int.from_bytes(length, "big")
        count = min(len(_XMP), end - offset - 4)
        if count < 0:
            raise Unlabelled("has a segment shorter than nothing")
        yield _Segment(marker, offset, end, read_at(file, offset + 4, count))
        offset = end
    raise Unlabelled("has too many segments")


def _segment(marker: int, data: bytes) -> bytes:
    length = len(data) + 2
    if length > _SEGMENT_BYTES_MAX:
        raise Unlabelled("has no room for so long a label")
    return bytes((0xFF, marker)) + length.to_bytes(2, "big") + data
