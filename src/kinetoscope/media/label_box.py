"""Labels in MP4, MOV and M4A: a box with XMP behind everything else, so that no offset moves.

ISO/IEC 14496-12 §4.2; Adobe, XMP Specification Part 3 §1.2.3 and §1.2.8.
"""

from typing import BinaryIO

from kinetoscope.media.label import Label, Pieces, Range, Sealed, Unlabelled, read_at, size_of

_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_BOXES_MAX = 200_000
_HEAD_BYTES = 8
_LONG_HEAD_BYTES = 16
_UUID_BYTES = 16


def label_boxes(file: BinaryIO, label: Label) -> Pieces:
    """Say it in XMP, where nobody else has yet. Raises Unlabelled."""
    end = size_of(file)
    place = end
    offset = 0
    for _ in range(_BOXES_MAX):
        if offset == end:
            break
        head = read_at(file, offset, _HEAD_BYTES)
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        head_bytes = _HEAD_BYTES
        if size == 1:
            head_bytes = _LONG_HEAD_BYTES
            size = int.from_bytes(read_at(file, offset + _HEAD_BYTES, 8), "big")
        if size < head_bytes or offset + size > end:
            # Among them a last box that runs to the end of the file, wherever that is.
            raise Unlabelled("is not made of whole boxes")
        if kind == b"uuid" and size >= head_bytes + _UUID_BYTES:
            _refuse(read_at(file, offset + head_bytes, _UUID_BYTES))
        if kind == b"mfra" and offset + size == end:
            # Readers look for this one at the very end.
            place = offset
        offset += size
    if offset != end:
        raise Unlabelled("has too many boxes")
    data = b"uuid" + _XMP + label.xmp
    return [Range(0, place), (len(data) + 4).to_bytes(4, "big") + data, Range(place, end)]


def _refuse(uuid: bytes) -> None:
    if uuid == _C2PA:
        raise Sealed("carries a manifest")
    if uuid == _XMP:
        raise Unlabelled("has XMP already")
