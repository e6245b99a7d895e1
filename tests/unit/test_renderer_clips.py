"""Clips: exact length, shape and bytes, and pictures that look as the prompt says."""

import hashlib
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from tests.unit.renderer_works import frames, given, made, pixels, work

from kinetoscope.kernel.order import MediaKind, Role, Size
from kinetoscope.providers.embedded.mark import COMMENT
from kinetoscope.providers.embedded.render import frames_of, render

_CATALOG_SIZES = [
    (864, 496), (752, 560), (640, 640), (560, 752), (496, 864), (992, 432),
    (1280, 720), (720, 1280), (1470, 630), (2206, 946), (256, 256), (1920, 1080),
]  # fmt: skip


def test_a_clip_has_exactly_what_was_asked(tmp_path: Path):
    [rendered] = made(work(audio=True, duration_s=2.0), tmp_path)
    assert rendered.media_type == "video/mp4"
    assert rendered.seed == 7
    with av.open(str(rendered.path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.width, picture.height) == (320, 180)
        assert picture.codec_context.name == "h264"
        assert picture.codec_context.pix_fmt == "yuv420p"
        assert picture.average_rate == 24
        assert picture.codec_context.colorspace == 1
        assert sound.codec_context.name == "aac"
        assert sound.codec_context.sample_rate == 48_000
        assert sound.codec_context.channels == 2
        assert container.metadata["comment"] == COMMENT
        assert abs((container.duration or 0) / 1e6 - 2.0) < 0.05
        samples = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert np.abs(samples).max() > 0.01
    assert len(frames(rendered.path)) == 48


def test_no_sound_stream_unless_asked(tmp_path: Path):
    [rendered] = made(work(), tmp_path)
    with av.open(str(rendered.path)) as container:
        assert not container.streams.audio


def test_playing_can_begin_before_the_file_is_complete(tmp_path: Path):
    [rendered] = made(work(), tmp_path)
    data = rendered.path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_quicktime(tmp_path: Path):
    [rendered] = made(work(file_format="mov", audio=True), tmp_path)
    assert rendered.media_type == "video/quicktime"
    assert rendered.path.suffix == ".mov"
    assert rendered.path.read_bytes()[8:10] == b"qt"
    with av.open(str(rendered.path)) as container:
        assert container.metadata["comment"] == COMMENT


_SCRIPT = """
import sys, pathlib
from tests.unit.renderer_works import made, work
print(made(work(sys.argv[2], audio=True), pathlib.Path(sys.argv[1]))[0].path)
"""


@pytest.mark.parametrize("prompt", ["a sunset over the ocean", "neon city at night in the rain"])
def test_the_same_work_gives_the_same_bytes_in_another_process(tmp_path: Path, prompt: str):
    root = Path(__file__).parents[2]
    digests = set()
    for name in ("one", "two"):
        command = [sys.executable, "-c", _SCRIPT, str(tmp_path / name), prompt]
        environment = {"PYTHONPATH": f"{root}:{root / 'src'}", "PYTHONHASHSEED": "random"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, cwd=root
        )
        digests.add(hashlib.sha256(Path(done.stdout.strip()).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_another_seed_or_prompt_is_another_picture(tmp_path: Path):
    first, seed, prompt = (
        frames(made(asked, tmp_path / str(place))[0].path)[0].astype(int)
        for place, asked in enumerate((work(), work(seed=8), work("a forest in the fog")))
    )
    assert np.abs(first - seed).mean() > 4
    assert np.abs(first - prompt).mean() > 15


def test_two_unknown_prompts_differ(tmp_path: Path):
    one, other = (
        frames(made(work(prompt), tmp_path / prompt)[0].path)[0].astype(int)
        for prompt in ("quarterly synergy", "hello world")
    )
    assert np.abs(one - other).mean() > 10


def test_a_sunset_is_warm_and_a_night_is_dark(tmp_path: Path):
    for seed in (1, 2, 3):
        sunset, night, day = (
            frames(
                made(work(f"{hour} over the ocean", seed=seed), tmp_path / f"{hour}{seed}")[0].path
            )[0]
            for hour in ("sunset", "night", "noon")
        )
        sky = sunset[40:90].astype(float).mean(axis=(0, 1))
        assert sky[0] > sky[2] + 20
        assert night.mean() < 70
        assert day.mean() > night.mean() + 50
        blue = day[:60].astype(float).mean(axis=(0, 1))
        assert blue[2] > blue[0]


def test_it_moves(tmp_path: Path):
    for prompt in ("a sunset over the ocean", "mountains", "city", "quarterly synergy", "space"):
        shown = frames(made(work(prompt), tmp_path / prompt)[0].path)
        assert np.abs(shown[0].astype(int) - shown[-1].astype(int)).mean() > 0.8


def test_a_pan_to_the_left_and_to_the_right_go_opposite_ways(tmp_path: Path):
    ends = {}
    for way in ("left", "right"):
        shown = frames(made(work(f"pan {way} over mountains"), tmp_path / way)[0].path)
        before, after = (shown[place].astype(float).mean(axis=2)[60:150] for place in (0, -1))
        moves = range(-24, 25)
        misses = [
            np.abs(np.roll(after, move, axis=1)[:, 30:-30] - before[:, 30:-30]).mean()
            for move in moves
        ]
        ends[way] = moves[int(np.argmin(misses))]
    assert ends["right"] > 2
    assert ends["left"] < -2


@pytest.mark.parametrize(("width", "height"), _CATALOG_SIZES)
def test_every_shape(tmp_path: Path, width: int, height: int):
    asked = work(size=Size(width=width, height=height), duration_s=1 / 24)
    [shown] = frames(made(asked, tmp_path)[0].path)
    assert shown.shape == (height, width, 3)
    assert shown.std() > 10


@pytest.mark.parametrize(
    "prompt",
    ["sea in a storm with lightning", "mountains in the snow", "a lake", "noir city", "forest",
     "desert at night", "a meadow", "underwater", "a snowy village", "watercolor hills",
     "vintage car on a road", "cats and dogs", "orbit a planet in space", "a pixel art castle",
     "handheld zoom into fog", "people, horses, trees, balloons and birds in a meadow", "aurora"],
)  # fmt: skip
def test_every_scene_in_both_orientations(tmp_path: Path, prompt: str):
    for width, height in ((256, 144), (144, 256)):
        asked = work(prompt, size=Size(width=width, height=height), duration_s=3 / 24)
        shown = frames(made(asked, tmp_path / str(width))[0].path)
        assert len(shown) == 3
        assert shown[0].std() > 4


def test_the_last_frame_is_handed_over_as_a_picture(tmp_path: Path):
    [rendered] = made(work(last_frame=True), tmp_path)
    assert rendered.last_frame is not None
    picture = pixels(rendered.last_frame)
    assert np.abs(picture.astype(int) - frames(rendered.path)[-1]).mean() < 4


def test_progress_rises_to_the_end(tmp_path: Path):
    heard: list[float] = []
    render(work(), tmp_path, heard.append)
    assert heard == sorted(heard)
    assert len(heard) >= 4
    assert heard[-1] == pytest.approx(1.0)


def test_frames_can_be_had_without_encoding():
    made_frames = list(frames_of(work(duration_s=0.25)))
    assert len(made_frames) == 6
    assert {frame.format.name for frame in made_frames} == {"yuv420p"}


def test_odd_sizes_are_refused_with_a_sentence(tmp_path: Path):
    with pytest.raises(ValueError, match="even"):
        made(work(size=Size(width=321, height=180)), tmp_path)


def test_the_corner_mark_is_seen_on_every_frame(tmp_path: Path):
    size = Size(width=640, height=360)
    shown = frames(made(work("night over the desert", size=size, duration_s=0.5), tmp_path)[0].path)
    for frame in (shown[0], shown[-1]):
        assert int(frame[-20:, -70:].max()) > int(frame[-20:, :300].max()) + 30


def test_sound_alone(tmp_path: Path):
    [rendered] = made(work(kind=MediaKind.AUDIO, file_format="wav", duration_s=3.0), tmp_path)
    assert rendered.media_type == "audio/wav"
    with av.open(str(rendered.path)) as container:
        samples = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
        assert container.streams.audio[0].codec_context.sample_rate == 48_000
    assert samples.shape[1] == 3 * 48_000 * 2
    assert np.abs(samples).max() > 500


def _loud_beginning(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        samples = [f.to_ndarray().astype(float).ravel() for f in container.decode(audio=0)]
    return np.concatenate(samples)[: 2 * 48_000]


def test_given_sound_is_heard(tmp_path: Path):
    tone = np.sin(np.arange(22_050) / 22_050 * 2 * np.pi * 440)
    given_path = tmp_path / "tone.wav"
    with wave.open(str(given_path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes((tone * 30_000).astype("<i2").tobytes())
    asked = work(kind=MediaKind.AUDIO, file_format="wav")
    reference = given(given_path, Role.REFERENCE, MediaKind.AUDIO)
    plain = _loud_beginning(made(asked, tmp_path / "plain")[0].path)
    mixed = _loud_beginning(made(replace(asked, pictures=(reference,)), tmp_path / "mixed")[0].path)
    spectrum = [np.abs(np.fft.rfft(heard[::2])) for heard in (plain, mixed)]
    place = round(440 * len(plain[::2]) / 48_000)
    assert spectrum[1][place] > 8 * spectrum[0][place]
