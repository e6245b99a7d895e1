"""What docs/embedded-renderer.md promises, and what a newcomer's words should bring."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.unit.renderer_works import frames, image, made, pixels, work

from kinetoscope.providers.embedded import vocabulary
from kinetoscope.providers.embedded.camera import move_of
from kinetoscope.providers.embedded.drawings import DRAWINGS
from kinetoscope.providers.embedded.prompt import Tint, heard, read

_DOC = Path(__file__).parents[2] / "docs" / "embedded-renderer.md"
_TABLES = {
    "Scenes": vocabulary.SCENES,
    "Hours": vocabulary.TIMES,
    "Weather": vocabulary.WEATHERS,
    "Moods": vocabulary.MOODS,
    "Styles": vocabulary.STYLES,
    "Camera": vocabulary.CAMERA,
    "In the sky": vocabulary.FEATURES,
    "Subjects": vocabulary.SUBJECTS,
}


def _documented() -> dict[str, str]:
    """Each section's text on one line."""
    text = re.sub(r"\s+", " ", _DOC.read_text())
    return dict(re.findall(r"- \*\*([^*]+)\*\*(?: —)? (.*?)(?= - \*\*| Where no scene|$)", text))


@pytest.mark.parametrize("section", _TABLES)
def test_every_group_of_words_in_the_document_is_understood(section: str):
    said = re.sub(r"^- ", "", _documented()[section])
    groups = dict(re.findall(r"([a-z][a-z ]*): ((?:`[^`]+`(?:, )?)+)", said))
    assert groups.keys() == {name for name, _ in _TABLES[section]}
    for name, words in _TABLES[section]:
        assert set(re.findall(r"`([^`]+)`", groups[name])) <= set(words)


def test_the_colours_in_the_document_are_all_there_are():
    assert re.findall(r"`([^`]+)`", _documented()["Colours"]) == list(vocabulary.COLOURS)
    assert len(_DOC.read_text().splitlines()) <= 60


@pytest.mark.parametrize("table", [*_TABLES.values(), vocabulary.HINTS, vocabulary.OWNERS])
def test_every_word_can_be_heard(table: vocabulary.Table):
    for _, words in table:
        for word in words:
            if word.isascii():
                assert f" {word} " in heard(word), word


def test_every_subject_has_a_place_and_a_drawing():
    kinds = {name for name, _ in vocabulary.SUBJECTS}
    assert vocabulary.SUBJECT_SCENES.keys() == kinds
    assert kinds - {"bird", "moon"} == DRAWINGS.keys()


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("a whale swims under water", "underwater"),
        ("beneath the sea", "underwater"),
        ("below the surface of the ocean", "underwater"),
        ("a koi pond", "underwater"),
        ("jellyfish in the deep sea", "underwater"),
        ("an old lighthouse on a cliff in a storm", "sea"),
        ("a ship in the harbour", "sea"),
        ("a boat on a lake", "lake"),
        ("a cliff in the mountains", "mountains"),
        ("milky way over the desert", "desert"),
        ("northern lights", "lake"),
        ("a rover on mars", "desert"),
        ("autumn leaves", "forest"),
        ("saturn", "space"),
    ],
)
def test_the_scene_a_newcomer_means(prompt: str, scene: str):
    assert read(prompt).scene == scene


def test_colours_belong_to_what_they_stand_before():
    assert read("liquid gold and teal").tints == (
        Tint(colour="gold", of="whole"),
        Tint(colour="teal", of="whole"),
    )
    assert read("a red desert").tints == (Tint(colour="red", of="ground"),)
    assert read("autumn forest").tint_of("ground") == "rust"
    assert read("golden hour").tints == ()
    assert read("pink tulips").tints == ()
    dressed = read("a woman in a red dress")
    assert (dressed.subjects[0].colour, dressed.tints) == ("red", ())


def test_trees_of_a_kind_are_not_also_plain_trees():
    [palm] = read("palm trees on a beach").subjects
    assert (palm.kind, palm.many) == ("palm", True)
    assert [one.kind for one in read("cherry blossom trees").subjects] == ["blossom"]
    assert [one.kind for one in read("a fox in the snow").subjects] == ["fox"]


def test_birds_fly_without_the_camera():
    assert "aerial" in read("flying over the mountains").camera
    assert "aerial" not in read("an eagle flying over the mountains").camera


def test_a_flight_goes_further_than_a_walk_and_longer_ones_further_still():
    walk, flight = (move_of(read(prompt), 5) for prompt in ("mountains", "drone over mountains"))
    assert flight.travel > 2 * walk.travel
    assert abs(flight.slide) > 0.3
    longer = move_of(read("drone over mountains"), 10)
    assert longer.travel == pytest.approx(2 * flight.travel)
    for share in np.linspace(0, 1, 21):
        for move in (flight, longer):
            view = move.view(float(share))
            assert abs(view.x - 0.5) + 0.5 / view.zoom <= 0.5
            assert abs(view.y - 0.5) + 0.5 / view.zoom <= 0.5


def test_colours_named_for_the_whole_are_seen(tmp_path: Path):
    red, green, blue = (
        pixels(made(image("liquid gold"), tmp_path / "gold")[0].path).astype(float).mean((0, 1))
    )
    assert red > green > blue + 25
    sand = pixels(made(image("a red desert"), tmp_path / "red")[0].path)[140:170].mean((0, 1))
    assert sand[0] > sand[1] + 35
    snow = pixels(made(image("a snowy village"), tmp_path / "snow")[0].path)[-8:, :200].mean((0, 1))
    assert snow.min() > 120


def test_no_stars_shine_through_a_storm(tmp_path: Path):
    shown = {}
    for sky in ("starry night", "rainy starry night"):
        [frame] = frames(made(work(f"{sky} over hills", duration_s=1 / 24), tmp_path / sky)[0].path)
        part = frame[:60].astype(float).mean(axis=2)
        shown[sky] = np.percentile(part, 99.9) - np.median(part)
    assert shown["rainy starry night"] < shown["starry night"] / 2


def test_the_mark_is_read_on_a_bright_picture(tmp_path: Path):
    shown = pixels(made(image("a snowy meadow at noon"), tmp_path)[0].path).astype(float)
    corner = shown[-18:-2, -56:-4].mean(axis=2)
    assert corner.max() - np.median(corner) > 60
