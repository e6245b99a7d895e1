import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit import hostile_media, made_media
from tests.unit.outside import listening

from kinetoscope.kernel.order import MediaKind
from kinetoscope.media.inspect import InspectLimits, MediaRefused, inspect

pytestmark = pytest.mark.anyio

LIMITS = InspectLimits()

VIDEO, IMAGE, AUDIO = MediaKind.VIDEO, MediaKind.IMAGE, MediaKind.AUDIO


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def refusal(path: Path, limits: InspectLimits = LIMITS) -> MediaRefused:
    with pytest.raises(MediaRefused) as caught:
        await inspect([path], limits)
    return caught.value


@pytest.mark.parametrize(
    ("name", "codec", "sound_codec", "media_type", "duration_ms"),
    [
        ("a.mp4", "libx264", "aac", "video/mp4", 2000),
        ("b.mp4", "libx265", "", "video/mp4", 2000),
        ("c.mov", "prores_ks", "pcm_s16le", "video/quicktime", 2000),
        ("d.webm", "libvpx", "libopus", "video/webm", 1999),
        ("e.webm", "libvpx-vp9", "", "video/webm", 1999),
        ("f.webm", "libsvtav1", "", "video/webm", 1999),
        ("g.mp4", "libsvtav1", "aac", "video/mp4", 2000),
    ],
)
async def test_a_video_is_told_by_its_bytes(
    tmp_path: Path, name: str, codec: str, sound_codec: str, media_type: str, duration_ms: int
):
    made = made_media.video(tmp_path / name, codec, sound_codec)
    path = made.rename(tmp_path / "named.png")

    (found,) = await inspect([path], LIMITS)

    assert (found.kind, found.media_type) == (VIDEO, media_type)
    assert (found.width, found.height, found.frames) == (320, 180, 48)
    assert found.duration_ms == duration_ms
    assert found.has_audio is bool(sound_codec)
    assert found.bytes_size == path.stat().st_size


@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe+empty_moov+default_base_moof"])
async def test_an_mp4_may_be_laid_out_for_streaming(tmp_path: Path, flags: str):
    path = made_media.video(tmp_path / "a.mp4", sound_codec="aac", flags=flags)

    (found,) = await inspect([path], LIMITS)

    assert (found.media_type, found.frames) == ("video/mp4", 48)
    # Without an edit list the sound's run-up is added to the first frame.
    assert 2000 <= found.duration_ms < 2050


@pytest.mark.parametrize(
    ("rotation", "shown"), [(0, (320, 180)), (90, (180, 320)), (180, (320, 180)), (270, (180, 320))]
)
async def test_a_video_is_measured_as_it_is_shown(
    tmp_path: Path, rotation: int, shown: tuple[int, int]
):
    path = made_media.video(tmp_path / "a.mov", rotation=rotation)

    (found,) = await inspect([path], LIMITS)

    assert (found.width, found.height) == shown


@pytest.mark.parametrize(
    ("name", "codec", "container", "media_type"),
    [
        ("a.wav", "pcm_s16le", None, "audio/wav"),
        ("a.mp3", "libmp3lame", None, "audio/mpeg"),
        ("a.m4a", "aac", "ipod", "audio/mp4"),
        ("a.mp4", "aac", "mp4", "audio/mp4"),
        ("a.aac", "aac", "adts", "audio/aac"),
        ("a.ogg", "libopus", None, "audio/ogg"),
        ("a.flac", "flac", None, "audio/flac"),
    ],
)
async def test_sound_is_told_by_its_bytes(
    tmp_path: Path, name: str, codec: str, container: str | None, media_type: str
):
    path = made_media.sound(tmp_path / name, codec, container).rename(tmp_path / "named.mp4")

    (found,) = await inspect([path], LIMITS)

    assert (found.kind, found.media_type) == (AUDIO, media_type)
    assert (found.width, found.height, found.frames, found.has_audio) == (0, 0, 0, True)
    assert 1990 <= found.duration_ms <= 2000


