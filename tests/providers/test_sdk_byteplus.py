"""BytePlus' own client gets along with our wire shape, and has the fields we send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_type_hints

import pytest
from byteplussdkarkruntime import (  # type: ignore[import-untyped]
    AsyncArk,
    _exceptions,
)
from byteplussdkarkruntime.types.content_generation import (  # type: ignore[import-untyped]
    content_generation_task,
    create_task_content_param,
)
from tests.providers.asking import answer, asked, called_back, ordered, sent
from tests.providers.upstream import KEY, Stage, Upstream, Verb, answers, payload, running
from tests.providers.wire_byteplus import wire

from kinetoscope.kernel.order import Order
from kinetoscope.providers.byteplus import BYTEPLUS
from kinetoscope.providers.contract import Kind

pytestmark = pytest.mark.anyio

MODEL = "dreamina-seedance-2-0-260128"


@asynccontextmanager
async def client(upstream: Upstream, key: str = KEY) -> AsyncIterator[AsyncArk]:
    api = AsyncArk(api_key=key, base_url=f"http://127.0.0.1:{upstream.port}/api/v3", max_retries=0)
    try:
        yield api
    finally:
        await api.close()


def clips() -> list[Order]:
    return [
        ordered("seedance-20", duration=6, generate_audio=False),
        ordered("seedance-20", images=2),
        ordered("seedance-20", images=2, audios=1, mode="reference"),
        ordered("seedance2-5", output_format="mov"),
    ]


async def test_what_it_asks_for_is_what_we_do():
    for order in clips():
        ask = called_back(asked(BYTEPLUS, order), "https://us.example/news")
        path, ours = sent(ask, BYTEPLUS)
        async with running(wire) as upstream, client(upstream) as api:
            await api.content_generation.tasks.create(**ours)
            (recorded,) = upstream.of(Verb.SUBMIT)
        assert recorded.path == f"/api/v3/{path}"
        given = {name: value for name, value in recorded.json.items() if value is not None}
        assert given == ours


async def test_a_task_is_made_followed_and_done():
    async with running(wire) as upstream, client(upstream) as api:
        tasks = api.content_generation.tasks
        made = await tasks.create(model=MODEL, content=[{"type": "text", "text": "A fox"}])
        assert made.id == upstream.only.id
        words = [(await tasks.get(task_id=made.id)).status for _ in range(3)]
        assert words == ["queued", "running", "succeeded"]
        done = await tasks.get(task_id=made.id)
        assert done.content.video_url == upstream.file_url(upstream.only)
        assert done.usage.completion_tokens == 108_900


async def test_a_task_that_failed_has_a_code():
    async with running(wire) as upstream, client(upstream) as api:
        tasks = api.content_generation.tasks
        made = await tasks.create(model=MODEL, content=[{"type": "text", "text": "A fox"}])
        upstream.only.stay(Stage.REFUSED)
        failed = await tasks.get(task_id=made.id)
        assert failed.status == "failed"
        assert failed.error.code == "InputImageSensitiveContentDetected"


async def test_a_task_is_deleted_while_it_waits_and_no_later():
    async with running(wire) as upstream, client(upstream) as api:
        tasks = api.content_generation.tasks
        made = await tasks.create(model=MODEL, content=[{"type": "text", "text": "A fox"}])
        upstream.only.stay(Stage.WORKING)
        with pytest.raises(_exceptions.ArkAPIStatusError) as running_still:
            await tasks.delete(task_id=made.id)
        assert running_still.value.status_code == 409
        upstream.only.stay(Stage.WAITING)
        await tasks.delete(task_id=made.id)
        assert upstream.only.stage is Stage.CANCELLED


async def test_pictures_are_asked_for_as_we_do():
    order = ordered("seedream-5.0-pro", images=2, aspectRatio="1:1", resolution="1k")
    path, ours = sent(asked(BYTEPLUS, order), BYTEPLUS)
    async with running(wire) as upstream, client(upstream) as api:
        made = await api.images.generate(**ours)
        assert [image.url for image in made.data] == [upstream.file_url(upstream.only)]
        (recorded,) = upstream.of(Verb.SUBMIT)
    assert recorded.path == f"/api/v3/{path}"
    given = {name: value for name, value in recorded.json.items() if value is not None}
    assert {name: given[name] for name in ours} == ours


async def test_tasks_are_listed_as_our_check_does():
    async with running(wire) as upstream, client(upstream) as api:
        assert (await api.content_generation.tasks.list(page_num=1, page_size=1)).total == 0
        (recorded,) = upstream.of(Verb.CHECK)
    call = BYTEPLUS.check(asked(BYTEPLUS, ordered("seedance-20")).site)
    assert recorded.path == f"/api/v3/{call.url}"
    assert recorded.query == "&".join(f"{name}={value}" for name, value in call.query)


@pytest.mark.parametrize(
    ("status", "file", "kind"),
    [
        (400, "byteplus_moderated.json", Kind.MODERATION),
        (400, "byteplus_invalid.json", Kind.PERMANENT),
        (404, "byteplus_not_open.json", Kind.UNSUPPORTED),
    ],
)
async def test_errors_have_the_codes_that_we_read(status: int, file: str, kind: Kind):
    async with running(wire) as upstream, client(upstream) as api:
        upstream.fault(Verb.SUBMIT, answers(status, payload(file)))
        with pytest.raises(_exceptions.ArkAPIStatusError) as raised:
            await api.content_generation.tasks.create(model=MODEL, content=[])
    assert raised.value.status_code == status
    assert raised.value.code == payload(file)["error"]["code"]
    assert BYTEPLUS.refusal(answer(status, raised.value.response.json())).kind is kind


async def test_a_wrong_key_is_an_error():
    async with running(wire) as upstream, client(upstream, "wrong") as api:
        with pytest.raises(_exceptions.ArkAuthenticationError) as raised:
            await api.content_generation.tasks.create(model=MODEL, content=[])
        assert upstream.jobs == {}
    refused = BYTEPLUS.refusal(answer(401, raised.value.response.json()))
    assert refused.kind is Kind.ACCOUNT


async def test_their_client_has_every_field_that_we_send():
    """It sends a null for each of its own that is not given."""
    async with running(wire) as upstream, client(upstream) as api:
        await api.content_generation.tasks.create(model=MODEL, content=[])
        await api.images.generate(model="seedream", prompt="A fox")
        of_tasks, of_images = (set(recorded.json) for recorded in upstream.of(Verb.SUBMIT))
    asks = [asked(BYTEPLUS, order) for order in clips()]
    asks.append(asked(BYTEPLUS, ordered("seedance-20"), "seedance-1-0-pro-250528"))
    for ask in asks:
        assert sent(called_back(ask, "https://us.example"), BYTEPLUS)[1].keys() <= of_tasks
    picture = ordered("seedream-5.0-pro", images=1, aspectRatio="1:1")
    for model in ("", "seedream-3-0-t2i-250415"):
        assert sent(asked(BYTEPLUS, picture, model), BYTEPLUS)[1].keys() <= of_images


def test_their_types_have_every_part_of_a_prompt_that_we_send():
    shapes = {
        frozenset(get_type_hints(shape))
        for shape in vars(create_task_content_param).values()
        if isinstance(shape, type)
    }
    for order in clips():
        for part in sent(asked(BYTEPLUS, order), BYTEPLUS)[1]["content"]:
            assert frozenset(part) in shapes
            inner = part.get(part["type"])
            assert isinstance(inner, str) or frozenset(inner) in shapes


def test_their_types_have_everything_that_we_read():
    task = get_type_hints(content_generation_task.ContentGenerationTask)
    content = get_type_hints(content_generation_task.Content)
    assert {"id", "status", "content", "error", "usage"} <= task.keys()
    assert {"video_url", "last_frame_url"} <= content.keys()
    assert "completion_tokens" in get_type_hints(content_generation_task.Usage)
