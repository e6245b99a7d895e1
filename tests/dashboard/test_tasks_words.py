"""The pure half of a task's page: durations, steps, and inputs in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kinetoscope.catalog.operator import load_with
from kinetoscope.dashboard.tasks.asked import inputs_for_people
from kinetoscope.dashboard.tasks.timeline import timeline, took
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import KeyId, TaskId
from kinetoscope.kernel.order import JSON
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.story import Story
from kinetoscope.tasks.task import Status

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0.04, "0 s"), (0.4, "0.4 s"), (38.9, "38 s"), (119.6, "1 min 59 s"),
     (125, "2 min 5 s"), (4330, "1 h 12 min"), (7800, "2 h 10 min")],
)  # fmt: skip
def test_a_duration_is_written_with_its_two_largest_units(seconds: float, text: str):
    assert took(NOW, at(seconds)) == text


RECORD = Record(
    id=TaskId("task_00000000"),
    model="seedance-20",
    status=Status.WAITING,
    price=Credits(20000),
    progress_percent=None,
    preview=False,
    ai_generated=None,
    output=(),
    failure=None,
    created_at=NOW,
    completed_at=None,
    media_expires_at=None,
    metadata_expires_at=None,
    addresses_expire_at=at(100),
    is_expired=False,
)
STORY = Story(
    id=RECORD.id,
    inputs={},
    key_id=KeyId("key"),
    key_name="key",
    key_last_four="abcd",
    is_studio=False,
    is_key_deleted=False,
    is_test=False,
    rehearsal=None,
    cached_from=None,
    callback_url=None,
    legal_hold=False,
    submit_started_at=None,
    started_at=None,
    cancel_requested_at=None,
)


def told(record: Record, story: Story, position: int | None, seconds: float) -> list[str]:
    steps = timeline(record, story, position, at(seconds))
    return [f"{step.mark}: {step.title} {step.took} {step.note}".strip() for step in steps]


def test_a_timeline_grows_with_its_task():
    assert told(RECORD, STORY, 3, 8) == [
        "done: Created", "now: In the queue 8.0 s 3 tasks ahead", "later: Generating",
        "later: Stored",
    ]  # fmt: skip
    submitted = replace(STORY, submit_started_at=at(1), started_at=at(3))
    generating = replace(RECORD, status=Status.GENERATING, progress_percent=40)
    assert told(generating, submitted, None, 12)[-3:] == [
        "done: Generating 2.0 s", "now: Working on it 9.0 s 40% done", "later: Stored",
    ]  # fmt: skip
    unwanted = replace(submitted, cancel_requested_at=at(5))
    assert "done: Cancel asked for 2.0 s It may still succeed" in told(
        generating, unwanted, None, 12
    )
    done = replace(RECORD, status=Status.SUCCESS, completed_at=at(20))
    assert told(done, submitted, None, 99)[-1] == "done: Stored 17 s Media is ready"


def test_inputs_are_named_as_the_form_names_them_and_media_leads_only_where_it_may(tmp_path: Path):
    model = load_with(tmp_path).catalog.models_by_id["seedance-20"]
    signer = Signer(b"key", "https://here.test")
    own = signer.url("a" * 26 + ".png", at(60))
    late = signer.url("b" * 26 + ".png", at(-60))
    inputs: dict[str, JSON] = {
        "imageUrls": [own, late, "https://example.com/a.png?x=1", "data:image/png;base64," + 4000
                      * "A", "javascript:alert(1)"],
        "duration": 5, "generateAudio": True, "unheard": {"of": [1, 2.5]}, "prompt": "not here",
    }  # fmt: skip
    shown = inputs_for_people(model, inputs, signer, NOW)
    by_name = {each.name: each for each in shown}
    assert "prompt" not in by_name
    assert by_name["duration"].text == "5 s"
    assert by_name["unheard"].text == "of: 1, 2.5"
    sources = by_name["imageUrls"].sources
    assert [source.here for source in sources] == [own.removeprefix("https://here.test")] + 4 * [""]
    assert [source.url for source in sources] == [
        own, late, "https://example.com/a.png?x=1", "", "",
    ]  # fmt: skip
    assert sources[2].shown == "example.com/a.png"
    assert sources[3].shown == "Sent within the request, 3 kB"
