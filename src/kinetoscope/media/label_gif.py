"""Labels in GIF: a comment and XMP, before the first picture.

https://www.w3.org/Graphics/GIF/spec-gif89a.txt §24, §26; Adobe, XMP Specification Part 3 §1.1.2.
"""

from typing import BinaryIO

from kinetoscope.media.label import Label, Pieces, Range, Sealed, Unlabelled, read_at, size_of

_HEAD_BYTES = 13
_HAS_TABLE = 0x80
_TABLE_SIZE = 0x07
_EXTENSIONS_MAX = 64
_BLOCKS_MAX = 100_000
_BLOCK_BYTES_MAX = 255
_APPLICATION = b"\x21\xff\x0b"
_XMP = _APPLICATION + b"XMP DataXMP"
# Wherever a reader of sub-blocks finds itself in the packet, these lead it to the end.
_XMP_END = b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def label_gif(file: BinaryIO, label: Label) -> Pieces:
    """Say it in a comment and, where nobody else has yet, in XMP. Raises Unlabelled."""
    head = read_at(file, 0, _HEAD_BYTES)
    if head[:6] not in {b"GIF87a", b"GIF89a"}:
        raise Unlabelled("is no GIF")
    place = _HEAD_BYTES
    if head[10] & _HAS_TABLE:
        place += 3 << ((head[10] & _TABLE_SIZE) + 1)
    added = b"\x21\xfe" + _blocks(label.comment.encode())
    # How often to repeat is said in an application's extension, which readers want first.
    for _ in range(_EXTENSIONS_MAX):
        begins = read_at(file, place, len(_XMP))
        if not begins.startswith(_APPLICATION):
            added += _XMP + label.xmp + _XMP_END
            break
        if begins == _XMP:
            break
        if begins.endswith(b"C2PA_GIF\1\0\0"):
            raise Sealed("carries a manifest")
        place = _after_blocks(file, place + 2)
    # Extensions came with the second version of the format.
    return [b"GIF89a", Range(6, place), added, Range(place, size_of(file))]


def _after_blocks(file: BinaryIO, offset: int) -> int:
    for _ in range(_BLOCKS_MAX):
        length = read_at(file, offset, 1)[0]
        offset += 1 + length
        if length == 0:
            return offset
    raise Unlabelled("has too many blocks")


def _blocks(data: bytes) -> bytes:
    parts = [
        data[start : start + _BLOCK_BYTES_MAX] for start in range(0, len(data), _BLOCK_BYTES_MAX)
    ]
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"