@pytest.mark.parametrize(
    ("name", "frames", "file_format", "media_type"),
    [
        ("a.png", 1, "", "image/png"),
        ("a.jpg", 1, "", "image/jpeg"),
        ("a.webp", 1, "", "image/webp"),
        ("a.gif", 1, "", "image/gif"),
        ("b.png", 3, "", "image/png"),
        ("b.webp", 3, "", "image/webp"),
        ("b.gif", 3, "", "image/gif"),
        ("b.jpg", 2, "MPO", "image/jpeg"),
    ],
)
async def test_an_image_is_told_by_its_bytes(
    tmp_path: Path, name: str, frames: int, file_format: str, media_type: str
):
    made = made_media.image(tmp_path / name, frames=frames, file_format=file_format)
    path = made.rename(tmp_path / "named.mp4")

    (found,) = await inspect([path], LIMITS)

    assert (found.kind, found.media_type) == (IMAGE, media_type)
    assert (found.width, found.height, found.duration_ms) == (300, 200, 0)
    assert (found.frames, found.has_audio) == (1, False)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
@pytest.mark.parametrize(("orientation", "shown"), [(3, (300, 200)), (6, (200, 300))])
async def test_an_image_is_measured_as_it_is_shown(
    tmp_path: Path, name: str, orientation: int, shown: tuple[int, int]
):
    path = made_media.image(tmp_path / name, orientation=orientation)

    (found,) = await inspect([path], LIMITS)

    assert (found.width, found.height) == shown


async def test_several_files_are_told_in_their_order(tmp_path: Path):
    paths = [
        made_media.image(tmp_path / "a.png"),
        made_media.video(tmp_path / "b.mp4"),
        made_media.sound(tmp_path / "c.wav", "pcm_s16le"),
    ]

    found = await inspect(paths, LIMITS)

    assert [each.kind for each in found] == [IMAGE, VIDEO, AUDIO]
    assert await inspect([], LIMITS) == ()


async def test_the_first_bad_file_of_several_is_named(tmp_path: Path):
    good = made_media.image(tmp_path / "a.png")
    (tmp_path / "text").write_text("text")

    with pytest.raises(MediaRefused) as caught:
        await inspect([good, tmp_path / "text", tmp_path / "missing"], LIMITS)

    assert caught.value.index == 1
    assert str(caught.value) == "File 2 is not in a media format that is accepted"


async def test_every_hostile_file_is_refused_in_time_and_reaches_nobody(tmp_path: Path):
    async with listening() as canary:
        for path in hostile_media.write_all(tmp_path, canary.port):
            began_s = time.monotonic()
            error = await refusal(path)
            assert time.monotonic() - began_s < 10, path.name
            assert str(tmp_path) not in str(error)
        assert canary.connections == 0


async def test_a_video_of_too_many_pixels_is_refused(tmp_path: Path):
    path = made_media.video(tmp_path / "a.mp4")

    error = await refusal(path, replace(LIMITS, video_pixels_max=320 * 180 - 1))

    assert error.reason == "is larger than 57599 pixels"


async def test_a_file_of_too_many_packets_is_refused(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")

    error = await refusal(path, replace(LIMITS, packets_max=1000))

    assert error.reason == "holds more than 1000 packets"


@pytest.mark.parametrize("factor", [0.25, 10])
async def test_a_header_that_lies_about_the_length_gains_nothing(tmp_path: Path, factor: float):
    path = made_media.video(tmp_path / "a.mp4")
    body = bytearray(path.read_bytes())
    # ISO/IEC 14496-12 §8.4.2: the track's length stands 16 bytes behind the box's name.
    place = body.index(b"mdhd") + 4 + 16
    length = int.from_bytes(body[place : place + 4], "big")
    body[place : place + 4] = round(length * factor).to_bytes(4, "big")
    path.write_bytes(body)

    (found,) = await inspect([path], LIMITS)

    assert (found.duration_ms, found.frames) == (2000, 48)
