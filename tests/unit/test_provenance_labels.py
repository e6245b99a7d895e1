"""Every file says plainly where it comes from; others can read it; not one pixel changes for it."""

import io
import wave
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import numpy as np
import pytest
from PIL import Image
from tests.unit import made_media
from tests.unit.renderer_works import image, made, work

from kinetoscope.kernel.order import MediaKind
from kinetoscope.media.inspect import InspectLimits, inspect
from kinetoscope.media.provenance import WRITERS, Statement, mark
from kinetoscope.media.store import ENDINGS

pytestmark = pytest.mark.anyio

BY_AI = Statement(model="seedance-20", ai_generated=True, preview=False)
BY_PROGRAM = Statement(model="seedance-20", ai_generated=False, preview=True)
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALGORITHMIC = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
ADOBE = "{http://ns.adobe.com/xap/1.0/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def picture_in(file_format: str, **changes: object) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        mode = str(changes.get("mode", "RGB"))
        noise = np.random.default_rng(7).integers(0, 255, (61, 83, len(mode)), dtype=np.uint8)
        options = {name: value for name, value in changes.items() if name != "mode"}
        Image.fromarray(noise, mode).save(path, file_format, **options)
        return path

    return write


def odd_sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(range(256)) * 8 + b"x")
    assert path.stat().st_size % 2 == 1
    return path


FILES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "png": ("image/png", picture_in("PNG")),
    "png, animated": (
        "image/png",
        lambda path: made_media.image(path, frames=3, file_format="PNG"),
    ),
    "png, transparent": ("image/png", picture_in("PNG", mode="RGBA")),
    "jpeg": ("image/jpeg", picture_in("JPEG")),
    "jpeg, exif": ("image/jpeg", picture_in("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")),
    "jpeg, progressive": ("image/jpeg", picture_in("JPEG", progressive=True)),
    "webp": ("image/webp", picture_in("WEBP")),
    "webp, lossless": ("image/webp", picture_in("WEBP", lossless=True)),
    "webp, transparent": ("image/webp", picture_in("WEBP", mode="RGBA")),
    "webp, lossless, transparent": ("image/webp", picture_in("WEBP", mode="RGBA", lossless=True)),
    "webp, animated": ("image/webp", lambda path: made_media.image(path, frames=3)),
    "gif": ("image/gif", picture_in("GIF")),
    "gif, animated": ("image/gif", lambda path: made_media.image(path, frames=3)),
    "mp4": ("video/mp4", lambda path: made_media.video(path, sound_codec="aac")),
    "mp4, faststart": ("video/mp4", lambda path: made_media.video(path, flags="+faststart")),
    "mp4, in fragments": (
        "video/mp4",
        lambda path: made_media.video(path, flags="frag_keyframe+empty_moov"),
    ),
    "mov": ("video/quicktime", lambda path: made_media.video(path, sound_codec="aac")),
    "m4a": ("audio/mp4", lambda path: made_media.sound(path, "aac", "ipod")),
    "wav": ("audio/wav", lambda path: made_media.sound(path, "pcm_s16le")),
    "wav, odd and unpadded": ("audio/wav", odd_sound),
    "mp3": ("audio/mpeg", lambda path: made_media.sound(path, "libmp3lame")),
    "aac": ("audio/aac", lambda path: made_media.sound(path, "aac", "adts")),
    "flac": ("audio/flac", lambda path: made_media.sound(path, "flac")),
}


def shown(path: Path) -> list[bytes]:
    """Return what a viewer sees or hears, bit by bit: frames of pictures, packets of the rest."""
    if path.suffix in {".png", ".jpg", ".webp", ".gif"}:
        with Image.open(path) as picture:
            seen = [str((picture.info.get("loop"), picture.info.get("exif"))).encode()]
            for number in range(getattr(picture, "n_frames", 1)):
                picture.seek(number)
                seen += [str((picture.mode, picture.size)).encode(), picture.tobytes()]
            return seen
    with av.open(str(path)) as container:
        return [
            str((packet.stream.index, packet.pts, packet.duration)).encode() + bytes(packet)
            for packet in container.demux()
        ]


def said(path: Path) -> str:
    """Return the words that Pillow or FFmpeg find in a file."""
    if path.suffix in {".png", ".jpg", ".webp", ".gif"}:
        with Image.open(path) as picture:
            found = picture.info.get("Source") or picture.info.get("comment") or b""
        return found.decode() if isinstance(found, bytes) else found
    with av.open(str(path)) as container:
        return container.metadata.get("comment") or container.metadata.get("COMMENT") or ""


