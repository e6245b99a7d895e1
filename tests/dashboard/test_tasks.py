"""Tasks and the gallery over HTTP: whose they are, what is found, and what buttons do."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.dashboard.signed_in import SignedIn, signed_in
from tests.scripted import (
    FOUR,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    record,
    tools_for,
)

from kinetoscope.accounts import audit as audit_log
from kinetoscope.accounts import keys
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Failed, Kind, Polling, Working
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.webhooks import log
from kinetoscope.webhooks.log import Filter

pytestmark = pytest.mark.anyio


async def key_for(
    world: World, somebody: SignedIn, name: str = "server", mode: KeyMode = KeyMode.LIVE
) -> Person:
    """Give somebody's account a key, to make tasks with."""
    issued = await keys.create(
        world.runtime.database,
        somebody.account_id,
        name,
        mode=mode,
        expires_at=None,
        now=world.clock(),
    )
    return Person(
        name=somebody.email, account_id=somebody.account_id, key=issued.text, key_id=issued.id
    )


async def made(world: World, person: Person, order: object = VIDEO) -> TaskId:
    """Make a task that succeeds."""
    task_id = await create(world, person, order)
    script = done_video if order is VIDEO or "seedance" in str(order) else done_pictures
    await advance(tools_for(world, ScriptedProvider(statuses=[script])), task_id)
    return task_id


async def failed(world: World, person: Person, code: str, message: str) -> TaskId:
    """Make a task that fails."""
    task_id = await create(world, person, VIDEO)
    kind = Kind.MODERATION if code in {"2038", "4011"} else Kind.PERMANENT
    status = Failed(code=code, message=message, kind=kind)
    await advance(tools_for(world, ScriptedProvider(statuses=[status])), task_id)
    return task_id


@asynccontextmanager
async def ada_with_key(world: World):
    async with signed_in(world, "ada", "10000") as ada:
        yield ada, await key_for(world, ada)


async def wake(world: World, somebody: SignedIn) -> None:
    """Have somebody still signed in, however far the clock was moved."""
    await world.runtime.database.execute(
        """
        update session set seen_at = %(now)s, expires_at = %(now)s + interval '1 day'
        where person_id = %(person)s
        """,
        {"now": world.clock(), "person": somebody.person_id},
    )


def order(prompt: str) -> dict[str, object]:
    return {"model": "gpt-image-2", "inputs": {"prompt": prompt}}


async def test_without_tasks_every_page_says_what_to_do(world: World):
    async with signed_in(world, "ada") as ada:
        tasks = await ada.client.get("/tasks")
        assert "No tasks yet" in tasks.text
        assert "Find tasks" not in tasks.text
        assert "Nothing to see yet" in (await ada.client.get("/gallery")).text


async def test_the_list_is_filtered_by_its_address(world: World):
    async with ada_with_key(world) as (ada, key):
        test_key = await key_for(world, ada, "rehearsal", KeyMode.TEST)
        boat = await made(world, key, order("A small Boat at 100% speed"))
        world.clock.move(timedelta(days=2))
        await wake(world, ada)
        lamp = await create(world, key, VIDEO)
        trial = await create(world, test_key, order("a boat on trial"))
        all_of_them = {boat, lamp, trial}
        wanted = {
            "": all_of_them,
            "text=bOaT": {boat, trial},
            "text=100%25": {boat},
            "text=10_%25": set(),
            f"text={lamp}": {lamp},
            f"text={lamp[:12]}": {lamp},
            "text=task": set(),
            "status=success": {boat},
            "status=waiting": {lamp, trial},
            "model=gpt-image-2": {boat, trial},
            f"key={test_key.key_id}": {trial},
            "mode=live": {boat, lamp},
            "mode=test": {trial},
            "since=2026-11-25": {lamp, trial},
            "until=2026-11-23": {boat},
            "since=2026-11-23&until=2026-11-25": all_of_them,
            "text=boat&status=success&mode=live": {boat},
            # What makes no sense filters nothing, and breaks nothing.
            "status=odd&mode=x&since=soon&until=9999-12-31&kind=1&after=?": all_of_them,
            "key=%ff&after=%ff": all_of_them,
        }
        for query, expected in wanted.items():
            page = await ada.client.get(f"/tasks?{query}")
            assert page.status_code == 200
            found = {task_id for task_id in all_of_them if f'id="{task_id}"' in page.text}
            assert found == expected, query
        assert "No task matches" in (await ada.client.get("/tasks?text=zebra")).text


