"""Labels in PNG: XMP and text chunks right after the header.

https://www.w3.org/TR/png-3/#11textinfo
"""

import zlib
from typing import BinaryIO

from kinetoscope.media.label import Label, Pieces, Range, Sealed, Unlabelled, read_at, size_of

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 33
_CHUNK_FRAME_BYTES = 12
_CHUNKS_MAX = 200_000
_XMP = b"XML:com.adobe.xmp\0"


def label_png(file: BinaryIO, label: Label) -> Pieces:
    """Say it in `Software`, `Source` and, where nobody else has yet, in XMP. Raises Unlabelled."""
    if not read_at(file, 0, 16).startswith(_SIGNATURE + b"\0\0\0\rIHDR"):
        raise Unlabelled("is no PNG")
    added = _text(b"Software", label.software) + _text(b"Source", label.comment)
    if not _has_xmp(file):
        added += _chunk(b"iTXt", _XMP + b"\0\0\0\0" + label.xmp)
    return [Range(0, _HEADER_END), added, Range(_HEADER_END, size_of(file))]


def _has_xmp(file: BinaryIO) -> bool:
    found = False
    offset = len(_SIGNATURE)
    for _ in range(_CHUNKS_MAX):
        head = read_at(file, offset, 8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return found
        if kind == b"caBX":
            raise Sealed("carries a manifest")
        found = found or (kind == b"iTXt" and length > len(_XMP) and _is_xmp(file, offset))
        offset += length + _CHUNK_FRAME_BYTES
    raise Unlabelled("has too many chunks")


def _is_xmp(file: BinaryIO, offset: int) -> bool:
    return read_at(file, offset + 8, len(_XMP)) == _XMP


def _text(keyword: bytes, text: str) -> bytes:
    return _chunk(b"tEXt", keyword + b"\0" + text.encode("latin-1", "replace"))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
