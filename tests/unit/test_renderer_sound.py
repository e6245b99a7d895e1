"""The sound track: shape, level, repeatability, and that places sound like themselves."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from kinetoscope.providers.embedded.sound import (
    SCENES,
    WORDS,
    SoundCues,
    ambience_levels,
    music_of,
    music_share,
    synthesise,
)
from kinetoscope.providers.embedded.sound_ambience import AMBIENCES
from kinetoscope.providers.embedded.sound_material import empty_stage
from kinetoscope.providers.embedded.sound_music import MOODS
from kinetoscope.providers.embedded.work import SAMPLES_PER_S

Sound = NDArray[np.float32]

SILENT_BED = frozenset({"no", "music"})

OTHER_PROCESS = """
import hashlib
from kinetoscope.providers.embedded.sound import SoundCues, synthesise
cues = SoundCues(scene="sea", time="sunset", weather="storm", mood="epic",
                 words=frozenset({"fire", "piano", "birds", "drum"}))
print(hashlib.sha256(synthesise(cues, 2.0, 11).tobytes()).hexdigest())
"""


def cues(
    scene: str = "sea",
    time: str = "day",
    weather: str = "clear",
    mood: str = "calm",
    words: frozenset[str] = frozenset(),
):
    return SoundCues(scene=scene, time=time, weather=weather, mood=mood, words=words)


def decibels(sound: Sound):
    return 20 * np.log10(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def spectrum(sound: Sound):
    """Power over frequency in hertz, of the two channels together."""
    bins = np.fft.rfft(sound, axis=0)
    return np.fft.rfftfreq(len(sound), 1 / SAMPLES_PER_S), np.square(np.abs(bins)).sum(axis=1)


def power_between(sound: Sound, low_hz: float, high_hz: float):
    pitches_hz, power = spectrum(sound)
    return power[(pitches_hz >= low_hz) & (pitches_hz < high_hz)].mean()


def swell(sound: Sound):
    """How much loudness moves on the scale of waves: a share of the mean."""
    quarters = np.square(sound).sum(axis=1)[: len(sound) // 12_000 * 12_000].reshape(-1, 12_000)
    loudness = np.sqrt(quarters.mean(axis=1))
    smooth = np.convolve(loudness, np.ones(6) / 6, mode="valid")
    return smooth.std() / smooth.mean()


@pytest.mark.parametrize("duration_s", [0.5, 0.777, 1.0, 3.14159, 5.0])
def test_shape_and_bounds(duration_s: float):
    sound = synthesise(cues(), duration_s, 1)
    assert sound.shape == (round(duration_s * SAMPLES_PER_S), 2)
    assert sound.dtype == np.float32
    assert sound.flags.c_contiguous
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 0.98


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_level_is_even_over_scenes_and_moods(scene: str):
    for mood in ("", *sorted(MOODS)):
        sound = synthesise(cues(scene=scene, mood=mood), 0.7, 3)
        assert -26 < decibels(sound) < -16, mood
        assert abs(float(sound.mean())) < 1e-3, mood


@pytest.mark.parametrize("weather", ["rain", "storm", "snow", "fog", "clouds"])
def test_every_weather_keeps_the_level(weather: str):
    assert -26 < decibels(synthesise(cues(weather=weather), 2, 3)) < -16


def test_a_longer_track_keeps_level_and_bounds():
    sound = synthesise(cues(weather="storm", mood="dramatic"), 40, 2)
    assert len(sound) == 40 * SAMPLES_PER_S
    assert np.abs(sound).max() <= 0.98
    assert -26 < decibels(sound) < -16
    # No part of it falls silent.
    assert min(decibels(part) for part in np.split(sound[: 38 * SAMPLES_PER_S], 38)) > -40


def test_same_bytes_in_another_process():
    here = synthesise(
        cues(
            time="sunset",
            weather="storm",
            mood="epic",
            words=frozenset({"drum", "birds", "piano", "fire"}),
        ),
        2.0,
        11,
    )
    there = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == hashlib.sha256(here.tobytes()).hexdigest()


def test_another_seed_is_another_track():
    one, other = (synthesise(cues(), 1, seed) for seed in (1, 2))
    assert not np.array_equal(one, other)
    assert abs(np.corrcoef(one[:, 0], other[:, 0])[0, 1]) < 0.5


def test_begins_and_ends_without_a_click():
    for scene, duration_s in (("sea", 0.5), ("space", 2.0), ("city", 5.0)):
        sound = synthesise(cues(scene=scene, weather="rain", mood="epic"), duration_s, 5)
        for edge in (sound[:240], sound[-240:]):
            assert np.abs(edge).max() < 0.01
            assert np.abs(np.diff(edge, axis=0)).max() < 0.01
        assert np.abs(sound[[0, -1]]).max() < 1e-4


def test_smooth_scenes_have_no_click_inside():
    # Longer than one loop of 5.5 s, so that its seam and the block seams are heard too.
    for scene in ("space", "underwater", "sea"):
        sound = synthesise(cues(scene=scene, mood="dreamy"), 14, 5)
        assert np.abs(np.diff(sound, axis=0)).max() < 0.15


def test_the_channels_differ_but_share_a_place():
    sound = synthesise(cues(), 5, 1)
    left, right = sound.T
    assert -0.3 < np.corrcoef(left, right).min() < 0.9


def test_the_sea_swells_more_than_a_forest():
    for seed in (1, 2, 3):
        sea, forest = (
            synthesise(cues(scene=scene, words=SILENT_BED), 24, seed) for scene in ("sea", "forest")
        )
        assert swell(sea) > 1.5 * swell(forest)


def test_crickets_sing_in_a_forest_at_night():
    night = synthesise(cues(scene="forest", time="night", words=SILENT_BED), 5, 4)
    snow = synthesise(cues("forest", "night", "snow", words=SILENT_BED), 5, 4)
    assert power_between(night, 4_000, 5_000) > 5 * power_between(night, 6_500, 8_000)
    assert power_between(night, 4_050, 4_950) > 3 * power_between(snow, 4_050, 4_950)


def test_rain_is_brighter_than_thunder_is_deep():
    rain, storm = (
        synthesise(cues(scene="abstract", weather=weather, words=SILENT_BED), 5, 4)
        for weather in ("rain", "storm")
    )
    assert power_between(rain, 2_000, 8_000) > power_between(storm, 2_000, 8_000)
    assert power_between(storm, 30, 120) > 10 * power_between(rain, 30, 120)


def test_a_pad_is_made_of_harmonics():
    pitches_hz, power = spectrum(synthesise(cues(scene="space", words=frozenset({"music"})), 6, 4))
    band = power[(pitches_hz > 140) & (pitches_hz < 800)]
    assert np.sort(band)[-len(band) // 5 :].sum() > 0.9 * band.sum()


def test_unknown_strings_are_abstract():
    odd = SoundCues(
        scene="spaghetti",
        time="13 o'clock",
        weather="\ud800",
        mood="🙃",
        words=frozenset({"", "ß", "\x1f", "\udfff"}),
    )
    assert ambience_levels(odd) == dict(SCENES["abstract"])
    assert -26 < decibels(synthesise(odd, 0.5, -(2**70))) < -16


def test_every_named_layer_exists():
    named = {name for levels in SCENES.values() for name in levels} | set(WORDS.values())
    assert named <= AMBIENCES.keys()


@pytest.mark.parametrize("name", sorted(AMBIENCES))
def test_every_layer_is_heard(name: str):
    stage = empty_stage(3 * SAMPLES_PER_S)
    AMBIENCES[name](stage, np.random.Generator(np.random.PCG64(5)), 1.0)
    for channel in stage.dry.reshape(2, -1):
        assert np.isfinite(channel).all()
        # Loud enough to matter, quiet enough to leave room for the others.
        assert -60 < decibels(channel) < -14


def test_words_choose_the_music():
    assert music_share(frozenset({"no", "music"}), 0.5) == 0
    assert music_share(frozenset({"rain", "asmr"}), 0.5) == 0
    assert music_share(frozenset({"sound", "music"}), 0.5) > 1
    assert music_share(frozenset({"she", "says", "hello"}), 0.5) > 1
    assert music_share(frozenset({"cat"}), 0.5) == 0.5
    assert music_of(cues(words=frozenset({"drums"}))).drums > 0
    assert music_of(cues(mood="unheard")) == music_of(cues(mood=""))
    assert music_of(cues(weather="storm")).chords == MOODS["dramatic"].chords


def test_a_river_does_not_break_on_a_beach():
    levels = ambience_levels(cues(scene="sea", words=frozenset({"river"})))
    assert "stream" in levels
    assert "surf" not in levels


def test_animals_hide_from_a_storm():
    levels = ambience_levels(cues(scene="forest", weather="storm"))
    assert "birds" not in levels
    assert {"rain", "thunder"} <= levels.keys()