async def test_pages_follow_each_other_and_keep_their_filters(world: World):
    async with ada_with_key(world) as (ada, key):
        tasks = []
        for number in range(27):
            tasks.append(await create(world, key, order(f"boat {number}")))
            world.clock.move(timedelta(seconds=1))
        first = (await ada.client.get("/tasks?text=boat")).text
        older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
        assert older.startswith("/tasks?text=boat&amp;after=")
        second = (await ada.client.get(older.replace("&amp;", "&"))).text
        assert [task_id for task_id in tasks if f'id="{task_id}"' in second] == tasks[:2]
        assert [task_id for task_id in tasks if f'id="{task_id}"' in first] == tasks[2:]
        assert 'href="/tasks?text=boat"' in second
        assert 'rel="next"' not in second


async def test_only_open_tasks_are_asked_after_and_no_longer_than_that(world: World):
    async with ada_with_key(world) as (ada, key):
        ended, task_id = await made(world, key), await create(world, key, VIDEO)
        page = (await ada.client.get("/tasks")).text
        assert f'hx-get="/tasks/now?id={task_id}"' in page
        partial = {"HX-Request": "true"}
        asked = f"/tasks/now?id={task_id}&id={ended}&id=nonsense"
        now = (await ada.client.get(asked, headers=partial)).text
        assert f'hx-get="/tasks/now?id={task_id}"' in now
        await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
        now = (await ada.client.get(asked, headers=partial)).text
        assert f'hx-target="#{task_id}"' in now
        assert "hx-get" not in now
        async with signed_in(world, "eve") as eve:
            seen_by_eve = (await eve.client.get(asked, headers=partial)).text
            assert f'id="{task_id}"' not in seen_by_eve


async def test_a_finished_task_shows_all_there_is_to_know(world: World):
    async with ada_with_key(world) as (ada, key):
        task_id = await made(world, key)
        page = (await ada.client.get(f"/tasks/{task_id}")).text
        shown = await record(world, key, task_id)
        url = shown["output"][0]["url"]
        here = url.removeprefix("http://kinetoscope.test")
        assert f'src="{here.replace("&", "&amp;")}"' in page
        assert f'data-copy="{url.replace("&", "&amp;")}"' in page
        assert "/studio?videoUrls=http%3A%2F%2Fkinetoscope.test%2Fmedia%2F" in page
        for text in (
            "Held",
            "Charged",
            "200",
            "64 \N{MULTIPLICATION SIGN} 48",
            "Stored",
            "a sunset",
            "seed ",
        ):
            assert text in page
        assert f"/studio?task={task_id}" in page
        assert "Operators only" not in page
        assert "hx-get" not in page


async def test_an_operator_sees_the_route_of_their_own_tasks(world: World):
    async with signed_in(world, "root", is_operator=True) as root, signed_in(world, "ada") as ada:
        task_id = await made(world, await key_for(world, root))
        assert "Operators only" in (await root.client.get(f"/tasks/{task_id}")).text
        others = await made(world, await key_for(world, ada))
        assert (await root.client.get(f"/tasks/{others}")).status_code == 404


