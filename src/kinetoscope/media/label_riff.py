"""Labels in WebP and WAV, both RIFF: a chunk with XMP at the end, and for WAV one with words.

https://developers.google.com/speed/webp/docs/riff_container; Microsoft's RIFF, LIST INFO;
Adobe, XMP Specification Part 3 §1.1.8 (WAV).
"""

from typing import BinaryIO, NamedTuple

from kinetoscope.media.label import Label, Pieces, Range, Sealed, Unlabelled, read_at, size_of

_HEAD_BYTES = 12
_CHUNKS_MAX = 200_000
_SIZE_MAX = 0xFFFFFFFF
_WEBP_XMP = 0x04
_WEBP_ALPHA = 0x10
_VP8X_BYTES = 10


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    """Of its data."""


def label_wav(file: BinaryIO, label: Label) -> Pieces:
    """Say it in LIST INFO and, where nobody else has yet, in XMP. Raises Unlabelled."""
    chunks = _chunks(file, b"WAVE")
    words = b"INFO" + _chunk(b"ISFT", label.software.encode() + b"\0")
    added = _chunk(b"LIST", words + _chunk(b"ICMT", label.comment.encode() + b"\0"))
    if not any(chunk.kind == b"_PMX" for chunk in chunks):
        added += _chunk(b"_PMX", label.xmp)
    return _with(file, b"WAVE", [Range(_HEAD_BYTES, size_of(file))], added)


def label_webp(file: BinaryIO, label: Label) -> Pieces:
    """Say it in XMP, which WebP needs its extended header for. Raises Unlabelled."""
    chunks = _chunks(file, b"WEBP")
    if not chunks:
        raise Unlabelled("is empty")
    if any(chunk.kind == b"XMP " for chunk in chunks):
        raise Unlabelled("has XMP already")
    first = chunks[0]
    body: Pieces
    if first.kind == b"VP8X":
        flags = read_at(file, first.start, 1)[0] | _WEBP_XMP
        body = [
            Range(_HEAD_BYTES, first.start),
            bytes((flags,)),
            Range(first.start + 1, size_of(file)),
        ]
    else:
        body = [_chunk(b"VP8X", _extended(file, first)), Range(_HEAD_BYTES, size_of(file))]
    return _with(file, b"WEBP", body, _chunk(b"XMP ", label.xmp))


def _extended(file: BinaryIO, first: _Chunk) -> bytes:
    """Return the extended header of a simple file: its flags, and its size less one."""
    head = read_at(file, first.start, _VP8X_BYTES)
    flags = _WEBP_XMP
    if first.kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        width = int.from_bytes(head[6:8], "little") & 0x3FFF
        height = int.from_bytes(head[8:10], "little") & 0x3FFF
    elif first.kind == b"VP8L" and head[0] == 0x2F:  # noqa: PLR2004 - its signature
        bits = int.from_bytes(head[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags |= _WEBP_ALPHA if bits >> 28 & 1 else 0
    else:
        raise Unlabelled("begins with no picture")
    if width == 0 or height == 0:
        raise Unlabelled("is empty")
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes((flags, 0, 0, 0)) + size


def _chunks(file: BinaryIO, form: bytes) -> list[_Chunk]:
    head = read_at(file, 0, _HEAD_BYTES)
    end = size_of(file)
    # Where the padding of the last chunk was left out, or not counted, readers do not mind.
    if head[:4] != b"RIFF" or head[8:] != form or not 0 <= end - 8 - _u32(head[4:8]) <= 1:
        raise Unlabelled("is not as long as it says")
    chunks: list[_Chunk] = []
    offset = _HEAD_BYTES
    while offset + 8 <= end and len(chunks) < _CHUNKS_MAX:
        frame = read_at(file, offset, 8)
        if frame[:4] == b"C2PA":
            raise Sealed("carries a manifest")
        chunks.append(_Chunk(frame[:4], offset + 8))
        offset += 8 + _padded(_u32(frame[4:]))
    if not end <= offset <= end + 1:
        raise Unlabelled("has something that is no chunk at its end")
    return chunks


def _with(file: BinaryIO, form: bytes, body: Pieces, added: bytes) -> Pieces:
    padding = b"\0" * (size_of(file) % 2)
    size = len(form) + len(padding) + len(added)
    size += sum(len(part) if isinstance(part, bytes) else part.end - part.start for part in body)
    if size > _SIZE_MAX:
        raise Unlabelled("is too long for one more chunk")
    return [b"RIFF" + size.to_bytes(4, "little") + form, *body, padding + added]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def _u32(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _padded(size: int) -> int:
    return size + size % 2
