"""POST /api/v1/jobs/createTask: what it takes, what it refuses, and that a refusal is nothing."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.conftest import Person, World
from tests.scripted import (
    FOUR,
    PICTURE,
    ScriptedProvider,
    create,
    record,
    tools_for,
)
from tests.scripted import PATH_CREATE as PATH

from kinetoscope.accounts import accounts
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import CapReached, CreditsShort
from kinetoscope.kernel.ids import TASK_ID_SHAPE, TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import book
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

SUNSET = {
    "model": "seedance-20",
    "inputs": {
        "prompt": "A beautiful sunset over the ocean",
        "duration": "5",
        "aspectRatio": "16:9",
    },
}

WAN = {"model": "wan3.0-text-to-video", "inputs": {"prompt": "a sunset"}}
"""5 s at 28.514: 142.57 credits."""
NANO = {"model": "nanobanana-pro", "inputs": {"prompt": "a sunset"}}
"""14.41 credits."""

Content = bytes | str | AsyncIterator[bytes] | None

UNREADABLE = "Invalid request parameters"
BAD_INPUTS = "Invalid inputs for model"


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that a refusal must leave as it was."""

    balance: tuple[Credits, Credits, Credits, int]
    tasks: int
    entries: int
    jobs: int


async def books(world: World, person: Person) -> Books:
    return Books(
        balance=await world.balance(person),
        tasks=await world.count("task"),
        entries=await world.count("ledger_entry"),
        jobs=await world.count("procrastinate_jobs"),
    )


@dataclass(frozen=True)
class Refused:
    """Sends a request that must be refused, and makes sure that nothing has happened."""

    world: World
    person: Person

    async def send(self, *, json: object = None, content: Content = None) -> httpx.Response:
        before = await books(self.world, self.person)
        response = await self.world.client.post(
            PATH, headers=self.person.headers, json=json, content=content
        )
        assert response.is_error, response.text
        assert response.headers["content-type"] == "application/json"
        assert await books(self.world, self.person) == before
        return response

    async def body(self, *, json: object = None, content: Content = None) -> tuple[int, str]:
        response = await self.send(json=json, content=content)
        return response.status_code, response.json()["message"]

    async def issues(self, order: object) -> list[dict[str, Any]]:
        response = await self.send(json=order)
        assert response.status_code == 400
        body = response.json()
        assert list(body) == ["message", "errors"]
        assert all(list(error) == ["code", "message", "path"] for error in body["errors"])
        found: list[dict[str, Any]] = body["errors"]
        return found


@pytest.fixture
async def refused(world: World) -> Refused:
    return Refused(world, await world.person("alice"))


async def test_a_good_request_gives_a_task_id_and_holds_its_price(world: World):
    alice = await world.person("alice", "1000")
    response = await world.client.post(PATH, json=SUNSET, headers=alice.headers)
    assert response.status_code == 200
    assert list(response.json()) == ["taskId"]
    assert response.json()["taskId"].startswith("task_")
    assert TASK_ID_SHAPE.fullmatch(response.json()["taskId"])
    assert len(response.json()["taskId"]) == 29
    assert await world.balance(alice) == (800_00, 200_00, 0, 1)
    assert await world.count("ledger_entry where kind = 'hold'") == 1
    assert await world.count("procrastinate_jobs") == 1
    assert await audit(world.runtime.database) == []


async def test_the_same_request_twice_makes_two_tasks(world: World):
    alice = await world.person("alice", "1000")
    first, second = await create(world, alice, SUNSET), await create(world, alice, SUNSET)
    assert first != second
    assert await world.balance(alice) == (600_00, 400_00, 0, 2)
    assert await world.count("procrastinate_jobs") == 2


