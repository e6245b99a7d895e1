"""Files that are not what they seem, by the name they come under."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.unit import made_media

_HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{p}/a.ts\n#EXT-X-ENDLIST\n"
_SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {p} RTP/AVP 96\n"
_DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>http://127.0.0.1:{p}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"
)
_CONCAT = "ffconcat version 1.0\nfile http://127.0.0.1:{p}/a.mp4\nfile /etc/passwd\n"
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<image xlink:href="http://127.0.0.1:{p}/a.png" width="9" height="9"/></svg>'
)
_EPS = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\nshowpage\n"

_TEXTS = {
    "playlist.mp4": _HLS,
    "playlist.m3u8": _HLS,
    "list.mp3": _HLS,
    "session.sdp": _SDP,
    "session.mp4": _SDP,
    "manifest.mp4": _DASH,
    "concat.mp4": _CONCAT,
    "vector.svg": _SVG,
    "vector.png": _SVG,
    "script.eps": _EPS,
    "script.jpg": _EPS,
    "page.png": "<html><script>alert(1)</script></html>",
    "words.wav": "just words",
    "img2_%03d.png": "just words",
    "empty.mp4": "",
    "digit.png": "0",
    "subtitles.mp4": "WEBVTT\n\n00:00.000 --> 00:01.000\nhttp://127.0.0.1:{p}/\n",
}

_PNG_START = b"\x89PNG\r\n\x1a\n"

_BYTES = {
    "start_only.png": _PNG_START,
    "start_only.jpg": b"\xff\xd8\xff\xe0",
    "start_only.gif": b"GIF89a",
    "start_only.webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    "start_only.wav": b"RIFF\x10\0\0\0WAVEfmt ",
    "start_only.flac": b"fLaC",
    "start_only.ogg": b"OggS\0\2",
    "start_only.mp3": b"\xff\xfb\x90\x64",
    "start_only.aac": b"\xff\xf1\x50\x80",
    "start_only.mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "start_only.webm": b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm",
    "noise.png": _PNG_START + bytes(range(256)) * 64,
    "noise.mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(range(256)) * 64,
    "noise.mp3": b"\xff\xfb\x90\x64" + bytes(range(256)) * 64,
    "endless_tag.mp3": b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(100),
    "tag_in_tag.mp3": b"ID3\4\0\0\0\0\0\0" * 10_000,
    "still.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(64),
    "still.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
    "film.mkv": b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska" + bytes(64),
    "film.avi": b"RIFF\x10\0\0\0AVI LIST" + bytes(64),
    "film.flv": b"FLV\1\5\0\0\0\t" + bytes(64),
    "film.ts": (b"\x47\x40\0\x10" + bytes(184)) * 10,
    "picture.bmp": b"BM" + bytes(64),
    "picture.tiff": b"II*\0\x08\0\0\0" + bytes(64),
    "picture.psd": b"8BPS\0\1" + bytes(64),
    "picture.ico": b"\0\0\1\0\1\0" + bytes(64),
    "paper.pdf": b"%PDF-1.7\n",
    "archive.zip": b"PK\3\4" + bytes(64),
    "packed.png": b"\x1f\x8b\x08" + bytes(64),
    "program.mp4": b"\x7fELF\2\1\1" + bytes(64),
    "wide.gif": b"GIF89a\xff\xff\xff\xff\xf7\0\0" + bytes(800),
    "wide.jpg": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xdc\xff\xdc\3\1\x11\0\2\x11\1\3\x11\1" + bytes(64),
}


def write_all(folder: Path, port: int) -> Iterator[Path]:
    """Write every hostile file; those that name an address name `port` of 127.0.0.1."""
    for name, text in _TEXTS.items():
        yield _written(folder / name, text.replace("{p}", str(port)).encode())
    for name, body in _BYTES.items():
        yield _written(folder / name, body)
    yield png_bomb(folder / "bomb.png", 13_000)
    yield from _cut_short(folder)
    yield from _odd_codecs(folder)
    yield from _not_files(folder)


def png_bomb(path: Path, side: int) -> Path:
    """Write a square PNG of one colour: a few bytes in the file, three a pixel when decoded."""
    packer = zlib.compressobj(1)
    row = bytes(1 + side * 3)
    packed = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return _written(path, _PNG_START + body)


def long_silence(path: Path) -> Path:
    """Write a WAV of almost 4 GiB that takes no room on disk and hours to read through.

    At 8 samples a second every packet is one byte. At a usual rate a probe would soon have read
    gigabytes of nothing, and with them filled the memory of the machine that the tests run on.
    """
    bytes_size = 0xFFFF_FF00
    layout = struct.pack("<HHIIHH", 1, 1, 8, 8, 1, 8)
    head = b"RIFF" + struct.pack("<I", bytes_size) + b"WAVEfmt \x10\0\0\0" + layout
    with path.open("wb") as file:
        file.write(head + b"data" + struct.pack("<I", bytes_size - 36))
        file.truncate(bytes_size)
    return path


def _cut_short(folder: Path) -> Iterator[Path]:
    whole = (
        made_media.video(folder / "whole.mp4", sound_codec="aac"),
        made_media.video(folder / "whole_fast.mp4", sound_codec="aac", flags="faststart"),
        made_media.video(folder / "whole.webm", "libvpx"),
        made_media.image(folder / "whole.png"),
        made_media.image(folder / "whole.jpg"),
        made_media.image(folder / "whole.gif"),
        made_media.image(folder / "whole.webp"),
    )
    for path in whole:
        yield _written(
            path.with_stem("half_" + path.stem), path.read_bytes()[: path.stat().st_size // 2]
        )


def _odd_codecs(folder: Path) -> Iterator[Path]:
    yield made_media.video(folder / "motion_jpeg.mov", "mjpeg")
    yield made_media.sound(folder / "sound.webm", "libopus")


def _not_files(folder: Path) -> Iterator[Path]:
    good = made_media.image(folder / "good.png")
    link = folder / "link.png"
    link.symlink_to(good)
    yield link
    yield Path("/dev/zero")
    yield folder
    yield folder / "missing.png"


def _written(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path