@pytest.mark.parametrize(
    ("code", "message", "title"),
    [
        ("2038", "Your input text violates platform rules.", "The prompt was refused"),
        ("4011", "A face was found.", "A real person was recognised"),
        ("500", "Generation timed out. Please try again.", "It took too long"),
        ("500", "Generation failed. Please try again.", "The task failed"),
        ("1001", "The result failed copyright review", "The content was refused"),
        ("InvalidParameter", "The video is too long", "The inputs do not fit together"),
        ("asset_review_failed", "Reference image 1", "A reference could not be used"),
    ],
)
async def test_a_failure_says_what_to_do_and_that_it_was_free(
    world: World, code: str, message: str, title: str
):
    async with ada_with_key(world) as (ada, key):
        task_id = await failed(world, key, code, message)
        page = (await ada.client.get(f"/tasks/{task_id}")).text
        for text in (title, message, "What to do:", "Nothing was charged", "Released"):
            assert text in page


async def test_what_is_not_the_accounts_own_is_not_found(world: World):
    async with ada_with_key(world) as (ada, key), signed_in(world, "eve") as eve:
        task_id = await made(world, key)
        for path in (f"/tasks/{task_id}", f"/tasks/{task_id}/now"):
            assert (await eve.client.get(path)).status_code == 404
        for path in ("cancel", "delete", "deliveries/msg_1"):
            response = await eve.client.post(f"/tasks/{task_id}/{path}")
            assert response.status_code == 404, path
        for odd in ("task_0000000000000000", "demo_task_t2v_success", "x" * 300):
            assert (await ada.client.get(f"/tasks/{odd}")).status_code == 404
        assert task_id not in (await eve.client.get("/tasks")).text
        assert task_id not in (await eve.client.get("/gallery")).text
        assert (await record(world, key, task_id))["status"] == "success"


