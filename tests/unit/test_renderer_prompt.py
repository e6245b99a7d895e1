"""What the renderer reads from a prompt."""

import pytest

from kinetoscope.providers.embedded.prompt import Subject, read


@pytest.mark.parametrize(
    ("prompt", "scene", "time", "weather"),
    [
        ("A beautiful sunset over the ocean", "sea", "sunset", "clear"),
        ("MOUNTAINS AT DAWN", "mountains", "sunrise", "clear"),
        ("neon city at night in the rain", "city", "night", "rain"),
        ("forest with fog", "forest", "day", "fog"),
        ("desert dunes with stars", "desert", "night", "clear"),
        ("space nebula with a planet", "space", "night", "clear"),
        ("snow in a village", "village", "day", "snow"),
        ("storm at sea with lightning", "sea", "day", "storm"),
        ("a mountain lake in the golden hour", "lake", "golden", "clear"),
        ("quarterly synergy", "abstract", "day", "clear"),
        ("", "abstract", "day", "clear"),
        ("fields of tulips", "meadow", "day", "clear"),
        ("una puesta de sol en la playa", "sea", "sunset", "clear"),
        ("夕日と海", "sea", "sunset", "clear"),
        ("a coral reef, underwater", "underwater", "day", "clear"),
    ],
)
def test_place_hour_and_weather(prompt: str, scene: str, time: str, weather: str):
    reading = read(prompt)
    assert (reading.scene, reading.time, reading.weather) == (scene, time, weather)


def test_whole_words_only():
    assert read("seasonal seating research").scene == "abstract"
    assert read("the rainbow trainer").weather == "clear"


def test_subjects_take_the_colour_before_them():
    reading = read("a red sailboat on a calm blue sea, two white birds")
    assert reading.subjects == (
        Subject(kind="sailboat", colour="red", many=False),
        Subject(kind="bird", colour="white", many=True),
    )
    assert reading.tint == "blue"
    assert reading.mood == "calm"


def test_a_subject_alone_brings_its_usual_place():
    assert read("a lighthouse").scene == "sea"
    assert read("hot air balloons").scene == "mountains"


@pytest.mark.parametrize(
    ("prompt", "camera"),
    [
        ("the camera pans left over a field", {"left"}),
        ("slow dolly in", {"in"}),
        ("zoom out to reveal the city", {"out"}),
        ("static shot of a lake", {"still"}),
        ("an aerial view", {"aerial"}),
        ("handheld walk through a forest", {"handheld"}),
        ("orbit around a tree", {"orbit"}),
        ("a lake", set()),
    ],
)
def test_camera_words(prompt: str, camera: set[str]):
    assert set(read(prompt).camera) == camera


def test_styles_and_moods():
    assert read("a noir street").style == "noir"
    assert read("a watercolour of hills").style == "watercolor"
    assert read("an epic mountain").mood == "epic"
    assert read("a dreamy meadow").mood == "dreamy"
