"""The parts webhooks are made of: schedule, signatures, sealing, posting and looking names up."""

import asyncio
import base64
import socket
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from standardwebhooks import Webhook
from tests.receiver import LOOPBACK, Receiver, receiving

from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.connecting import system_resolve
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.outbound import Egress, FetchLimits, OutboundRefused
from kinetoscope.kernel.posting import post
from kinetoscope.kernel.sealing import sealer_from
from kinetoscope.webhooks import schedule, sign

pytestmark = pytest.mark.anyio

LIMITS = FetchLimits(bytes_max=64 * 1024, total_timeout_s=5)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


def test_the_schedule_is_quick_at_first_and_goes_on_for_three_days():
    delays = [schedule.delay_after(tries, 0.0, None) for tries in range(1, 13)]
    assert delays[:4] == [timedelta(seconds=delay_s) for delay_s in (1, 5, 15, 300)]
    assert delays[-1] is None
    total = sum((delay for delay in delays if delay is not None), timedelta())
    assert timedelta(hours=75) < total < timedelta(hours=76)


def test_jitter_only_adds_and_at_most_a_tenth():
    assert schedule.delay_after(4, 1.0, None) == timedelta(seconds=330)
    assert schedule.delay_after(4, 1.0, 10.0) == timedelta(seconds=330)
    assert schedule.delay_after(4, 1.0, 1000.0) == timedelta(seconds=1000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        (" 7 ", 7),
        ("-1", None),
        ("1.5", None),
        ("9" * 5000, None),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("Mon, 99 Nov 2026", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str | None, seconds: float | None):
    assert schedule.read_retry_after(text, NOW) == seconds


def test_the_vector_of_kie():
    headers = sign.kie_headers("task_12345678", "test-key", datetime.fromtimestamp(1700000000, UTC))
    assert headers == {
        "X-Webhook-Timestamp": "1700000000",
        "X-Webhook-Signature": "jbMgurgLr0V63NX8fJ+ppGz5LFMZr+rnsNqqZfri4DA=",
    }


def test_each_secret_adds_a_signature_its_holder_can_check():
    secrets = ["whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    body = '{"text":"é"}'.encode()
    headers = sign.headers("msg_1", body, secrets, system_clock())
    for secret in secrets:
        assert Webhook(secret).verify(body, headers) == {"text": "é"}


def test_what_is_sealed_opens_with_its_key_in_its_context_only():
    sealer = sealer_from(b"k" * 32)
    sealed = sealer.seal("whsec_x", "acct_1 wsec_1")
    assert sealer.unseal(sealed, "acct_1 wsec_1") == "whsec_x"
    assert b"whsec_x" not in sealed
    assert sealer.seal("whsec_x", "acct_1 wsec_1") != sealed
    for other, context, text in (
        (sealer_from(b"l" * 32), "acct_1 wsec_1", sealed),
        (sealer, "acct_2 wsec_1", sealed),
        (sealer, "acct_1 wsec_1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(SettingInvalid):
            other.unseal(text, context)


async def test_a_post_arrives_as_it_was_given(receiver: Receiver):
    answered = await post(LOOPBACK, receiver.url("/a?b=c"), b"{}", {"X-One": "1"}, LIMITS)
    (got,) = receiver.received
    assert (got.path, got.body, got.headers["X-One"]) == ("/a?b=c", b"{}", "1")
    assert (answered.status, answered.beginning) == (200, b"answered 200")


async def test_of_an_endless_answer_64_kib_are_read(receiver: Receiver):
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))

    receiver.answers.append(endless)
    answered = await post(LOOPBACK, receiver.url(), b"{}", {}, LIMITS)
    assert (answered.status, len(answered.beginning)) == (200, 64 * 1024)


async def test_a_status_counts_though_its_body_never_ends(receiver: Receiver):
    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=202)
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(3600)
        return response

    receiver.answers.append(drips)
    limits = FetchLimits(bytes_max=1000, total_timeout_s=0.4)
    answered = await post(LOOPBACK, receiver.url(), b"{}", {}, limits)
    assert (answered.status, answered.beginning) == (202, b"x")


async def test_a_name_that_leads_home_is_refused_before_a_packet(receiver: Receiver):
    async def home(_host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)

    url = f"http://hook.test:{receiver.port}/"
    with pytest.raises(OutboundRefused):
        await post(Egress(), url, b"{}", {}, LIMITS, resolve=home)
    assert receiver.received == []


async def test_names_that_do_not_answer_hold_up_no_other(monkeypatch: pytest.MonkeyPatch):
    """The system's resolver cannot be told to wait, so what it is asked through is replaced."""
    release = threading.Event()
    ask = socket.getaddrinfo

    def slow_for_some(host: str, _port: None, **named: int) -> object:
        if host.startswith("slow"):
            release.wait(30)
        return ask("127.0.0.1", None, type=named["type"])

    monkeypatch.setattr(socket, "getaddrinfo", slow_for_some)
    waiting = [asyncio.create_task(system_resolve(f"slow{number}.test")) for number in range(100)]
    async with asyncio.timeout(20):
        assert await system_resolve("quick.test") == ("127.0.0.1",)
        waiting[0].cancel()
        release.set()
        assert await asyncio.gather(*waiting[1:]) == [("127.0.0.1",)] * 99