@pytest.mark.parametrize("mode", [KeyMode.LIVE, KeyMode.TEST])
async def test_an_open_task_is_cancelled_and_costs_nothing(world: World, mode: KeyMode):
    async with signed_in(world, "ada") as ada:
        key = await key_for(world, ada, mode=mode)
        task_id = await create(world, key, VIDEO)
        page = (await ada.client.get(f"/tasks/{task_id}")).text
        assert "Next in line" in page
        assert f'hx-get="/tasks/{task_id}/now?open=1"' in page
        refused = await ada.client.post(
            f"/tasks/{task_id}/cancel", headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert refused.status_code == 403
        assert (await record(world, key, task_id))["status"] == "waiting"
        done = await ada.client.post(f"/tasks/{task_id}/cancel")
        assert (done.status_code, done.headers["location"]) == (303, f"/tasks/{task_id}")
        assert (await record(world, key, task_id))["error"]["code"] == "cancelled"
        page = (await ada.client.get(f"/tasks/{task_id}")).text
        assert "You cancelled this task" in page
        (entry, *_) = await audit_log.listing(world.runtime.database, ada.account_id, None, 5)
        assert (entry.action, entry.target, entry.actor) == ("task.cancel", task_id, ada.email)
        assert await audit(world.runtime.database) == []


async def test_while_it_is_open_its_page_tells_how_it_goes(world: World):
    async with ada_with_key(world) as (ada, key):
        task_id = await create(world, key, VIDEO)
        pages: list[str] = []

        async def look() -> None:
            path = f"/tasks/{task_id}/now?open=1"
            pages.append((await ada.client.get(path, headers={"HX-Request": "true"})).text)

        provider = ScriptedProvider(
            statuses=[Working(progress=0.42), done_video], polling=Polling(delay_s=1, delay_s_max=1)
        )
        await advance(tools_for(world, provider, meanwhile=look), task_id)
        assert 'value="42"' in pages[-1]
        assert "Working on it" in pages[-1]
        await look()
        assert 'id="live"></div>' in pages[-1]
        assert "<video" in pages[-1]


async def test_deleting_takes_files_and_inputs_but_not_what_it_cost(world: World):
    async with ada_with_key(world) as (ada, key):
        task_id = await made(world, key)
        waiting = await create(world, key, VIDEO)
        refused = await ada.client.post(f"/tasks/{waiting}/delete")
        assert refused.status_code == 409
        url = (await record(world, key, task_id))["output"][0]["url"]
        done = await ada.client.post(f"/tasks/{task_id}/delete")
        assert (done.status_code, done.headers["location"]) == (303, "/tasks")
        assert (await ada.client.get(f"/tasks/{task_id}")).status_code == 404
        assert (await world.client.get(url)).status_code in {403, 404}
        assert task_id not in (await ada.client.get("/tasks")).text
        assert await audit(world.runtime.database) == []


async def test_a_webhook_is_shown_with_its_attempts_and_sent_again(world: World):
    async with ada_with_key(world) as (ada, key):
        told = {**VIDEO, "callBackUrl": "https://example.com/hook?<b>"}
        task_id = await made(world, key, told)
        other = await made(world, key, told)
        database = world.runtime.database
        (delivery,) = await log.listing(
            database, ada.account_id, Filter(task_id=task_id, state=None, before=None, limit=9)
        )
        page = (await ada.client.get(f"/tasks/{task_id}")).text
        assert "https://example.com/hook?&lt;b&gt;" in page
        assert "On its way" in page
        assert f'hx-get="/tasks/{task_id}/now"' in page
        await database.execute(
            """
            update webhook_delivery
            set state = 'failed', next_attempt_at = null, ended_at = %(at)s
            """,
            {"at": world.clock()},
        )
        assert "Given up" in (await ada.client.get(f"/tasks/{task_id}")).text
        # Only under the task that it is about.
        wrong = await ada.client.post(f"/tasks/{other}/deliveries/{delivery.id}")
        assert wrong.status_code == 404
        assert (await log.find(database, ada.account_id, delivery.id)).state == "failed"
        done = await ada.client.post(f"/tasks/{task_id}/deliveries/{delivery.id}")
        assert done.status_code == 303
        assert (await log.find(database, ada.account_id, delivery.id)).state == "pending"


async def test_the_gallery_shows_what_was_made_by_kind_and_model(world: World):
    async with ada_with_key(world) as (ada, key):
        clip, four = await made(world, key), await made(world, key, FOUR)
        picture = await made(world, key, PICTURE)
        await create(world, key, VIDEO)
        page = (await ada.client.get("/gallery")).text
        assert page.count('class="tile-media"') == 6
        assert page.count("<video") == 1
        assert 'preload="none" poster="/media/' in page
        wanted = {"kind=video": {clip}, "kind=image": {four, picture}, "kind=audio": set()}
        wanted["model=gpt-image-2"] = {picture}
        for query, expected in wanted.items():
            page = (await ada.client.get(f"/gallery?{query}")).text
            assert {task for task in (clip, four, picture) if task in page} == expected, query
        assert "Nothing of that kind" in (await ada.client.get("/gallery?kind=audio")).text


async def test_expired_media_leaves_a_placeholder(world: World):
    async with ada_with_key(world) as (ada, key):
        task_id = await made(world, key)
        world.clock.move(timedelta(days=15))
        await wake(world, ada)
        gallery = (await ada.client.get("/gallery")).text
        assert "data-expired" in gallery
        assert "/media/" not in gallery
        page = (await ada.client.get(f"/tasks/{task_id}")).text
        assert "The media has expired" in page
        listed = (await ada.client.get("/tasks")).text
        assert "media expired" in listed
        assert "/media/" not in listed
        assert "<video" not in page


async def test_the_gallery_loads_more_with_and_without_a_script(world: World):
    async with signed_in(world, "ada", "100000") as ada:
        key = await key_for(world, ada)
        for _ in range(25):
            await made(world, key, PICTURE)
            world.clock.move(timedelta(seconds=1))
        first = (await ada.client.get("/gallery?kind=image")).text
        more = first.split('id="more"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
        assert more.startswith("/gallery?kind=image&after=")
        whole = (await ada.client.get(more)).text
        piece = (await ada.client.get(more, headers={"HX-Request": "true"})).text
        for text in (whole, piece):
            assert text.count('class="tile-media"') == 1
            assert "Load more" not in text
        assert "<html" in whole
        assert "<html" not in piece
