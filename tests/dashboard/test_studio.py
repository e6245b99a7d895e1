"""The studio over HTTP: forms become orders, once each, and nobody sees another's runs."""

import asyncio
import re

import httpx
import pytest
from tests.conftest import World
from tests.dashboard.signed_in import signed_in

from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import builtin
from kinetoscope.dashboard.studio_form import Prefilled, controls, from_inputs, inputs_of
from kinetoscope.kernel.credits import Credits

pytestmark = pytest.mark.anyio

FORM = {"model": "seedance-20", "prompt": "Waves", "duration": "5", "once": "a-token"}

MODELS = builtin().models


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
async def test_every_model_has_a_form_that_opens(world: World, model: Model):
    async with signed_in(world, "ada") as ada:
        page = await ada.client.get(f"/studio?model={model.id}")
        assert page.status_code == 200
        for field in model.fields:
            assert f'name="{field.name}"' in page.text or f'data-name="{field.name}"' in page.text


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_form_as_it_opens_is_an_order_of_defaults(model: Model):
    opened = {
        control.name: [control.value]
        for control in controls(model, Prefilled({}))
        if control.kind != "media"
    }
    inputs = inputs_of(model, Prefilled(opened))
    assert all(inputs[name] == model.defaults.get(name, inputs[name]) for name in inputs), (
        "nothing differs from what the model does by itself"
    )


async def test_a_form_becomes_a_task_once_however_often_it_is_sent(world: World):
    async with signed_in(world, "ada") as ada:
        answers = await asyncio.gather(
            *(
                ada.client.post("/studio/run", data=FORM, headers={"HX-Request": "true"})
                for _ in range(5)
            )
        )
        assert {answer.status_code for answer in answers} <= {200, 422}
        assert await world.count("task") == 1
        begun = next(answer for answer in answers if answer.status_code == 200)
        (task_id,) = set(re.findall(r"run-(task_[0-9a-z]+)", begun.text))
        account = await world.runtime.database.fetch_values(
            "select available, held from account where id = %(id)s", {"id": ada.account_id}
        )
        assert account == (Credits(80_000), Credits(20_000))
        again = await ada.client.post("/studio/run", data=FORM, headers={"HX-Request": "true"})
        assert task_id in again.text
        other = await ada.client.post(
            "/studio/run", data=FORM | {"prompt": "Other"}, headers={"HX-Request": "true"}
        )
        assert other.status_code == 422
        assert await world.count("task") == 1


async def test_another_account_sees_and_cancels_nothing(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "eve") as eve:
        await ada.client.post("/studio/run", data=FORM)
        row = await world.runtime.database.fetch_values("select id from task", {})
        assert row is not None
        for answer in (
            await eve.client.get(f"/studio/runs/{row[0]}"),
            await eve.client.post(f"/studio/runs/{row[0]}/cancel"),
            await eve.client.get(f"/studio?task={row[0]}"),
        ):
            assert answer.status_code in {403, 404}
        shown = await ada.client.get(f"/studio/runs/{row[0]}")
        assert 'data-status="waiting"' in shown.text
        ended = await ada.client.post(
            f"/studio/runs/{row[0]}/cancel", headers={"HX-Request": "true"}
        )
        assert 'data-status="fail"' in ended.text
        filled = await ada.client.get(f"/studio?task={row[0]}")
        assert ">Waves</textarea>" in filled.text


async def test_a_test_run_costs_nothing(world: World):
    async with signed_in(world, "ada", granted="0") as ada:
        priced = await ada.client.post("/studio/price", data=FORM | {"test": "1"})
        assert "Free" in priced.text
        answer = await ada.client.post("/studio/run", data=FORM | {"test": "1"})
        assert answer.status_code == 303
        refused = await ada.client.post(
            "/studio/run", data=FORM | {"once": "b"}, headers={"HX-Request": "true"}
        )
        assert refused.status_code == 422
        assert "Insufficient credits" in refused.text
        assert await world.count("task") == 1


async def test_the_studios_key_is_nobodys(world: World):
    async with signed_in(world, "ada") as ada:
        await ada.client.post("/studio/run", data=FORM)
        person = await world.person("other")
        listed = await world.client.get("/api/v1/keys", headers=person.headers)
        assert "Studio" not in listed.text
        row = await world.runtime.database.fetch_values(
            """
            select name, is_studio, scopes from api_key
            where account_id = %(id)s and mode = 'live'
            """,
            {"id": ada.account_id},
        )
        assert row == ("Studio", True, ["tasks:write", "tasks:read", "uploads:write"])


async def test_what_is_wrong_is_told_by_the_forms_own_names(world: World):
    async with signed_in(world, "ada") as ada:
        priced = await ada.client.post("/studio/price", data=FORM | {"duration": "99"})
        assert "Duration:" in priced.text
        assert priced.status_code == 200
        refused = await ada.client.post(
            "/studio/run", data=FORM | {"duration": "99"}, headers={"HX-Request": "true"}
        )
        assert refused.status_code == 422
        assert "Duration:" in refused.text
        assert await world.count("task") == 0


async def test_a_prompt_stays_text(world: World):
    async with signed_in(world, "ada") as ada:
        hostile = "<script>alert(1)</script>'\"</textarea>"
        page = await ada.client.get("/studio", params={"prompt": hostile, "model": "seedance-20"})
        assert "<script>alert" not in page.text
        priced = await ada.client.post("/studio/price", data=FORM | {"prompt": hostile})
        assert "<script>alert" not in priced.text


def test_an_earlier_tasks_inputs_fill_the_form_as_they_were():
    for model in MODELS:
        stated = {"prompt": "Rain", **model.defaults}
        read = inputs_of(model, from_inputs(stated))
        for name, value in read.items():
            assert stated[name] == value


async def test_a_link_to_settings_keeps_what_is_switched_on(world: World):
    async with signed_in(world, "ada") as ada:
        on = "/studio?model=seedance-20&generate_audio=false&generate_audio=true"
        for path, checked in ((on, True), ("/studio?model=seedance-20", True)):
            assert is_on(await ada.client.get(path)) is checked
        off = "/studio?model=seedance-20&generate_audio=false"
        assert is_on(await ada.client.get(off)) is False


def is_on(page: httpx.Response) -> bool:
    found = re.search(r'<input type="checkbox"[^>]*name="generate_audio"[^>]*>', page.text)
    assert found is not None
    return "checked" in found[0]
