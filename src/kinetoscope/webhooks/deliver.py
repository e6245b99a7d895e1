"""One delivery: its body and signature made, sent, and what came of it written down."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import structlog

from kinetoscope.kernel.clock import Clock
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.kernel.outbound import Egress, FetchLimits, OutboundFailed, OutboundRefused
from kinetoscope.kernel.posting import post
from kinetoscope.kernel.sealing import Sealer
from kinetoscope.postgres.pool import Database
from kinetoscope.webhooks import log, secret, sign
from kinetoscope.webhooks.log import Attempt
from kinetoscope.webhooks.outbox import TEST_EVENT, Claimed
from kinetoscope.webhooks.schedule import delay_after, read_retry_after

logger = structlog.get_logger(__name__)

LIMITS = FetchLimits(bytes_max=64 * 1024, total_timeout_s=15)

RESPONSE_CHARACTERS_KEPT = 1000

REHEARSED_DUPLICATE = "duplicate_webhook"
REHEARSED_DOWN = "webhook_down"
REHEARSED_DOWN_TRIES = 3

Sign = Callable[[str, bytes, datetime], Mapping[str, str]]
"""Makes further headers for a message's id, its body and the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What tells of a task: a body, and how else it is signed than every delivery is.

    `kie_headers` are those of kie.ai, which take the account's secret.
    """

    body: bytes
    kie_headers: bool = False
    sign: Sign | None = None


BodyOf = Callable[[Claimed], Awaitable[Telling | None]]
"""Makes what a delivery tells of a task; None where the task is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What deliveries are made with. `chance` draws the jitter: a number from 0 to 1."""

    database: Database
    egress: Egress
    sealer: Sealer
    clock: Clock
    body_of: BodyOf
    limits: FetchLimits = LIMITS
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is signed: a body under its id, about a task, for an account."""

    id: str
    account_id: AccountId
    task_id: TaskId
    telling: Telling

    @property
    def body(self) -> bytes:
        """What is sent."""
        return self.telling.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt. `error` is None where it was delivered."""

    error: str | None
    status: int | None = None
    response: str = ""
    retry_after_s: float | None = None
    is_final: bool = False
    """Trying again would change nothing."""


async def deliver(parts: Parts, claimed: Claimed) -> bool:
    """Make one attempt at a claimed delivery, or what its rehearsal asks for; whether it arrived.

    Does not raise for anything a receiver does.
    """
    rehearsal, tries = claimed.rehearsal, claimed.tries
    if rehearsal == REHEARSED_DOWN and tries < REHEARSED_DOWN_TRIES:
        started_at = parts.clock()
        refused = Outcome(error="rehearsed: connection refused")
        await _note(parts, claimed, refused, tries + 1, started_at, 0)
        return False
    arrived = await _attempt(parts, claimed, tries + 1)
    if rehearsal == REHEARSED_DUPLICATE and tries == 0:
        arrived = await _attempt(parts, claimed, tries + 2) or arrived
    return arrived


async def _attempt(parts: Parts, claimed: Claimed, tries: int) -> bool:
    loop = asyncio.get_running_loop()
    started_at, start_s = parts.clock(), loop.time()
    try:
        outcome = await _send(parts, claimed, started_at)
    except Exception:
        # A fault of ours; the delivery must not be lost to it, nor be tried without end.
        logger.exception("webhook.broke", delivery=claimed.id)
        outcome = Outcome(error="Internal error; nothing was sent")
    duration_ms = round((loop.time() - start_s) * 1000)
    await _note(parts, claimed, outcome, tries, started_at, duration_ms)
    return outcome.error is None


async def _send(parts: Parts, claimed: Claimed, now: datetime) -> Outcome:
    telling = None if claimed.body is None else Telling(body=claimed.body)
    if telling is None:
        telling = await parts.body_of(claimed)
    if telling is None:
        return Outcome(error="The task was deleted before this was sent", is_final=True)
    message = Message(
        id=claimed.id, account_id=claimed.account_id, task_id=claimed.task_id, telling=telling
    )
    try:
        headers = await signed_headers(parts.database, parts.sealer, message, now)
    except SettingInvalid as error:
        return Outcome(error=str(error))
    try:
        answered = await post(parts.egress, claimed.url, message.body, headers, parts.limits)
    except OutboundRefused as error:
        return Outcome(error=str(error), is_final=True)
    except OutboundFailed as error:
        return Outcome(error=str(error))
    status = answered.status
    return Outcome(
        error=_what_is_wrong_with(status),
        status=status,
        response=_legible(answered.beginning),
        retry_after_s=read_retry_after(answered.retry_after, now),
        is_final=status == HTTPStatus.GONE,
    )


async def signed_headers(
    database: Database, sealer: Sealer, message: Message, now: datetime
) -> dict[str, str]:
    """Return the headers of an attempt, signed as its account wants it.

    Raises SettingInvalid where the account's secret cannot be read.
    """
    account_id, telling = message.account_id, message.telling
    texts = await secret.texts(database, sealer, account_id, now)
    headers = sign.headers(message.id, message.body, texts, now)
    if telling.sign is not None:
        headers |= telling.sign(message.id, message.body, now)
    if telling.kie_headers or (await secret.preferences(database, account_id)).kie_headers:
        # There is room for one signature only. While secrets overlap it is the oldest's, which the
        # receiver certainly has.
        headers |= sign.kie_headers(message.task_id, texts[-1], now)
    return headers


async def _note(
    parts: Parts,
    claimed: Claimed,
    outcome: Outcome,
    tries: int,
    started_at: datetime,
    duration_ms: int,
) -> None:
    now = parts.clock()
    state, delay = _what_follows(parts, claimed, outcome, tries)
    await log.note(
        parts.database,
        claimed,
        Attempt(
            started_at=started_at,
            duration_ms=duration_ms,
            status=outcome.status,
            error=outcome.error,
            response=outcome.response,
        ),
        state=state,
        next_attempt_at=None if delay is None else now + delay,
        now=now,
    )
    logger.info(
        "webhook.attempted",
        state=state,
        delivery=claimed.id,
        task=claimed.task_id,
        receiver=claimed.lane,
        status=outcome.status,
        error=outcome.error,
        retry_in_s=None if delay is None else round(delay.total_seconds(), 1),
    )


def _what_follows(
    parts: Parts, claimed: Claimed, outcome: Outcome, tries: int
) -> tuple[str, timedelta | None]:
    if outcome.error is None:
        return "delivered", None
    if outcome.status == HTTPStatus.GONE:
        return "disabled", None
    delay = delay_after(tries, parts.chance(), outcome.retry_after_s)
    if outcome.is_final or claimed.event_type == TEST_EVENT or delay is None:
        return "failed", None
    return "pending", delay


def _what_is_wrong_with(status: int) -> str | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if status < HTTPStatus.BAD_REQUEST:
        return f"The receiver answered with status {status}; redirects are not followed"
    if status == HTTPStatus.GONE:
        return "The receiver answered with status 410: it wants this no more, so it is not retried"
    return f"The receiver answered with status {status}"


def _legible(beginning: bytes) -> str:
    text = beginning[: 4 * RESPONSE_CHARACTERS_KEPT].decode("utf-8", "replace")
    shown = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    return shown[:RESPONSE_CHARACTERS_KEPT]