def xmp_of(path: Path) -> dict[str, str]:
    """Return the properties that Pillow or FFmpeg find in a file's XMP."""
    if path.suffix in {".mp4", ".mov", ".m4a"}:
        with av.open(str(path), options={"export_xmp": "1"}) as container:
            packet: str | bytes = container.metadata["xmp"]
    elif path.suffix in {".wav", ".gif"}:
        data = path.read_bytes()
        packet = data[data.index(b"<?xpacket begin") : data.index(b'<?xpacket end="r"?>') + 19]
    else:
        with Image.open(path) as picture:
            packet = picture.info["XML:com.adobe.xmp" if path.suffix == ".png" else "xmp"]
    text = packet if isinstance(packet, str) else packet.decode()
    root = ET.fromstring(text.strip("\0"))  # noqa: S314 - our own
    found = root.find(f"{RDF}RDF/{RDF}Description")
    assert found is not None
    return dict(found.attrib)


def write(folder: Path, name: str) -> tuple[Path, str]:
    media_type, make = FILES[name]
    return make(folder / f"made.{ENDINGS[media_type]}"), media_type


def named_again(path: Path, folder: Path) -> Path:
    """Return a copy under a name that readers go by."""
    copy = folder / f"read{path.name.removesuffix('.labelled').removeprefix('made')}"
    copy.write_bytes(path.read_bytes())
    return copy


@pytest.mark.parametrize("name", list(FILES))
async def test_a_label_can_be_read_and_changes_nothing_else(tmp_path: Path, name: str):
    path, media_type = write(tmp_path, name)
    before, bytes_before = shown(path), path.read_bytes()
    marked = await mark(path, media_type, BY_AI, None)
    assert marked.signed is None
    assert marked.path != path, "it was labelled"
    assert path.read_bytes() == bytes_before, "the one that came in stays"
    labelled = named_again(marked.path, tmp_path)
    assert shown(labelled) == before
    if not path.suffix.endswith((".mp4", ".mov", ".m4a", ".webp")):
        assert said(labelled) == BY_AI.comment
    if path.suffix not in {".mp3", ".aac", ".flac"}:
        properties = xmp_of(labelled)
        assert properties[f"{IPTC}DigitalSourceType"] == TRAINED
        assert properties[f"{IPTC}AISystemUsed"] == "seedance-20"
        assert properties[f"{ADOBE}CreatorTool"].startswith("Kinetoscope ")
    [found] = await inspect([labelled], InspectLimits())
    assert found.media_type == media_type
    before_inspected, after_inspected = await inspect([path, labelled], InspectLimits())
    assert (after_inspected.width, after_inspected.height, after_inspected.duration_ms) == (
        before_inspected.width,
        before_inspected.height,
        before_inspected.duration_ms,
    )


def test_every_format_is_tried():
    assert {media_type for media_type, _ in FILES.values()} == set(WRITERS)


def test_a_statement_in_words():
    assert (
        BY_AI.comment == f"Made by Kinetoscope with the model seedance-20; AI-generated; {TRAINED}"
    )
    assert BY_PROGRAM.comment == (
        "Procedural preview by Kinetoscope in place of the model seedance-20; not AI output; "
        + ALGORITHMIC
    )


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", "mp4", "mov", "wav"])
async def test_what_the_embedded_renderer_makes(tmp_path: Path, file_format: str):
    kind = {"mp4": MediaKind.VIDEO, "mov": MediaKind.VIDEO, "wav": MediaKind.AUDIO}
    if file_format in kind:
        asked = work(kind=kind[file_format], file_format=file_format, duration_s=1)
    else:
        asked = image(file_format=file_format)
    [rendered] = made(asked, tmp_path / "made")
    marked = await mark(rendered.path, rendered.media_type, BY_PROGRAM, None)
    ending = ENDINGS[rendered.media_type]
    copies = [tmp_path / f"before.{ending}", tmp_path / f"after.{ending}"]
    for copy, path in zip(copies, (rendered.path, marked.path), strict=True):
        copy.write_bytes(path.read_bytes())
    assert shown(copies[0]) == shown(copies[1])
    properties = xmp_of(copies[1])
    assert properties[f"{IPTC}DigitalSourceType"] == ALGORITHMIC
    assert f"{IPTC}AISystemUsed" not in properties


async def test_names_with_markup_stay_words(tmp_path: Path):
    path, media_type = write(tmp_path, "png")
    odd = Statement(model='a"b<c>&\u00e9', ai_generated=True, preview=False)
    marked = await mark(path, media_type, odd, None)
    assert xmp_of(named_again(marked.path, tmp_path))[f"{IPTC}AISystemUsed"] == odd.model


