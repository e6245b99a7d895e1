"""What a file is by its first bytes, so that its name and its sender have no say in it."""

import io
from typing import BinaryIO, NamedTuple

_HEAD_BYTES = 64

# Formats that wear another's coat: HEIF and AVIF stills are `ftyp` files too.
_STILL_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1", b"crx "})
_AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P "})
# QuickTime files older than `ftyp` begin with one of these boxes.
_QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide"})

# ISO/IEC 13818-7 §6.2: twelve bits of sync, then layer 0.
_AAC_MASK, _AAC_SYNC = 0xFFF60000, 0xFFF00000
# ISO/IEC 11172-3 §2.4.1.3: eleven bits of sync, then layer III; a rate or frequency of all ones
# is reserved.
_MP3_MASK, _MP3_SYNC = 0xFFE60000, 0xFFE20000
_MP3_RESERVED = (0x0000F000, 0x00000C00)

_ID3_HEADER_BYTES = 10
_ID3_TAGS_MAX = 4


class Signature(NamedTuple):
    """What the first bytes say. `demuxer` is FFmpeg's full name for the one way to read the file.

    `media_type` is a first word only: a container may turn out to hold sound alone.
    """

    media_type: str
    demuxer: str


class Finding(NamedTuple):
    """What the inspecting child found out about one file; durations in milliseconds."""

    media_type: str
    width: int
    height: int
    duration_ms: int
    frames: int
    has_audio: bool


class Unacceptable(Exception):
    """The file is refused; the text says why, is ours alone and safe to show."""


MP4_DEMUXER = "mov,mp4,m4a,3gp,3g2,mj2"
_IMAGE_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def read_signature(file: BinaryIO) -> Signature | None:
    """Name the format from the first bytes, or None for anything outside the accepted ones.

    The numbers are those of https://www.iana.org/assignments/media-types/ entries and of the
    formats' own specifications; text formats (HLS, SVG, SDP, ffconcat) have no place in it.
    """
    head = _head_at(file, 0)
    for mark, media_type in _IMAGE_MARKS:
        if head.startswith(mark):
            return Signature(media_type, "")
    if head.startswith(b"RIFF"):
        return _riff_signature(head[8:12])
    return _box_signature(head) or _webm_signature(head) or _audio_signature(file, head)


def _riff_signature(form: bytes) -> Signature | None:
    if form == b"WEBP":
        return Signature("image/webp", "")
    if form == b"WAVE":
        return Signature("audio/wav", "wav")
    return None


def _box_signature(head: bytes) -> Signature | None:
    box, brand = head[4:8], head[8:12]
    if box in _QUICKTIME_BOXES:
        return Signature("video/quicktime", MP4_DEMUXER)
    if box != b"ftyp" or brand in _STILL_BRANDS:
        return None
    if brand in _AUDIO_BRANDS:
        return Signature("audio/mp4", MP4_DEMUXER)
    return Signature("video/quicktime" if brand == b"qt  " else "video/mp4", MP4_DEMUXER)


def _webm_signature(head: bytes) -> Signature | None:
    # The EBML header names its document type early; plain Matroska is not on the list.
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"\x42\x82\x84webm" in head:
        return Signature("video/webm", "matroska,webm")
    return None


def _audio_signature(file: BinaryIO, head: bytes) -> Signature | None:
    if head.startswith(b"OggS"):
        return Signature("audio/ogg", "ogg")
    sound = _after_id3(file, head)
    if sound.startswith(b"fLaC"):
        return Signature("audio/flac", "flac")
    start = int.from_bytes(sound[:4].ljust(4, b"\0"), "big")
    if start & _AAC_MASK == _AAC_SYNC:
        return Signature("audio/aac", "aac")
    # Reserved values in a frame's head keep most other binary files out.
    if start & _MP3_MASK == _MP3_SYNC and not any(start & bad == bad for bad in _MP3_RESERVED):
        return Signature("audio/mpeg", "mp3")
    return None


def _after_id3(file: BinaryIO, head: bytes) -> bytes:
    # https://id3.org/id3v2.4.0-structure §3.1: the size is four times seven bits.
    offset = 0
    for _ in range(_ID3_TAGS_MAX):
        if not head.startswith(b"ID3") or len(head) < _ID3_HEADER_BYTES:
            break
        size = sum(
            (byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)
        )
        offset += _ID3_HEADER_BYTES + size
        head = _head_at(file, offset)
    return head


def _head_at(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset, io.SEEK_SET)
    return file.read(_HEAD_BYTES)
