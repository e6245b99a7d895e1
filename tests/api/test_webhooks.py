"""What arrives at a callBackUrl when a task ends, over HTTP, at a real receiver."""

import asyncio
import base64
import hmac
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import httpx
import psycopg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.conftest import Person, World
from tests.receiver import LOOPBACK, Received, Receiver, ended, listed, receiving, shown
from tests.scripted import (
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    record,
    tools_for,
)

from kinetoscope.api import webhooks
from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.addresses import Network
from kinetoscope.kernel.clock import system_clock, unix_ms
from kinetoscope.kernel.outbound import Egress, FetchLimits, OutboundRefused
from kinetoscope.kernel.posting import post
from kinetoscope.kernel.sealing import sealer_from
from kinetoscope.providers.contract import Failed
from kinetoscope.server import create_app
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks import secret as secrets_of_webhooks
from kinetoscope.webhooks.sender import Sender
from kinetoscope.wiring import egress_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


SECRET = "/api/v1/webhooks/secret"
SETTINGS = "/api/v1/webhooks/settings"

LIMITS = FetchLimits(bytes_max=1000, total_timeout_s=2)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def sender(world: World) -> Sender:
    return Sender(sender_parts(world.runtime, LOOPBACK))


async def test_a_success_is_told_in_the_envelope(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    task_id = await ended(world, alice, receiver.url("/hook?a=1"), VIDEO)
    assert await sender.drain() == 1
    (got,) = receiver.received
    told = await record(world, alice, task_id)
    assert got.path == "/hook?a=1"
    assert got.headers["Content-Type"] == "application/json"
    assert got.id == "msg_" + task_id.removeprefix("task_")
    assert got.data == {
        **told,
        "state": "success",
        "orderId": "order_" + task_id.removeprefix("task_"),
        "updateTime": told["completeTime"],
    }
    assert got.data["status"] == "success"
    assert got.data["output"][0]["url"] == told["output"][0]["url"]


async def test_a_failure_is_told_with_its_reason(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    task_id = await create(world, alice, {**PICTURE, "callBackUrl": receiver.url()})
    failed = Failed(code="SensitiveContent", message="Not this.")
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), task_id)
    await sender.drain()
    (got,) = receiver.received
    told = await record(world, alice, task_id)
    assert (got.data["status"], got.data["state"]) == ("fail", "fail")
    assert (
        got.data["error"] == told["error"] == {"code": "SensitiveContent", "message": "Not this."}
    )
    assert got.data["creditsUsed"] == told["creditsUsed"]
    assert got.data["updateTime"] == told["completeTime"]
    deliveries = await listed(world, alice)
    assert [delivery["eventType"] for delivery in deliveries] == ["task.failed"]


