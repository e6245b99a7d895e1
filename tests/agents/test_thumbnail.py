"""Small pictures of stored media: what they show, how large they are, and what gives none."""

import asyncio
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.unit import hostile_media, made_media

from kinetoscope.kernel.errors import NotFound
from kinetoscope.media import probing, thumbnail
from kinetoscope.media.inspect import InspectionFailed, InspectLimits, MediaRefused, inspect
from kinetoscope.media.store import MediaStore
from kinetoscope.media.thumbnail import JPEG_BYTES_MAX, SIDE_MAX

pytestmark = pytest.mark.anyio

RED, BLUE, BLACK = (230, 30, 30), (30, 30, 230), (0, 0, 0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_probes() -> Iterator[None]:
    yield
    while probing._servers:
        probing._servers.popitem()[1].end()


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(f"file://{tmp_path / 'media'}")


async def small(store: MediaStore, path: Path, name: str = "") -> Image.Image:
    """Store a file and return its thumbnail, decoded."""
    name = name or path.name
    await store.put(name, path)
    jpeg = await thumbnail.thumbnail(store, path.parent / "work", name)
    assert jpeg is not None
    assert len(jpeg) <= JPEG_BYTES_MAX
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    assert image.format == "JPEG"
    assert max(image.size) <= SIDE_MAX
    return image


def is_near(image: Image.Image, place: tuple[float, float], colour: tuple[int, ...]) -> bool:
    """Whether a picture has about this colour at a place, told in parts of its sides."""
    spot = image.convert("RGB").getpixel(
        (int(place[0] * image.width), int(place[1] * image.height))
    )
    assert isinstance(spot, tuple)
    return max(abs(one - other) for one, other in zip(spot, colour, strict=True)) < 40


LEFT, RIGHT, TOP, BOTTOM = (0.1, 0.5), (0.9, 0.5), (0.5, 0.1), (0.5, 0.9)


def two_halves(width: int, height: int) -> np.ndarray:
    """Red on the left, blue on the right."""
    picture = np.empty((height, width, 3), dtype=np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :] = RED, BLUE
    return picture


def film(path: Path, *, black: int = 0, rotation: int = 0, size: tuple[int, int]) -> Path:
    """Write a clip that begins with black frames and then shows two halves."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, 24)
        if rotation:
            stream.set_display_rotation(rotation)
        shown = two_halves(*size)
        for number in range(black + 3):
            picture = np.zeros_like(shown) if number < black else shown
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


async def test_a_video_shows_its_first_frame_that_is_not_black(store: MediaStore, tmp_path: Path):
    image = await small(store, film(tmp_path / "aa.mp4", black=40, size=(1280, 720)))
    assert image.size == (512, 288)
    assert is_near(image, LEFT, RED)
    assert is_near(image, RIGHT, BLUE)
    dark = await small(store, film(tmp_path / "bb.mp4", black=200, size=(64, 48)))
    assert is_near(dark, LEFT, BLACK), "nothing else is near the beginning"


async def test_a_video_stands_as_a_viewer_shows_it(store: MediaStore, tmp_path: Path):
    turned = await small(store, film(tmp_path / "aa.mp4", rotation=90, size=(640, 360)))
    assert turned.size == (288, 512)
    # Turned against the clock, what was on the left is below.
    assert is_near(turned, BOTTOM, RED)
    assert is_near(turned, TOP, BLUE)
    webm = made_media.video(tmp_path / "cc.webm", "libvpx-vp9", "libopus")
    assert (await small(store, webm)).size == made_media.SIZE


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif"])
async def test_an_image_is_made_smaller(store: MediaStore, tmp_path: Path, ending: str):
    path = tmp_path / f"aa.{ending}"
    Image.fromarray(two_halves(2048, 1024)).save(path)
    image = await small(store, path)
    assert image.size == (512, 256)
    assert is_near(image, LEFT, RED)
    assert is_near(image, RIGHT, BLUE)


async def test_an_image_stands_as_exif_says(store: MediaStore, tmp_path: Path):
    for orientation, place in {
        1: LEFT,
        2: RIGHT,
        3: RIGHT,
        5: TOP,
        6: TOP,
        7: BOTTOM,
        8: BOTTOM,
    }.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"a{orientation}.jpg"
        Image.fromarray(two_halves(640, 320)).save(path, exif=exif)
        image = await small(store, path)
        assert image.size == ((256, 512) if orientation > 4 else (512, 256))
        assert is_near(image, place, RED), orientation


async def test_every_way_to_write_colours_is_read(store: MediaStore, tmp_path: Path):
    colours = Image.fromarray(two_halves(64, 32))
    clear = Image.new("RGBA", (64, 32), (*RED, 0))
    clear.paste((*BLUE, 255), (32, 0, 64, 32))
    grey = Image.fromarray(np.full((32, 64), 128 * 256, dtype=np.uint16))
    for number, image in enumerate((colours.convert("P"), clear, grey, colours.convert("1"))):
        image.save(tmp_path / f"{number}a.png")
    colours.convert("CMYK").save(tmp_path / "4a.jpg")
    assert is_near(await small(store, tmp_path / "0a.png"), LEFT, RED)
    see_through = await small(store, tmp_path / "1a.png")
    assert is_near(see_through, LEFT, (255, 255, 255))
    assert is_near(see_through, RIGHT, BLUE)
    assert is_near(await small(store, tmp_path / "2a.png"), LEFT, (128, 128, 128))
    assert (await small(store, tmp_path / "3a.png")).size == (64, 32)
    assert is_near(await small(store, tmp_path / "4a.jpg"), LEFT, RED)


async def test_a_picture_that_hardly_compresses_still_fits(store: MediaStore, tmp_path: Path):
    noise = np.random.default_rng(7).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "aa.png")
    assert min((await small(store, tmp_path / "aa.png")).size) > 200


async def test_sound_has_none_whatever_its_name(store: MediaStore, tmp_path: Path):
    made_media.sound(tmp_path / "aa.mp3", "mp3")
    sound = made_media.sound(tmp_path / "aa.m4a", "aac", "ipod")
    for name, path in {"aa.mp3": tmp_path / "aa.mp3", "aa.mp4": sound}.items():
        await store.put(name, path)
        assert await thumbnail.thumbnail(store, tmp_path, name) is None


async def test_what_an_inspection_refuses_has_none_for_the_same_reason(
    store: MediaStore, tmp_path: Path
):
    folder = tmp_path / "hostile"
    folder.mkdir()
    paths = [path for path in hostile_media.write_all(folder, 9) if path.is_file()]
    assert len(paths) > 50
    for number, path in enumerate(paths):
        if path.is_symlink():
            continue
        with pytest.raises(MediaRefused) as inspected:
            await inspect([path], InspectLimits())
        name = f"{number:02}.mp4"
        await store.put(name, path)
        with pytest.raises(MediaRefused) as refused:
            await thumbnail.thumbnail(store, tmp_path, name)
        assert refused.value.reason == inspected.value.reason, path.name
    with pytest.raises(NotFound):
        await thumbnail.thumbnail(store, tmp_path, "zz.mp4")


async def test_a_probe_that_hangs_is_ended_and_nothing_is_remembered(
    store: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    media = tmp_path / "media" / "aa"
    media.mkdir(parents=True)
    path.rename(media / "aa.mp4")
    monkeypatch.setattr(thumbnail, "SOURCE_BYTES_MAX", 2**40)
    endless = InspectLimits(packets_max=10**9, cpu_s_max=60, total_timeout_s=0.5)
    monkeypatch.setattr(thumbnail, "LIMITS", endless)
    with pytest.raises(InspectionFailed):
        await thumbnail.thumbnail(store, tmp_path, "aa.mp4")
    made_media.video(media / "aa.mp4")
    assert await thumbnail.thumbnail(store, tmp_path, "aa.mp4")


async def test_what_is_too_long_is_refused_unread(
    store: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await store.put("aa.png", made_media.image(tmp_path / "aa.png"))
    monkeypatch.setattr(thumbnail, "SOURCE_BYTES_MAX", 10)
    with pytest.raises(MediaRefused, match="is longer than 10 bytes"):
        await thumbnail.thumbnail(store, tmp_path, "aa.png")
    assert not probing._servers


async def test_one_is_made_once_and_the_cache_is_bounded_in_bytes(
    store: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names = ["a1.png", "a2.png", "a3.png"]
    for name in names:
        await store.put(name, made_media.image(tmp_path / name))

    async def ask(name: str) -> bytes:
        made = await thumbnail.thumbnail(store, tmp_path, name)
        assert made is not None
        return made

    first = await ask("a1.png")
    made = await asyncio.gather(*(ask("a2.png") for _ in range(20)))
    assert len({id(jpeg) for jpeg in made}) <= thumbnail.AT_ONCE, "the rest waited for those"
    one = len(first) + thumbnail.ENTRY_BYTES
    monkeypatch.setattr(thumbnail, "CACHE_BYTES_MAX", 2 * one)
    await ask("a1.png")
    await ask("a3.png")
    cache = thumbnail._caches[store]
    assert list(cache.made) == ["a1.png", "a3.png"], "the one that nobody asked for longest went"
    assert cache.bytes_held == 2 * one
    shutil.rmtree(tmp_path / "media")
    assert await ask("a1.png") is first


async def test_a_store_elsewhere_lends_a_copy_that_does_not_stay(tmp_path: Path):
    elsewhere = MediaStore("memory:///")
    image = await small(elsewhere, film(tmp_path / "aa.mp4", size=(320, 180)))
    assert is_near(image, LEFT, RED)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_process_that_asks_for_one_loads_nothing_that_opens_media():
    heavy = {"av", "numpy", "PIL"}
    program = f"import sys, kinetoscope.mcp.shown; print(sorted({heavy} & {{*sys.modules}}))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert printed.stdout == b"[]\n"