@pytest.mark.parametrize(
    "name", ["png", "jpeg", "webp", "gif", "mp4", "mp4, in fragments", "wav", "mp3", "flac"]
)
async def test_what_is_broken_anywhere_is_kept_or_labelled_but_never_fails(
    tmp_path: Path, name: str
):
    path, media_type = write(tmp_path, name)
    whole = path.read_bytes()
    # Cut near its head, in its middle and near its tail; and with its head's bytes turned over.
    cuts = [*range(0, 64, 3), len(whole) // 2, len(whole) - 1]
    broken = [whole[:cut] for cut in cuts]
    broken += [
        whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :]
        for at in range(0, min(len(whole), 400), 7)
    ]
    for data in broken:
        path.write_bytes(data)
        marked = await mark(path, media_type, BY_AI, None)
        assert path.read_bytes() == data
        added = len(marked.path.read_bytes()) - len(data)
        assert added == 0 if marked.path == path else added > 0


async def test_a_file_that_is_not_what_it_is_called_is_kept_as_it_is(tmp_path: Path):
    path = tmp_path / "text"
    path.write_bytes(b"not media at all, and long enough for anybody to notice that it is not")
    for media_type in (*WRITERS, "video/webm", "audio/ogg"):
        if media_type in {"audio/mpeg", "audio/aac"}:
            continue  # they have no head of their own; a tag is put in front of anything
        assert (await mark(path, media_type, BY_AI, None)).path == path


async def test_a_file_that_is_gone_is_somebody_elses_matter(tmp_path: Path):
    path = tmp_path / "gone.png"
    assert (await mark(path, "image/png", BY_AI, None)).path == path


async def test_labels_of_others_stay(tmp_path: Path):
    theirs = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>theirs</x:xmpmeta>"
    for ending, file_format in (("webp", "WEBP"), ("jpg", "JPEG")):
        path = tmp_path / f"made.{ending}"
        Image.new("RGB", (8, 8)).save(path, file_format, xmp=theirs)
        marked = await mark(path, f"image/{file_format.lower()}", BY_AI, None)
        with Image.open(marked.path) as picture:
            assert picture.info["xmp"] == theirs
            assert file_format == "WEBP" or picture.info["comment"] == BY_AI.comment.encode()


async def test_a_manifest_of_the_makers_is_not_broken_by_a_label(tmp_path: Path):
    path, media_type = write(tmp_path, "png")
    data = path.read_bytes()
    kind = b"caBX"
    chunk = (3).to_bytes(4, "big") + kind + b"abc" + zlib.crc32(kind + b"abc").to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + data[33:])
    assert (await mark(path, media_type, BY_AI, None)).path == path


async def test_a_gif_repeats_as_often_as_it_did(tmp_path: Path):
    path = tmp_path / "made.gif"
    frames = [Image.new("P", (9, 9), number) for number in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], loop=5)
    marked = await mark(path, "image/gif", BY_AI, None)
    with Image.open(io.BytesIO(marked.path.read_bytes())) as picture:
        assert picture.info["loop"] == 5
        assert picture.info["comment"] == BY_AI.comment.encode()
    data = marked.path.read_bytes()
    assert 0 < data.index(b"NETSCAPE") < data.index(b"Made by") < data.index(b"XMP DataXMP")


async def test_exif_stays_where_cameras_put_it(tmp_path: Path):
    path, media_type = write(tmp_path, "jpeg, exif")
    marked = await mark(path, media_type, BY_AI, None)
    data = marked.path.read_bytes()
    assert data.index(b"Exif\0\0") < data.index(b"http://ns.adobe.com/xap/1.0/\0")
    assert data[:12] == path.read_bytes()[:12]


@pytest.mark.parametrize(
    ("name", "flags"),
    [("webp", 0x04), ("webp, lossless", 0x04), ("webp, lossless, transparent", 0x14)],
)
async def test_the_extended_header_of_webp_tells_what_is_there(
    tmp_path: Path, name: str, flags: int
):
    path, media_type = write(tmp_path, name)
    marked = await mark(path, media_type, BY_AI, None)
    data = marked.path.read_bytes()
    assert data[12:20] == b"VP8X\x0a\0\0\0"
    assert data[20] == flags
    assert data[24:30] == (82).to_bytes(3, "little") + (60).to_bytes(3, "little")


async def test_fragments_keep_their_index_at_the_end(tmp_path: Path):
    path, media_type = write(tmp_path, "mp4, in fragments")
    index = path.read_bytes()[path.read_bytes().rindex(b"mfra") - 4 :]
    marked = await mark(path, media_type, BY_AI, None)
    assert marked.path.read_bytes().endswith(index)