async def test_media_shown_again_is_told_of_too(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    """Such a task has ended when it is made."""
    order = {"model": "midjourney-v8", "inputs": {"prompt": "x", "seed": 7}, "useCache": True}
    await ended(world, alice, receiver.url("/first"), order)
    task_id = await create(world, alice, {**order, "callBackUrl": receiver.url("/again")})
    await sender.drain()
    again = next(got for got in receiver.received if got.path == "/again")
    assert (again.data["taskId"], again.data["status"]) == (task_id, "success")
    assert again.data["creditsUsed"] == 0


async def test_nothing_is_told_where_nobody_asked(world: World, alice: Person, sender: Sender):
    task_id = await create(world, alice, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    assert await sender.drain() == 0
    assert await world.count("webhook_delivery") == 0


async def test_nothing_is_told_of_a_task_that_goes_on(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    await create(world, alice, {**PICTURE, "callBackUrl": receiver.url()})
    assert await sender.drain() == 0
    assert receiver.received == []


async def test_the_end_and_its_delivery_are_written_together(
    world: World, alice: Person, receiver: Receiver
):
    """A delivery that cannot be written takes the end and the money back with it."""
    task_id = await create(world, alice, {**PICTURE, "callBackUrl": receiver.url()})
    async with world.runtime.database.connection() as connection:
        await connection.execute("alter table webhook_delivery add check (id is null)")
    with pytest.raises(psycopg.errors.CheckViolation):
        await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    assert (await record(world, alice, task_id))["status"] != "success"
    available, held, spent, running = await world.balance(alice)
    assert (held, spent, running) == (217, 0, 1)
    assert available == 100_000 - 217


async def test_every_delivery_is_signed(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    world.clock.moment = system_clock()  # the verifier looks at the machine's clock
    secret = await new_secret(world, alice)
    await ended(world, alice, receiver.url())
    await sender.drain()
    (got,) = receiver.received
    assert Webhook(secret).verify(got.body, dict(got.headers))["code"] == 200
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(got.body + b" ", dict(got.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(got.body, {**got.headers, "webhook-id": "msg_other"})
    assert got.headers["webhook-timestamp"] == str(int(world.clock().timestamp()))


async def test_a_delivery_is_signed_before_anybody_asked_for_a_secret(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    await ended(world, alice, receiver.url())
    await sender.drain()
    assert receiver.received[0].headers["webhook-signature"].startswith("v1,")
    assert await world.count("webhook_secret") == 1


async def test_both_secrets_verify_while_they_overlap(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    world.clock.moment = system_clock() - timedelta(hours=2)
    old = await new_secret(world, alice)
    new = await new_secret(world, alice, overlapHours=2)
    assert old != new
    world.clock.move(timedelta(hours=2) - timedelta(seconds=1))
    await ended(world, alice, receiver.url())
    await sender.drain()
    world.clock.move(timedelta(seconds=1))
    await ended(world, alice, receiver.url())
    await sender.drain()
    during, after = receiver.received
    assert [verifies(secret, during) for secret in (old, new)] == [True, True]
    assert [verifies(secret, after) for secret in (old, new)] == [False, True]


async def test_without_overlap_every_older_secret_ends_at_once(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    world.clock.moment = system_clock()
    first = await new_secret(world, alice)
    second = await new_secret(world, alice)
    third = await new_secret(world, alice, overlapHours=0)
    await ended(world, alice, receiver.url())
    await sender.drain()
    (got,) = receiver.received
    assert [verifies(secret, got) for secret in (first, second, third)] == [False, False, True]


async def test_too_many_valid_secrets_are_refused_and_nothing_changes(world: World, alice: Person):
    for _ in range(4):
        await new_secret(world, alice)
    before = (await world.client.get(SETTINGS, headers=alice.headers)).json()
    response = await world.client.post(SECRET, headers=alice.headers)
    assert response.status_code == 400
    assert "overlapHours 0" in response.json()["message"]
    assert (await world.client.get(SETTINGS, headers=alice.headers)).json() == before
    assert len(before["secrets"]) == 4


async def test_secrets_made_at_once_leave_one_current(world: World, alice: Person):
    secrets = await asyncio.gather(*(new_secret(world, alice) for _ in range(4)))
    assert len(set(secrets)) == 4
    settings = (await world.client.get(SETTINGS, headers=alice.headers)).json()
    assert [secret["expireTime"] is None for secret in settings["secrets"]] == [
        True,
        False,
        False,
        False,
    ]


async def test_a_secret_is_shown_once_and_stored_sealed(world: World, alice: Person):
    secret = await new_secret(world, alice)
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    settings = (await world.client.get(SETTINGS, headers=alice.headers)).json()
    assert settings == {
        "kieHeaders": False,
        "secrets": [
            {
                "lastFour": secret.rstrip("=")[-4:],
                "createTime": unix_ms(world.clock()),
                "expireTime": None,
            }
        ],
    }
    row = await world.runtime.database.fetch_values("select * from webhook_secret", {})
    assert row is not None
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    for value in row:
        stored = value if isinstance(value, bytes) else str(value).encode()
        assert raw not in stored
        assert secret[6:-1].encode() not in stored


async def test_a_replaced_signing_key_is_noticed_and_a_new_secret_mends_it(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    world.clock.moment = system_clock()
    await new_secret(world, alice)
    parts = replace(sender.parts, sealer=sealer_from(b"another" * 8))
    await ended(world, alice, receiver.url())
    await Sender(parts).drain()
    assert receiver.received == []
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "pending"
    new = await secrets_of_webhooks.issue(
        world.runtime.database, parts.sealer, alice.account_id, timedelta(hours=24), world.clock()
    )
    world.clock.move(timedelta(seconds=2))
    await Sender(parts).drain()
    assert verifies(new.text, receiver.received[0])


async def test_the_headers_of_kie_come_where_they_are_wanted(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    secret = await new_secret(world, alice)
    await ended(world, alice, receiver.url())
    await sender.drain()
    assert "X-Webhook-Signature" not in receiver.received[0].headers
    response = await world.client.post(SETTINGS, json={"kieHeaders": True}, headers=alice.headers)
    assert (response.status_code, response.json()["kieHeaders"]) == (200, True)
    task_id = await ended(world, alice, receiver.url())
    await sender.drain()
    headers = receiver.received[1].headers
    timestamp = str(int(world.clock().timestamp()))
    signed = f"{task_id}.{timestamp}".encode()
    expected = base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    assert (headers["X-Webhook-Timestamp"], headers["X-Webhook-Signature"]) == (timestamp, expected)
    assert headers["webhook-signature"].startswith("v1,")
    described = (await world.client.get("/openapi.json")).json()["webhooks"]["taskEnded"]["post"]
    told = {parameter["name"] for parameter in described["parameters"]}
    assert told == {name for name in headers if "webhook" in name.lower()}


async def test_the_headers_of_kie_are_the_old_secrets_until_it_ends(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    oldest = await new_secret(world, alice)
    await world.client.post(SETTINGS, json={"kieHeaders": True}, headers=alice.headers)
    world.clock.move(timedelta(hours=1))
    middle = await new_secret(world, alice, overlapHours=2)
    newest = await new_secret(world, alice, overlapHours=4)
    for moved, secret in (
        (timedelta(), oldest),
        (timedelta(hours=2) - timedelta(seconds=1), oldest),
        (timedelta(seconds=1), middle),
        (timedelta(hours=2), newest),
    ):
        world.clock.move(moved)
        task_id = await ended(world, alice, receiver.url())
        await sender.drain()
        headers = receiver.received[-1].headers
        signed = f"{task_id}.{headers['X-Webhook-Timestamp']}".encode()
        expected = base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
        assert headers["X-Webhook-Signature"] == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}/hook", "an address that is not allowed"),
        ("http://[::1]:{port}/hook", "an address that is not allowed"),
        ("http://169.254.169.254/latest/meta-data", "an address that is not allowed"),
        ("http://user:pass@127.0.0.1:{port}/hook", ""),
    ],
)
async def test_an_address_of_our_own_is_refused_and_the_log_says_so(
    world: World, alice: Person, receiver: Receiver, url: str, reason: str
):
    """It was taken while other networks were allowed, or its name began to lead there."""
    task_id = await create(world, alice, {**PICTURE, "callBackUrl": receiver.url()})
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            "update task set callback_url = %s", (url.format(port=receiver.port),)
        )
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    sender = Sender(sender_parts(world.runtime, Egress()))
    assert await sender.drain() == 1
    assert receiver.received == []
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("failed", 1)
    (attempt,) = (await shown(world, alice, delivery["id"]))["attempts"]
    assert attempt["status"] is None
    assert reason in attempt["error"]


async def new_secret(world: World, person: Person, **stated: int) -> str:
    response = await world.client.post(SECRET, json=stated, headers=person.headers)
    assert response.status_code == 200, response.text
    return str(response.json()["secret"])


def verifies(secret: str, got: Received) -> bool:
    try:
        Webhook(secret).verify(got.body, dict(got.headers))
    except WebhookVerificationError:
        return False
    return True


NOT_ALLOWED = "The URL leads to an address that is not allowed"
NO_NAMES = "A URL must not carry a user name or password"

NEVER_CALLED = [
    ("https://hook.example:3000/", "Port 3000 is not allowed"),
    ("http://hook.example:22/", "Port 22 is not allowed"),
    ("https://user:word@hook.example/", NO_NAMES),
    ("https://user@hook.example/", NO_NAMES),
    ("http://127.0.0.2/hook", NOT_ALLOWED),
    ("http://10.0.0.1:8080/hook", NOT_ALLOWED),
    ("http://169.254.169.254/latest/meta-data", NOT_ALLOWED),
    ("http://[::ffff:10.0.0.1]/", NOT_ALLOWED),
    ("http://localhost:8080/", NOT_ALLOWED),
    ("http://api.localhost./", NOT_ALLOWED),
    ("http://93.184.216.34:3000/", "Port 3000 is not allowed"),
    ("http://0x7f.1/", "The URL's address is written in a roundabout way"),
]


@asynccontextmanager
async def another(
    world: World, networks: tuple[Network, ...], ports: tuple[int, ...] = ()
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the same world with other settings."""
    settings = replace(world.runtime.settings, allowed_networks=networks, egress_ports=ports)
    app = create_app(replace(world.runtime, settings=settings))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://k.test") as client:
        yield client


async def answers_of(client: httpx.AsyncClient, alice: Person, url: str) -> list[httpx.Response]:
    """Hand an address in wherever one is taken."""
    order = {**PICTURE, "callBackUrl": url}
    return [
        await client.post(path, json=body, headers=alice.headers)
        for path, body in (
            ("/api/v1/jobs/createTask", order),
            ("/api/v1/jobs/estimateTask", order),
            ("/api/v1/webhooks/test", {"url": url}),
        )
    ]


async def test_an_address_that_could_never_be_called_is_refused_where_it_is_handed_in(
    world: World, alice: Person
):
    before = await world.balance(alice)
    async with another(world, ()) as client:
        for url, message in NEVER_CALLED:
            names = ("callBackUrl", "callBackUrl", "url")
            for answer, name in zip(await answers_of(client, alice, url), names, strict=True):
                assert answer.status_code == 400, url
                (told,) = answer.json()["errors"]
                assert (told["code"], told["path"]) == ("invalid_value", [name])
                assert told["message"].startswith(f"{message}. "), url
                assert "kinetoscope listen" in told["message"]
    assert await world.count("task") == await world.count("webhook_delivery") == 0
    assert await world.balance(alice) == before


async def somewhere(host: str) -> tuple[str, ...]:
    return ("127.0.0.1" if "localhost" in host else "93.184.216.34",)


async def test_what_is_refused_early_would_not_have_been_called_later():
    """The two look at the same rules: nothing that is refused would have got through."""
    for url, message in NEVER_CALLED:
        with pytest.raises(OutboundRefused) as refused:
            await post(Egress(), url, b"", {}, LIMITS, resolve=somewhere)
        assert str(refused.value) == message


async def test_ports_and_networks_that_the_operator_allows_are_taken(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhooks, "TEST_PATIENCE_S", 0)  # nobody sends here
    within = ["http://10.1.2.3:3000/", "http://receiver.lan:3000/", "https://hook.example:8443/"]
    async with another(world, (ip_network("10.0.0.0/8"),)) as client:
        for url in within:
            assert {answer.status_code for answer in await answers_of(client, alice, url)} == {200}
        for answer in await answers_of(client, alice, "http://93.184.216.34:3000/"):
            assert answer.status_code == 400
    async with another(world, LOOPBACK.allowed_networks) as client:
        (made, *_) = await answers_of(client, alice, "http://localhost:3000/hook")
        assert made.status_code == 200
    async with another(world, (), ports=(3000,)) as client:
        for url, status in (
            ("https://hook.example:3000/", 200),
            ("http://93.184.216.34:3000/", 200),
            ("https://hook.example/", 200),
            ("https://hook.example:3001/", 400),
            ("http://10.1.2.3:3000/", 400),
        ):
            answers = await answers_of(client, alice, url)
            assert {answer.status_code for answer in answers} == {status}, url
    settings = replace(world.runtime.settings, egress_ports=(3000,))
    assert egress_of(settings).ports == {80, 443, 8080, 8443, 3000}
