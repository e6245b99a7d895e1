"""Every client against every story, unmodified: a cell that a client cannot fill says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients import table
from tests.clients.sdks import FAL, OPENAI, SDKS, Sdk
from tests.clients.stack import Stack, stack
from tests.clients.stories import STORIES, create

CELLS = [(sdk, story) for sdk in SDKS for story in STORIES if story not in sdk.cannot]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("clients")) as made:
        yield made


@pytest.mark.parametrize(
    ("sdk", "story"), CELLS, ids=[f"{sdk.driver}-{story}" for sdk, story in CELLS]
)
def test_a_client_goes_through_a_story(clients: Stack, sdk: Sdk, story: str):
    keys = clients.keys("1000")
    STORIES[story](clients, sdk, keys)


def test_one_task_is_read_by_every_client_and_charged_once(clients: Stack):
    """Created by OpenAI's client, read by fal's, Replicate's and kie.ai's, listed natively."""
    keys = clients.keys("1000")
    task_id = create(clients.driver(OPENAI.driver), OPENAI, keys.live, "a harbour at dusk")
    assert clients.driver(OPENAI.driver).ask("wait", keys.live, id=task_id)["state"] == "completed"
    for sdk in SDKS:
        told = clients.driver(sdk.driver).ask("get", keys.live, id=task_id)
        assert told["state"] == sdk.success, sdk.title
    ended = clients.driver(FAL.driver).ask("wait", keys.live, id=task_id)
    record = clients.record(keys.live, task_id)
    assert ended["urls"] == [record["output"][0]["url"]]
    assert clients.tasks(keys.account_id) == [task_id]
    assert clients.charges(task_id) == ["hold", "capture"]


def test_every_reason_is_for_a_story_and_the_table_tells_them():
    for sdk in SDKS:
        assert set(sdk.cannot) | set(sdk.notes) <= set(STORIES)
    assert Path(table.PATH).read_text() == table.text(), "python -m tests.clients.table"
