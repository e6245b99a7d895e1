"""Labels in MP3 and AAC (an ID3 tag in front) and in FLAC (Vorbis comments).

https://id3.org/id3v2.4.0-structure; https://www.rfc-editor.org/rfc/rfc9639 §8.6.
"""

from typing import BinaryIO

from kinetoscope.media.label import Label, Pieces, Range, Sealed, Unlabelled, read_at, size_of

_ID3_HEAD_BYTES = 10
_ID3_SIZE_MAX = 1 << 28
_TAG_BYTES_MAX = 64 * 1024 * 1024
_LATIN_1 = b"\0"
_FLAC_COMMENTS = 4
_FLAC_LAST = 0x80
_FLAC_BLOCKS_MAX = 4096
_FLAC_BLOCK_BYTES_MAX = (1 << 24) - 1


def label_id3(file: BinaryIO, label: Label) -> Pieces:
    """Say it in a comment frame, at the head of the tag that is there or of a new one."""
    head = read_at(file, 0, _ID3_HEAD_BYTES)
    comment = _LATIN_1 + b"eng\0" + label.comment.encode("latin-1", "replace")
    software = _LATIN_1 + label.software.encode("latin-1", "replace")
    if not head.startswith(b"ID3"):
        frames = _frame(b"COMM", comment, 4) + _frame(b"TENC", software, 4)
        return [_id3(4, len(frames)) + frames, Range(0, size_of(file))]
    version, flags, size = head[3], head[5], _unsynchsafe(head[6:])
    if version not in {3, 4} or flags != 0:
        raise Unlabelled("has a tag of a kind that nobody writes")
    _refuse_manifest(file, size)
    frames = _frame(b"COMM", comment, version) + _frame(b"TENC", software, version)
    rest = Range(_ID3_HEAD_BYTES, size_of(file))
    return [_id3(version, size + len(frames)) + frames, rest]


def _refuse_manifest(file: BinaryIO, size: int) -> None:
    if size > _TAG_BYTES_MAX:
        raise Unlabelled("has a tag too long to look through")
    if b"application/c2pa" in read_at(file, _ID3_HEAD_BYTES, size):
        raise Sealed("carries a manifest")


def _id3(version: int, size: int) -> bytes:
    if size >= _ID3_SIZE_MAX:
        raise Unlabelled("has no room for one more frame")
    return b"ID3" + bytes((version, 0, 0)) + _synchsafe(size)


def _frame(name: bytes, data: bytes, version: int) -> bytes:
    size = _synchsafe(len(data)) if version == 4 else len(data).to_bytes(4, "big")  # noqa: PLR2004
    return name + size + b"\0\0" + data


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _unsynchsafe(data: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=True))


def label_flac(file: BinaryIO, label: Label) -> Pieces:
    """Say it in two more Vorbis comments. Raises Unlabelled."""
    if read_at(file, 0, 4) != b"fLaC":
        raise Unlabelled("begins with no FLAC")
    ours = [f"COMMENT={label.comment}", f"ENCODED-BY={label.software}"]
    added = b"".join(_vorbis(text.encode()) for text in ours)
    offset = 4
    for _ in range(_FLAC_BLOCKS_MAX):
        head = read_at(file, offset, 4)
        size, start = int.from_bytes(head[1:], "big"), offset + 4
        if head[0] & ~_FLAC_LAST == _FLAC_COMMENTS:
            said = _said(read_at(file, start, size), added, len(ours))
            return [
                Range(0, offset),
                head[:1] + len(said).to_bytes(3, "big") + said,
                Range(start + size, size_of(file)),
            ]
        if head[0] & _FLAC_LAST:
            raise Unlabelled("has no comments")
        offset = start + size
    raise Unlabelled("has too many blocks")


def _said(block: bytes, added: bytes, count: int) -> bytes:
    """Return a block of comments with ours in front of those that it has."""
    place = 4 + int.from_bytes(block[:4], "little")
    if place + 4 > len(block) or len(block) + len(added) > _FLAC_BLOCK_BYTES_MAX:
        raise Unlabelled("has comments that cannot be read")
    comments = int.from_bytes(block[place : place + 4], "little") + count
    return block[:place] + comments.to_bytes(4, "little") + added + block[place + 4 :]


def _vorbis(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data
