"""The live demo: the public key, and the samples as they are, for everybody."""

import re
import shlex
from dataclasses import replace
from html import unescape

import httpx
import pytest
from tests.conftest import World

from kinetoscope.cli.first_start import ensure_demo
from kinetoscope.server import create_app
from kinetoscope.settings import DEMO_KEY
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.samples import SAMPLES
from kinetoscope.wiring import worker_tools

pytestmark = pytest.mark.anyio

VIDEO, FAILURE = SAMPLES[0].id, SAMPLES[2].id

PARTIAL = {"HX-Request": "true"}


def part_of(page: str, task_id: str) -> str:
    return page.partition(f'id="{task_id}"')[2].partition("</article>")[0]


async def test_samples_are_shown_as_they_are_and_waited_for(world: World):
    page = (await world.client.get("/demo")).text
    assert DEMO_KEY in page
    assert page.count("Not made yet") == 5
    await ensure_demo(world.runtime)
    page = (await world.client.get("/demo")).text
    assert page.count("This server is making it just now") == 5
    for sample in SAMPLES:
        part = part_of(page, sample.id)
        assert sample.prompt in unescape(part)
        assert f'hx-get="/demo/{sample.id}"' in part
    async with worker_tools(world.runtime) as tools:
        await advance(tools, FAILURE)
        await advance(tools, VIDEO)
    shown = await world.client.get(f"/demo/{VIDEO}", headers=PARTIAL)
    assert "<html" not in shown.text
    assert "hx-get" not in shown.text
    (address,) = re.findall(r'<video [^>]*src="([^"]+)"', shown.text)
    assert address.startswith("/media/")
    file = await world.client.get(unescape(address))
    assert (file.status_code, file.headers["content-type"]) == (200, "video/mp4")
    (poster,) = re.findall(r'poster="([^"]+)"', shown.text)
    assert (await world.client.get(unescape(poster))).headers["content-type"] == "image/png"
    failed = part_of((await world.client.get("/demo")).text, FAILURE)
    assert "<code>2038</code>" in failed
    assert "violates platform rules" in failed
    assert "hx-get" not in failed


async def test_the_commands_on_the_page_do_what_it_says(world: World):
    await ensure_demo(world.runtime)
    page = (await world.client.get("/demo")).text
    commands = [unescape(text) for text in re.findall(r'data-copy="(curl [^"]+)"', page)]
    assert len(commands) == 6
    for text, sample in zip(commands, SAMPLES, strict=False):
        _, _, address, _, header = shlex.split(text.replace("\\\n", " "))
        assert address.startswith("http://kinetoscope.test/")
        name, _, value = header.partition(": ")
        answered = await world.client.get(address, headers={name: value})
        assert (answered.status_code, answered.json()["taskId"]) == (200, sample.id)
    words = shlex.split(commands[5].replace("\\\n", " "))
    headers = dict(each.split(": ") for each in words if ": " in each and each[0] != "{")
    refused = await world.client.post(words[2], content=words[-1], headers=headers)
    assert refused.status_code == 403


async def test_other_tasks_and_names_are_not_shown(world: World):
    await ensure_demo(world.runtime)
    for name in ("task_3n8x0q6v1m5k2j9h7g4f0d8s", "demo_task_other", "<script>"):
        answer = await world.client.get(f"/demo/{name}", headers=PARTIAL)
        assert answer.status_code == 404
    whole = await world.client.get(f"/demo/{VIDEO}")
    assert (whole.status_code, whole.headers["location"]) == (303, f"/demo#{VIDEO}")


async def test_a_server_without_a_demo_key_says_so(world: World):
    settings = replace(world.runtime.settings, demo_key="")
    app = create_app(replace(world.runtime, settings=settings))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kinetoscope.test") as client:
        page = await client.get("/demo")
        assert page.status_code == 200
        assert "The demo is off" in page.text
        assert "kino_demo" not in page.text
        assert (await client.get(f"/demo/{VIDEO}", headers=PARTIAL)).status_code == 404