UNREADABLE_BODIES = {
    "empty": b"",
    "blank": b"   ",
    "malformed": b'{"model": "seedance-20", ',
    "trailing": b'{"model": "seedance-20", "inputs": {}} x',
    "single quotes": b"{'model': 'seedance-20', 'inputs': {}}",
    "array": b'[{"model": "seedance-20", "inputs": {}}]',
    "text": b'"seedance-20"',
    "number": b"5",
    "null": b"null",
    "form": b"model=seedance-20&inputs=",
    "NaN": b'{"model": "seedance-20", "inputs": {"prompt": "x", "seed": NaN}}',
    "Infinity": b'{"model": "seedance-20", "inputs": {"prompt": "x", "seed": Infinity}}',
    "too large a number": b'{"model": "seedance-20", "inputs": {"prompt": "x", "seed": 1e400}}',
    "invalid UTF-8": b'{"model": "seedance-20", "inputs": {"prompt": "\xff\xfe"}}',
    "UTF-16": '{"model": "seedance-20", "inputs": {"prompt": "x"}}'.encode("utf-16"),
    "lone surrogate": b'{"model": "seedance-20", "inputs": {"prompt": "\\ud800"}}',
    "surrogates reversed": b'{"model": "seedance-20", "inputs": {"prompt": "\\udc00\\ud800"}}',
    "deep array": b"[" * 100_000,
    "deep array, closed": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"model": "seedance-20", "inputs": ' + b'{"a":' * 100_000,
    "control character": b'{"model": "seedance-20", "inputs": {"prompt": "\x00"}}',
}


async def test_a_body_that_is_no_json_object_is_refused_and_nothing_happens(refused: Refused):
    for name, body in UNREADABLE_BODIES.items():
        assert await refused.body(content=body) == (400, UNREADABLE), name


GOOD = {"model": "seedance-20", "inputs": {"prompt": "x"}}


async def test_every_wrong_part_of_a_request_is_named_at_once(refused: Refused):
    for order, wrong in [
        ({}, ["model", "inputs"]),
        ({"inputs": {}}, ["model"]),
        ({"model": "seedance-20"}, ["inputs"]),
        ({"model": None, "inputs": {}}, ["model"]),
        ({"model": 20, "inputs": {}}, ["model"]),
        ({"model": ["seedance-20"], "inputs": {}}, ["model"]),
        ({"model": "", "inputs": {}}, ["model"]),
        ({"model": "seedance-20", "inputs": None}, ["inputs"]),
        ({"model": "seedance-20", "inputs": []}, ["inputs"]),
        ({"model": "seedance-20", "inputs": "a sunset"}, ["inputs"]),
        ({"model": "seedance-20", "inputs": None, "input": {"prompt": "x"}}, ["inputs"]),
        ({"model": "seedance-20", "input": 7}, ["inputs"]),
        ({**GOOD, "autoFix": "yes"}, ["autoFix"]),
        ({**GOOD, "autoFix": 1}, ["autoFix"]),
        ({**GOOD, "autoFix": None}, ["autoFix"]),
        (
            {"model": 1, "inputs": 2, "autoFix": 3, "callBackUrl": 4},
            ["model", "inputs", "autoFix", "callBackUrl"],
        ),
    ]:
        response = await refused.send(json=order)
        body = response.json()
        assert (response.status_code, body["message"]) == (400, UNREADABLE), order
        assert [error["path"] for error in body["errors"]] == [[name] for name in wrong], order


MODELS_UNKNOWN = [
    "seedance-2.0",
    "seedance-2-fast",
    "seedance2-mini",
    "Seedance-20",
    " seedance-20",
    "seedance-20\x00",
    "seedance-20' or true --",
    "é" * 1000,
    "__class__",
]


async def test_a_model_that_does_not_exist_is_unknown_in_exactly_those_words(refused: Refused):
    for model in MODELS_UNKNOWN:
        response = await refused.send(json={"model": model, "inputs": {"prompt": "x"}})
        assert (response.status_code, response.json()) == (400, {"message": "Unknown model"}), model


async def test_wrong_inputs_are_listed_and_nothing_is_charged(refused: Refused):
    assert await refused.issues({"model": "seedance-20", "inputs": {}}) != []
    found = await refused.issues(
        {
            "model": "seedance-20",
            "inputs": {
                "prompt": 7,
                "duration": 99,
                "outputResolution": "8k",
                "generate_audio": "yes",
                "seed": "x",
                "imageUrls": "not a list",
            },
        }
    )
    assert {tuple(error["path"]) for error in found} == {
        ("prompt",),
        ("duration",),
        ("outputResolution",),
        ("generate_audio",),
        ("seed",),
        ("imageUrls",),
    }
    found = await refused.issues({"model": "wan3.0-image-to-video", "inputs": {"prompt": "x"}})
    assert found == [
        {
            "code": "custom",
            "message": "At least one reference image (imageUrls) is required.",
            "path": ["imageUrls"],
        }
    ]
    response = await refused.send(json={"model": "seedance-20", "inputs": {}})
    assert response.json()["message"] == BAD_INPUTS


NUMBERS_BAD = [2**63, -(2**63) - 1, 2**64, 10**30, -(10**30), 1e308, 0.1, True, [], {"$gt": 0}]


async def test_numbers_out_of_all_proportion_are_invalid_inputs(refused: Refused):
    for name in ("duration", "seed"):
        for value in NUMBERS_BAD:
            order = {"model": "seedance-20", "inputs": {"prompt": "x", name: value}}
            found = await refused.body(content=json.dumps(order))
            assert found == (400, BAD_INPUTS), (name, value)


CALLBACKS_BAD = [
    "",
    "hooks",
    "/hooks",
    "example.com/hooks",
    "//example.com/hooks",
    "ftp://example.com/hooks",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http:/example.com",
    "http://",
    "https:///hooks",
    "http://:80/hooks",
    "http://[::1/hooks",
    "http://example.com:port/hooks",
    "http://example.com:99999/hooks",
    "http://exam ple.com/",
    "http://example.com/a b",
    "http://example.com/\n",
    "http://example.com/\x00",
    "https://example.com/" + "a" * 2048,
    5,
    True,
    {},
    ["https://example.com/"],
]


async def test_an_address_that_cannot_be_called_back_is_refused(refused: Refused):
    for url in CALLBACKS_BAD:
        response = await refused.send(json={**GOOD, "callBackUrl": url})
        assert response.status_code == 400, url
        assert response.json() == {
            "message": UNREADABLE,
            "errors": [
                {
                    "code": "invalid_type",
                    "message": "Expected an http or https URL",
                    "path": ["callBackUrl"],
                }
            ],
        }, url


CALLBACKS_GOOD = [
    None,
    "http://example.com",
    "https://example.com/hooks?task=1&x=%20#part",
    "HTTPS://EXAMPLE.COM/HOOKS",
    "https://example.com:8443/hooks",
    "http://93.184.216.34/hooks",
    "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8080/hooks",
    "https://bücher.example/hooks",
    "https://example.com/" + "a" * 2028,
]


async def test_an_address_that_can_be_called_back_is_kept_as_it_is(world: World):
    alice = await world.person("alice", "10000")
    for url in CALLBACKS_GOOD:
        task_id = await create(world, alice, {**PICTURE, "callBackUrl": url})
        async with world.runtime.database.connection() as connection:
            cursor = await connection.execute(
                "select callback_url from task where id = %s", (task_id,)
            )
            assert await cursor.fetchone() == (url,)


TOO_LARGE = {"message": "The request body is larger than 25165824 bytes"}


async def pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536


async def test_a_body_too_large_is_refused_whether_or_not_its_length_is_stated(refused: Refused):
    whole = b'{"model": "seedance-20", "inputs": {"prompt": "' + b"x" * 30_000_000 + b'"}}'
    response = await refused.send(content=whole)
    assert (response.status_code, response.json()) == (413, TOO_LARGE)
    response = await refused.send(content=pieces(30 * 1024 * 1024))
    assert "content-length" not in response.request.headers
    assert (response.status_code, response.json()) == (413, TOO_LARGE)


async def test_the_largest_body_is_read_and_one_byte_more_is_not(refused: Refused):
    largest = refused.world.runtime.settings.body_bytes_max
    order = b'{"model": "nobody", "inputs": {}}'
    assert await refused.body(content=order.ljust(largest)) == (400, "Unknown model")
    response = await refused.send(content=order.ljust(largest + 1))
    assert response.status_code == 413
    assert await refused.body(content=pieces(largest)) == (400, UNREADABLE)


async def test_a_content_length_that_is_no_number_of_bytes_is_no_bug_of_ours(refused: Refused):
    key = refused.person.key.encode()
    for stated in (b"1e9", b"-1", b"\xb2", b"9" * 5000, b"many"):
        headers = {b"authorization": b"Bearer " + key, b"content-length": stated}
        request = refused.world.client.build_request(
            "POST", PATH, content=pieces(65536), headers=headers
        )
        response = await refused.world.client.send(request)
        assert (response.status_code, response.json()["message"]) == (400, UNREADABLE), stated


async def test_keys_that_nobody_knows_are_ignored(world: World):
    alice = await world.person("alice")
    order = {
        **SUNSET,
        "orderId": "mine",
        "priority": {"$gt": 0},
        "price": 0,
        "inputs": {**SUNSET["inputs"], "negative": True, "nsfw": [], "price": 0},  # type: ignore[dict-item]
    }
    await create(world, alice, order)
    assert await world.balance(alice) == (800_00, 200_00, 0, 1)
    assert await world.count("task where inputs ?| '{negative,nsfw,price}'") == 0


async def test_input_is_taken_for_inputs(world: World):
    alice = await world.person("alice")
    await create(world, alice, {"model": "seedance-20", "input": SUNSET["inputs"]})
    assert await world.balance(alice) == (800_00, 200_00, 0, 1)


async def test_auto_fix_raises_a_resolution_that_the_model_lacks(refused: Refused):
    world, alice = refused.world, refused.person
    order = {"model": "seedance2-fast", "inputs": {"prompt": "x", "outputResolution": "1080p"}}
    assert await refused.body(json=order) == (400, BAD_INPUTS)
    assert await refused.body(json={**order, "autoFix": False}) == (400, BAD_INPUTS)
    await create(world, alice, {**order, "autoFix": True})
    assert await world.count("task where inputs->>'outputResolution' = '720p'") == 1
    assert await world.balance(alice) == (860_00, 140_00, 0, 1)


async def test_a_nul_that_the_database_cannot_hold_is_refused(refused: Refused):
    for inputs in (
        {"prompt": "a\x00b"},
        {"prompt": "x", "imageUrls": ["https://a.example/\x00.png"]},
    ):
        response = await refused.send(json={"model": "seedance-20", "inputs": inputs})
        assert (response.status_code, response.json()["message"]) == (400, BAD_INPUTS), inputs


async def test_any_other_text_is_a_prompt(world: World):
    alice = await world.person("alice", "10000")
    for prompt in (
        "%s %(price)s {} \\u0000",
        "'; drop table task; --",
        "日本語 🎬 é",
        "\x01\x1f\x7f",
    ):
        await create(world, alice, {"model": "seedance-20", "inputs": {"prompt": prompt}})
        found = await world.count(
            "task where inputs->>'prompt' = convert_from(decode('"
            + prompt.encode().hex()
            + "', 'hex'), 'utf8')"
        )
        assert found == 1, prompt


@pytest.mark.parametrize(
    ("order", "granted", "required", "available"),
    [
        (PICTURE, "2.16", "2.17", "2.16"),
        (PICTURE, "0", "2.17", "0"),
        (NANO, "14.4", "14.41", "14.4"),
        (WAN, "142.56", "142.57", "142.56"),
        (WAN, "0.01", "142.57", "0.01"),
        (SUNSET, "199.99", "200", "199.99"),
        (FOUR, "7.5", "12", "7.5"),
    ],
)
async def test_too_few_credits_are_named_exactly_to_the_hundredth(
    world: World, order: object, granted: str, required: str, available: str
):
    refused = Refused(world, await world.person("alice", granted))
    response = await refused.send(json=order)
    assert response.status_code == 402
    assert response.text == (
        f'{{"message":"Insufficient credits","required":{required},"available":{available}}}'
    )


@pytest.mark.parametrize(
    ("order", "price"), [(PICTURE, "2.17"), (NANO, "14.41"), (WAN, "142.57"), (SUNSET, "200")]
)
async def test_the_last_hundredth_pays_and_the_record_shows_the_exact_price(
    world: World, order: object, price: str
):
    alice = await world.person("alice", price)
    task_id = await create(world, alice, order)
    units = round(float(price) * 100)
    assert await world.balance(alice) == (0, units, 0, 1)
    response = await world.client.get(
        "/api/v1/jobs/recordInfo", params={"taskId": task_id}, headers=alice.headers
    )
    assert f'"creditsUsed":{price},' in response.text
    assert await audit(world.runtime.database) == []


async def set_cap(world: World, person: Person, cap: int) -> None:
    await accounts.limit(
        world.runtime.database, person.name, tasks_running_max=cap, api_access=None
    )


def limit_text(limit: int, current: int) -> str:
    return (
        f"Concurrency limit reached ({limit}). You have {current} tasks in progress. "
        "Please wait for them to complete, or ask the operator for a higher limit."
    )


async def end_by_failure(world: World, task_id: TaskId) -> None:
    provider = ScriptedProvider(statuses=[Failed(code="500", message="No.")])
    await advance(tools_for(world, provider), task_id)


async def test_one_task_too_many_is_refused_until_another_ends(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    refused = Refused(world, alice)
    await set_cap(world, alice, 2)
    first = await create(world, alice, PICTURE)
    await create(world, alice, PICTURE)
    response = await refused.send(json=PICTURE)
    assert response.status_code == 429
    assert response.json() == {"message": limit_text(2, 2), "limit": 2, "current": 2}
    await create(world, bob, PICTURE)
    await end_by_failure(world, first)
    await create(world, alice, PICTURE)
    assert (await refused.send(json=PICTURE)).status_code == 429
    assert await audit(world.runtime.database) == []


async def test_the_cap_is_named_before_the_credits(world: World):
    alice = await world.person("alice", "2.17")
    refused = Refused(world, alice)
    await set_cap(world, alice, 1)
    await create(world, alice, PICTURE)
    assert (await refused.send(json=PICTURE)).status_code == 429
    await set_cap(world, alice, 2)
    assert (await refused.send(json=PICTURE)).status_code == 402


async def test_an_account_with_a_cap_of_zero_creates_nothing(world: World):
    refused = Refused(world, await world.person("alice"))
    await set_cap(world, refused.person, 0)
    response = await refused.send(json=PICTURE)
    assert response.status_code == 429
    assert response.json() == {"message": limit_text(0, 0), "limit": 0, "current": 0}


async def test_a_cap_lowered_below_what_runs_is_told_as_it_is(world: World):
    refused = Refused(world, await world.person("alice"))
    for _ in range(3):
        await create(world, refused.person, PICTURE)
    await set_cap(world, refused.person, 1)
    response = await refused.send(json=PICTURE)
    assert response.json() == {"message": limit_text(1, 3), "limit": 1, "current": 3}


async def test_a_test_key_is_charged_nothing_and_is_bound_by_the_cap(world: World):
    alice = await world.person("alice", "0", mode=KeyMode.TEST)
    task_id = await create(world, alice, SUNSET)
    assert await world.balance(alice) == (0, 0, 0, 0)  # its place is no live task's
    assert (await record(world, alice, task_id))["creditsUsed"] == 0
    assert await world.count("ledger_entry where kind = 'hold' and held = 0") == 1
    await set_cap(world, alice, 1)
    assert (await Refused(world, alice).send(json=SUNSET)).status_code == 429
    await end_by_failure(world, task_id)
    assert await world.balance(alice) == (0, 0, 0, 0)
    assert await audit(world.runtime.database) == []


async def answers(world: World, person: Person, order: object, number: int) -> Counter[int]:
    """Send requests at once and count the answers by status."""

    async def one() -> int:
        return (await world.client.post(PATH, json=order, headers=person.headers)).status_code

    return Counter(await asyncio.gather(*(one() for _ in range(number))))


async def test_of_sixty_requests_at_once_exactly_fifty_pass_the_cap(world: World):
    alice = await world.person("alice", "1000000")
    assert await answers(world, alice, SUNSET, 60) == {200: 50, 429: 10}
    assert await world.balance(alice) == (990_000_00, 10_000_00, 0, 50)
    assert await world.count("task") == 50
    assert await world.count("ledger_entry where kind = 'hold'") == 50
    assert await world.count("procrastinate_jobs") == 50
    assert await audit(world.runtime.database) == []


async def test_credits_for_seven_tasks_make_seven_tasks_however_many_ask(world: World):
    alice = await world.person("alice", "15.2")
    assert await answers(world, alice, PICTURE, 40) == {200: 7, 402: 33}
    assert await world.balance(alice) == (1, 1519, 0, 7)
    assert await world.count("task") == 7
    assert await world.count("ledger_entry where kind = 'hold'") == 7
    assert await world.count("procrastinate_jobs") == 7
    assert await audit(world.runtime.database) == []


async def test_two_accounts_do_not_wait_for_or_pay_for_each_other(world: World):
    alice, bob = await world.person("alice", "4.34"), await world.person("bob", "6.51")
    of_alice, of_bob = await asyncio.gather(
        answers(world, alice, PICTURE, 10), answers(world, bob, PICTURE, 10)
    )
    assert (of_alice, of_bob) == ({200: 2, 402: 8}, {200: 3, 402: 7})
    assert await world.balance(alice) == (0, 434, 0, 2)
    assert await world.balance(bob) == (0, 651, 0, 3)
    assert await audit(world.runtime.database) == []


async def test_grants_and_tasks_at_once_lose_nothing(world: World):
    alice = await world.person("alice", "217")
    database, now = world.runtime.database, world.clock()
    grants = [
        book.grant(database, alice.account_id, Credits(1_00), reason="more", now=now)
        for _ in range(20)
    ]
    counted, *_ = await asyncio.gather(answers(world, alice, PICTURE, 40), *grants)
    assert counted == {200: 40}
    assert await world.balance(alice) == (217_00 + 20_00 - 40 * 2_17, 40 * 2_17, 0, 40)
    assert await audit(world.runtime.database) == []


async def test_taking_credits_back_never_takes_what_is_held(world: World):
    alice = await world.person("alice", "300")
    await create(world, alice, SUNSET)
    database, now = world.runtime.database, world.clock()

    def take(amount: int) -> Callable[[], object]:
        return lambda: book.grant(
            database, alice.account_id, Credits(-amount), reason="back", now=now
        )

    with pytest.raises(CreditsShort) as short:
        await take(100_01)()  # type: ignore[misc]
    assert (short.value.required, short.value.available) == (100_01, 100_00)
    await take(100_00)()  # type: ignore[misc]
    assert await world.balance(alice) == (0, 200_00, 0, 1)
    assert await audit(database) == []


def test_the_words_of_the_cap_are_those_of_the_error():
    assert str(CapReached(limit=3, current=3)) == limit_text(3, 3)


async def test_a_body_nested_beyond_reason_is_refused_under_an_idempotency_key_too(world: World):
    alice = await world.person("alice")
    deep = "[" * 400 + "]" * 400
    body = f'{{"model": "gpt-image-2", "inputs": {{"prompt": "x", "y": {deep}}}}}'
    headers = {**alice.headers, "Idempotency-Key": "deep", "Content-Type": "application/json"}
    for path in ("createTask", "estimateTask"):
        answer = await world.client.post(f"/api/v1/jobs/{path}", content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["message"] == "The body is nested too deeply"
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


async def test_a_long_body_of_a_stranger_is_not_even_parsed(world: World):
    """Not JSON, and still the key is what is wrong: it is looked at first."""
    stranger = await world.person("stranger")
    wrong = stranger.key[:-7] + ("0" if stranger.key[-7] != "0" else "1") + stranger.key[-6:]
    headers = {"Authorization": f"Bearer {wrong}"}
    answer = await world.client.post(
        "/api/v1/jobs/createTask", content=b"[" * 1_000_000, headers=headers
    )
    assert answer.status_code == 401
