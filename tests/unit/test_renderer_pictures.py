"""Single pictures, and what is made of reference pictures and clips."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.unit.renderer_works import closeness_db, frames, given, image, made, pixels, work

from kinetoscope.kernel.order import MediaKind, Role, Size
from kinetoscope.providers.embedded.mark import COMMENT

_SIZE = Size(width=320, height=180)


def test_four_pictures_are_four_compositions(tmp_path: Path):
    rendered = made(image(count=4), tmp_path)
    assert [one.media_type for one in rendered] == ["image/png"] * 4
    assert rendered[0].seed == 7
    assert len({one.seed for one in rendered}) == 4
    seen = [pixels(one.path).astype(int) for one in rendered]
    for place, one in enumerate(seen):
        assert one.shape == (180, 320, 3)
        for other in seen[place + 1 :]:
            assert np.abs(one - other).mean() > 4


def test_a_picture_of_the_set_can_be_made_again_alone(tmp_path: Path):
    second = made(image(count=2), tmp_path / "set")[1]
    [alone] = made(image(seed=second.seed), tmp_path / "alone")
    assert alone.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize(
    ("file_format", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")]
)
def test_formats_say_what_they_are(tmp_path: Path, file_format: str, name: str):
    [rendered] = made(image(file_format=file_format), tmp_path)
    assert rendered.media_type == f"image/{file_format}"
    with Image.open(rendered.path) as picture:
        assert picture.format == name
        assert picture.size == (320, 180)
        said = picture.info.get("Comment") or picture.getexif().get(0x010E)
    assert said == COMMENT


@pytest.mark.parametrize("prompt", ["a red sailboat", "mountains", "a planet in space", "city"])
@pytest.mark.parametrize("file_format", ["png", "webp"])
def test_transparent_pictures_lose_their_background(tmp_path: Path, prompt: str, file_format: str):
    [rendered] = made(image(prompt, transparent=True, file_format=file_format), tmp_path)
    alpha = pixels(rendered.path)[..., 3]
    assert (alpha < 10).mean() > 0.08
    assert (alpha > 240).mean() > 0.01
    assert alpha[-16:, -40:].max() > 100, "the mark stays"


def _painting(path: Path, shape: tuple[int, int] = (400, 300)) -> Path:
    """Something with edges, colours and smooth parts."""
    wide, tall = shape
    across, down = np.meshgrid(np.linspace(0, 1, wide), np.linspace(0, 1, tall))
    disk = ((across - 0.4) ** 2 + (down - 0.5) ** 2 < 0.04)[..., None]
    ground = np.stack([across, down, 1 - across], axis=-1)
    picture = np.where(disk, [0.95, 0.85, 0.1], ground)
    Image.fromarray((picture * 255).astype(np.uint8)).save(path)
    return path


def _fit(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(
            ImageOps.fit(picture.convert("RGB"), (320, 180), Image.Resampling.LANCZOS)
        )


def test_a_clip_begins_with_its_first_picture_and_then_lives(tmp_path: Path):
    first = _painting(tmp_path / "first.png")
    asked = work("it begins to snow", pictures=(given(first, Role.FIRST_FRAME),))
    shown = frames(made(asked, tmp_path)[0].path)
    assert len(shown) == 48
    assert closeness_db(shown[0], _fit(first)) > 28
    assert closeness_db(shown[-1], _fit(first)) < 26


def test_a_clip_ends_with_its_last_picture(tmp_path: Path):
    first = _painting(tmp_path / "first.png")
    last = tmp_path / "last.png"
    ImageOps.invert(ImageOps.mirror(Image.open(first))).save(last)
    pictures = (given(first, Role.FIRST_FRAME), given(last, Role.LAST_FRAME))
    shown = frames(made(work("rain", pictures=pictures), tmp_path)[0].path)
    assert closeness_db(shown[0], _fit(first)) > 28
    assert closeness_db(shown[-1], _fit(last)) > 28
    assert closeness_db(shown[24], _fit(first)) < 20
    assert closeness_db(shown[24], _fit(last)) < 20
    only = frames(made(work("sea", pictures=pictures[1:]), tmp_path / "only")[0].path)
    assert closeness_db(only[-1], _fit(last)) > 28


def test_references_are_seen_in_clips_and_pictures(tmp_path: Path):
    one, two = _painting(tmp_path / "1.png"), _painting(tmp_path / "2.png", (200, 400))
    refs = tuple(given(path, Role.REFERENCE) for path in (one, two))
    plain = frames(made(work(), tmp_path / "plain")[0].path)[20].astype(int)
    shown = frames(made(work(pictures=refs), tmp_path / "with")[0].path)[20].astype(int)
    assert np.abs(plain - shown).mean() > 8
    still = pixels(made(image(pictures=refs), tmp_path / "still")[0].path).astype(int)
    bare = pixels(made(image(), tmp_path / "bare")[0].path).astype(int)
    assert np.abs(still - bare).mean() > 8


def test_editing_keeps_the_picture_and_follows_the_words(tmp_path: Path):
    ref = _painting(tmp_path / "1.png")
    edited = [
        pixels(
            made(image(prompt, pictures=(given(ref, Role.REFERENCE),)), tmp_path / prompt)[0].path
        )
        for prompt in ("make it noon", "make it night")
    ]
    assert edited[0].mean() > edited[1].mean() + 25
    for one in edited:
        bright = one.astype(float).mean(axis=2).ravel()
        original = _fit(ref).astype(float).mean(axis=2).ravel()
        assert np.corrcoef(bright, original)[0, 1] > 0.7


def test_reference_clips_play(tmp_path: Path):
    source = made(work("sunset over the ocean"), tmp_path / "source")[0].path
    played = given(source, Role.SOURCE, MediaKind.VIDEO)
    shown = frames(made(work("make it noir", pictures=(played,)), tmp_path / "noir")[0].path)
    assert len(shown) == 48
    assert np.abs(shown[30].astype(int)[..., 0] - shown[30].astype(int)[..., 2]).mean() < 12
    extended = work("continue the scene", pictures=(played,))
    first = frames(made(extended, tmp_path / "extended")[0].path)[0]
    assert closeness_db(first, frames(source)[-1]) > 28
    inside = given(source, Role.REFERENCE, MediaKind.VIDEO)
    plain = frames(made(work("forest"), tmp_path / "plain")[0].path)[40].astype(int)
    with_clip = frames(made(work("forest", pictures=(inside,)), tmp_path / "in")[0].path)[40]
    assert np.abs(plain - with_clip).mean() > 5


def _odd(folder: Path) -> list[Path]:
    base = Image.open(_painting(folder / "base.png"))
    base.convert("L").save(folder / "grey.png")
    base.convert("P").save(folder / "palette.png")
    base.convert("LA").save(folder / "grey alpha.png")
    base.convert("CMYK").save(folder / "cmyk.jpg")
    base.convert("1").save(folder / "bits.png")
    clear = base.convert("RGBA")
    clear.putalpha(60)
    clear.save(folder / "clear.webp")
    base.resize((1, 1)).save(folder / "tiny.png")
    base.resize((1200, 300)).save(folder / "wide.png")
    base.resize((60, 900)).save(folder / "tall.png")
    Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)).save(
        folder / "16.png"
    )
    return sorted(folder.glob("*"))


def test_any_picture_will_do(tmp_path: Path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for path in _odd(folder):
        for role in (Role.FIRST_FRAME, Role.REFERENCE):
            asked = work(pictures=(given(path, role),), duration_s=3 / 24)
            assert len(frames(made(asked, tmp_path / path.name / role)[0].path)) == 3
        asked_image = image(pictures=(given(path, Role.REFERENCE),))
        assert pixels(made(asked_image, tmp_path / path.name / "image")[0].path).shape == (
            180,
            320,
            3,
        )


def test_a_photo_taken_sideways_is_turned_upright(tmp_path: Path):
    upright = _painting(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = tmp_path / "sideways.jpg"
    Image.open(upright).rotate(90, expand=True).save(sideways, exif=exif, quality=97)
    asked = work(pictures=(given(sideways, Role.FIRST_FRAME),), duration_s=1 / 24)
    [shown] = frames(made(asked, tmp_path)[0].path)
    assert closeness_db(shown, _fit(upright)) > 26


@pytest.mark.parametrize("role", [Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE])
def test_a_broken_picture_is_named_in_a_sentence(tmp_path: Path, role: Role):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n no")
    with pytest.raises(ValueError, match="reference picture"):
        made(work(pictures=(given(broken, role),)), tmp_path)


def test_a_broken_clip_is_named_in_a_sentence(tmp_path: Path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a clip")
    for role in (Role.SOURCE, Role.REFERENCE):
        with pytest.raises(ValueError, match="reference video"):
            made(work(pictures=(given(broken, role, MediaKind.VIDEO),)), tmp_path)
