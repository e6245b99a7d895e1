"""The webhooks page: what signs deliveries, what was delivered, and once more."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.dashboard.signed_in import SignedIn, client_of, join, signed_in
from tests.receiver import LOOPBACK, Receiver, ended, receiving

from kinetoscope.accounts import audit, keys
from kinetoscope.cli.sending import sender_parts
from kinetoscope.dashboard import webhook_words
from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.settings import Settings
from kinetoscope.webhooks import secret, sign
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def sender(world: World) -> Sender:
    return Sender(sender_parts(world.runtime, LOOPBACK))


async def keyed(world: World, ada: SignedIn) -> Person:
    issued = await keys.create(
        world.runtime.database,
        ada.account_id,
        "key",
        mode=KeyMode.LIVE,
        expires_at=None,
        now=world.clock(),
    )
    return Person(name="ada", account_id=ada.account_id, key=issued.text, key_id=issued.id)


async def test_a_secret_is_shown_once_and_replaced_while_both_count(world: World):
    async with signed_in(world, "ada") as ada:
        made = await ada.client.post("/webhooks/secret", data={"overlap": "0"})
        (first,) = set(re.findall(r"whsec_[A-Za-z0-9+/=]{40,}", made.text))
        assert made.status_code == 200
        assert first not in (await ada.client.get("/webhooks")).text
        replaced = await ada.client.post(
            "/webhooks/secret", data={"overlap": "24"}, headers={"HX-Request": "true"}
        )
        (second,) = set(re.findall(r"whsec_[A-Za-z0-9+/=]{40,}", replaced.text))
        assert "<html" not in replaced.text
        runtime = world.runtime
        now = world.clock()
        texts = await secret.texts(runtime.database, runtime.sealer, ada.account_id, now)
        assert texts == [second, first]
        page = (await ada.client.get("/webhooks")).text
        for text in texts:
            assert text.rstrip("=")[-4:] in page
        entries = await audit.listing(runtime.database, ada.account_id, None, 9)
        assert [entry.action for entry in entries] == ["webhook.secret", "webhook.secret"]
        assert first not in str(entries)
        assert second not in str(entries)


async def test_with_four_secrets_a_fifth_is_refused_in_words(world: World):
    async with signed_in(world, "ada") as ada:
        for _ in range(4):
            await ada.client.post("/webhooks/secret", data={"overlap": "24"})
        refused = await ada.client.post("/webhooks/secret", data={"overlap": "24"})
        assert refused.status_code == 409
        assert "Four secrets are valid already" in refused.text
        assert (await ada.client.post("/webhooks/secret", data={"overlap": "0"})).status_code == 200
        kept = await secret.valid(world.runtime.database, ada.account_id, world.clock())
        assert len(kept) == 1


async def test_members_look_and_owners_change(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "bea") as bea:
        await join(world, bea.person_id, ada.account_id, "member")
        async with client_of(world, bea.person_id, ada.account_id) as (client, _):
            assert (await client.get("/webhooks")).status_code == 200
            for path in ("secret", "headers", "test"):
                response = await client.post(f"/webhooks/{path}", data={"overlap": "0"})
                assert response.status_code == 403, path
        assert not await secret.valid(world.runtime.database, ada.account_id, world.clock())
    assert await world.count("webhook_delivery") == 0


async def test_a_test_goes_out_as_all_others_do(world: World, receiver: Receiver, sender: Sender):
    async with signed_in(world, "ada") as ada:
        sent = await ada.client.post("/webhooks/test", data={"url": receiver.url()})
        assert sent.status_code == 303
        path = sent.headers["location"]
        waiting = (await ada.client.get(path)).text
        assert "Not tried yet" in waiting
        assert "every 2s" in waiting
        await sender.drain()
        assert receiver.received[0].data["test"] is True
        arrived = (await ada.client.get(path, headers={"HX-Request": "true"})).text
        assert "answered 200" in arrived
        assert "every" not in arrived
        assert "<html" not in arrived


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/x", "Expected an http or https URL"),
        ("http://10.0.0.1/x", "not allowed"),
        ("", "Expected an http or https URL"),
    ],
)
async def test_a_test_goes_nowhere_that_a_callback_could_not(world: World, url: str, reason: str):
    async with signed_in(world, "ada") as ada:
        refused = await ada.client.post("/webhooks/test", data={"url": url})
        assert refused.status_code == 422
        assert reason in refused.text
        assert await world.count("webhook_delivery") == 0


async def test_the_log_is_filtered_paged_and_delivered_again(
    world: World, receiver: Receiver, sender: Sender
):
    async with signed_in(world, "ada") as ada:
        person = await keyed(world, ada)
        task_ids = [await ended(world, person, receiver.url()) for _ in range(22)]
        receiver.answers.extend([410] + [200] * 21)
        await sender.drain()
        first = (await ada.client.get("/webhooks")).text
        assert first.count("<tr id=") == 20
        older = re.search(r'href="(/webhooks\?before=\d+)"', first)
        assert older is not None
        assert (await ada.client.get(older[1])).text.count("<tr id=") == 2
        refused = (await ada.client.get("/webhooks?state=disabled")).text
        assert refused.count("<tr id=") == 1
        one = (await ada.client.get(f"/webhooks?task={task_ids[3]}")).text
        assert one.count("<tr id=") == 1
        nothing = await ada.client.get("/webhooks?state=nonsense&task=nonsense&before=nonsense")
        assert "The id of a task looks like" in nothing.text
        found = re.search(r'href="(/webhooks/deliveries/msg_\w+)"', refused)
        assert found is not None
        again = await ada.client.post(f"{found[1]}/again")
        assert (again.status_code, again.headers["location"]) == (303, found[1])
        world.clock.move(timedelta(seconds=1))
        await sender.drain()
        shown = (await ada.client.get(found[1])).text
        assert "410" in shown
        assert "answered 200" in shown
        assert len(receiver.received) == 23


async def test_a_member_repeats_what_was_sent(world: World, receiver: Receiver):
    async with signed_in(world, "ada") as ada, signed_in(world, "bea") as bea:
        sent = await ada.client.post("/webhooks/test", data={"url": receiver.url()})
        path = sent.headers["location"]
        await join(world, bea.person_id, ada.account_id, "member")
        async with client_of(world, bea.person_id, ada.account_id) as (client, _):
            assert "Deliver again" in (await client.get(path)).text
            again = await client.post(f"{path}/again")
            assert (again.status_code, again.headers["location"]) == (303, path)
        (noted, _) = await audit.listing(world.runtime.database, ada.account_id, None, 9)
        assert (noted.action, noted.actor) == ("webhook.redeliver", "bea@example.com")
        assert (noted.target, list(noted.detail)) == (path.rpartition("/")[2], ["taskId"])


async def test_nobody_sees_anothers_deliveries(world: World, receiver: Receiver):
    async with signed_in(world, "ada") as ada, signed_in(world, "bea") as bea:
        sent = await ada.client.post("/webhooks/test", data={"url": receiver.url()})
        path = sent.headers["location"]
        assert (await bea.client.get(path)).status_code == 403
        assert (await bea.client.post(f"{path}/again")).status_code == 403
        assert (await bea.client.get("/webhooks/deliveries/msg_none")).status_code == 404
        assert "Nothing was delivered yet" in (await bea.client.get("/webhooks")).text


async def test_the_headers_of_kie_are_a_choice(world: World):
    async with signed_in(world, "ada") as ada:
        await ada.client.post("/webhooks/headers", data={"kie": "1"})
        assert (await secret.preferences(world.runtime.database, ada.account_id)).kie_headers
        await ada.client.post("/webhooks/headers", data={"kie": "0"})
        assert not (await secret.preferences(world.runtime.database, ada.account_id)).kie_headers


async def test_the_code_to_copy_verifies_what_is_sent(monkeypatch: pytest.MonkeyPatch):
    text = "whsec_" + "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="
    monkeypatch.setenv("KINETOSCOPE_WEBHOOK_SECRET", text)
    seen: list[tuple[str, object]] = []
    names: dict[str, object] = {"handle_once": lambda *event: seen.append(event)}
    exec(webhook_words.PYTHON, names)  # noqa: S102 - what people copy is run as they would
    receive = names["receive"]
    assert callable(receive)
    body = b'{"data":{"taskId":"task_1"}}'
    headers = sign.headers("msg_1", body, [text], system_clock())
    assert receive(body, headers) == 200
    assert seen == [("msg_1", {"taskId": "task_1"})]
    assert receive(body + b" ", headers) == 400
