"""Runway's own client gets along with our wire shape, and has the fields and sizes we send."""

from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest
from runwayml import AsyncRunwayML, AuthenticationError
from runwayml.types import (
    image_to_video_create_params,
    text_to_image_create_params,
    text_to_video_create_params,
)
from tests.providers.upstream import KEY, Stage, Upstream, media_of, running
from tests.providers.wire_runway import wire

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.runway_models import MADE

pytestmark = pytest.mark.anyio


def client(upstream: Upstream, key: str = KEY) -> AsyncRunwayML:
    return AsyncRunwayML(api_key=key, base_url=f"http://127.0.0.1:{upstream.port}", max_retries=0)


async def test_a_task_is_made_followed_and_done():
    async with running(wire) as upstream, client(upstream) as api:
        made = await api.text_to_video.create(
            model="seedance2", prompt_text="A fox", ratio="1280:720", duration=5, seed=7
        )
        assert upstream.only.body == {
            "model": "seedance2",
            "promptText": "A fox",
            "ratio": "1280:720",
            "duration": 5,
            "seed": 7,
        }
        words = [(await api.tasks.retrieve(made.id)).status for _ in range(3)]
        assert words == ["PENDING", "RUNNING", "SUCCEEDED"]
        done = await api.tasks.retrieve(made.id)
        assert done.status == "SUCCEEDED"
        assert done.output == [upstream.file_url(upstream.only)]
        assert done.cost.credits == 25


async def test_frames_have_positions():
    async with running(wire) as upstream, client(upstream) as api:
        await api.image_to_video.create(
            model="seedance2",
            prompt_image=[{"uri": "runway://1", "position": "first"}],
            prompt_text="A fox",
        )
        frames = [{"uri": "runway://1", "position": "first"}]
        assert upstream.only.body["promptImage"] == frames


async def test_a_failure_has_a_code():
    async with running(wire) as upstream, client(upstream) as api:
        made = await api.text_to_video.create(model="seedance2", prompt_text="A fox")
        upstream.only.stay(Stage.REFUSED)
        failed = await api.tasks.retrieve(made.id)
        assert failed.status == "FAILED"
        assert failed.failure_code == "SAFETY.INPUT.TEXT"


async def test_a_task_is_deleted():
    async with running(wire) as upstream, client(upstream) as api:
        made = await api.text_to_video.create(model="seedance2", prompt_text="A fox")
        await api.tasks.delete(made.id)
        assert upstream.only.stage is Stage.CANCELLED


async def test_a_file_is_uploaded_as_ours_are():
    content = media_of(MediaKind.IMAGE)[1]
    async with running(wire) as upstream, client(upstream) as api:
        uploaded = await api.uploads.create_ephemeral(file=("fox.png", content))
        assert uploaded.uri == "runway://kept-1"
        assert upstream.uploads["runway://kept-1"] == content


async def test_a_wrong_key_is_an_error():
    async with running(wire) as upstream, client(upstream, "wrong") as api:
        with pytest.raises(AuthenticationError):
            await api.organization.retrieve()


def fields_of(module: ModuleType, model: str) -> dict[str, Any] | None:
    """Return the types of what a route takes for a model, None where it does not have it."""
    for kind in vars(module).values():
        hints = get_type_hints(kind) if isinstance(kind, type) else {}
        if model in get_args(hints.get("model")):
            return hints
    return None


ROUTES = (text_to_video_create_params, image_to_video_create_params, text_to_image_create_params)


@pytest.mark.parametrize("model", sorted(MADE))
def test_our_table_of_models_says_what_theirs_does(model: str):
    made = MADE[model]
    routes = [found for module in ROUTES if (found := fields_of(module, model)) is not None]
    assert routes, "there is no such model"
    for fields in routes:
        assert made.seed == ("seed" in fields)
        assert made.audio == ("audio" in fields)
        assert made.count == ("output_count" in fields and model not in FOUR_OR_ONE)
        assert made.file_format <= ("output_format" in fields)
        assert made.mov <= ("mov" in get_args(fields.get("output_format")))
        assert made.qualities <= set(get_args(fields.get("quality")))
    sizes = {ratio for fields in routes for ratio in get_args(fields["ratio"])}
    assert set(made.ratios) <= sizes
    auto = {made.auto.format(word) for word in ("1k", "2k", "480p", "720p", "1080p") if made.auto}
    assert not made.auto or auto & sizes
    assert made.omni == any(
        {"references", "reference_videos"} <= fields.keys() for fields in routes
    )


FOUR_OR_ONE = {"gemini_image3.1_flash", "gemini_image3_pro"}
"""Which make one picture or four, and no other number."""
