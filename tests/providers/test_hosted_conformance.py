"""What every hosted provider must do, whatever its upstream speaks. One case, one upstream."""

import base64
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest
from structlog.testing import capture_logs
from tests.providers.case import Case, conversing, prepared, submitted
from tests.providers.cases import CASES
from tests.providers.upstream import (
    ACCEPTED_THEN_DROPPED,
    DROPPED,
    KEY,
    MALFORMED,
    OTHER_HOST,
    Stage,
    Upstream,
    Verb,
    answers,
    media_of,
    payload,
)

from kinetoscope.kernel.calling import Call
from kinetoscope.kernel.order import MediaKind
from kinetoscope.media.inspect import InspectLimits, inspect
from kinetoscope.providers.adapter import Ask, Site
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Done,
    Failed,
    Idempotency,
    Job,
    Kind,
    Lost,
    Refused,
    Silent,
    Status,
    Unfetched,
    Unknown,
    Waiting,
    Working,
)
from kinetoscope.providers.hosted import HostedProvider

pytestmark = pytest.mark.anyio

LATER = [case for case in CASES if not case.at_once]
AT_ONCE = [case for case in CASES if case.at_once]
KEYED = [case for case in CASES if case.needs_key]


def cases(chosen: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in chosen])


async def accepted(provider: HostedProvider, job: Job) -> str:
    outcome = await provider.submit(job)
    assert isinstance(outcome, Accepted), outcome
    return outcome.upstream_id


async def ended(provider: HostedProvider, upstream_id: str, job: Job) -> Status:
    for _ in range(6):
        status = await provider.status(upstream_id, job)
        if not isinstance(status, Waiting | Working):
            return status
    pytest.fail("it never ended")


async def assert_media(done: Status, job: Job) -> None:
    assert isinstance(done, Done), done
    assert done.preview is False
    assert done.ai_generated is True
    assert len(done.files) >= job.order.count
    for found in await inspect([file.path for file in done.files], InspectLimits()):
        assert found.kind is job.order.kind


@cases(LATER)
async def test_a_job_waits_is_worked_on_and_is_done(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        seen = [await provider.status(upstream_id, job) for _ in range(3)]
        assert isinstance(seen[0], Waiting | Working), seen
        assert isinstance(seen[1], Working), seen
        assert seen[1].progress is None or 0 <= seen[1].progress <= 1
        await assert_media(seen[2], job)
        assert len(upstream.jobs) == 1
        assert case.ordered().prompt in json.dumps(upstream.only.body, ensure_ascii=False)


@cases(AT_ONCE)
async def test_what_is_made_while_one_waits_is_here_at_once(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        outcome = await provider.submit(job)
        assert isinstance(outcome, Done), outcome
        await assert_media(outcome, job)
        assert case.ordered().prompt in json.dumps(upstream.only.body, ensure_ascii=False)


@cases([case for case in CASES if case.with_image is not None])
async def test_a_reference_arrives_byte_for_byte(case: Case, tmp_path: Path):
    content = media_of(MediaKind.IMAGE)[1]
    inline = base64.b64encode(content)
    async with conversing(case) as (provider, upstream):
        outcome = await submitted(provider, case.job_with_image(tmp_path))
        assert isinstance(outcome, Accepted | Done), outcome
        sent = upstream.of(Verb.SUBMIT)[-1].body
        uploaded = [recorded.body for recorded in upstream.of(Verb.UPLOAD)]
        assert any(content in body or inline in body for body in (sent, *uploaded))
        assert b"example.com/fox.png" not in sent, "a stranger's address was handed on"


@cases([case for case in CASES if case.with_image is not None])
async def test_preparing_makes_no_job_and_what_is_repeated_says_the_same(
    case: Case, tmp_path: Path
):
    """The answer to a submit with a reference is lost; a token makes of both the same job."""
    async with conversing(case) as (provider, upstream):
        job = await prepared(provider, case.job_with_image(tmp_path))
        assert upstream.jobs == {}
        assert upstream.of(Verb.SUBMIT) == []
        upstream.fault(Verb.SUBMIT, ACCEPTED_THEN_DROPPED)
        assert isinstance(await provider.submit(job), Unknown)
        uploads = len(upstream.of(Verb.UPLOAD))
        if case.adapter.idempotency is Idempotency.CLIENT_TOKEN:
            assert isinstance(await provider.submit(job), Accepted)
            first, again = upstream.of(Verb.SUBMIT)
            assert first.body == again.body
            assert len(upstream.jobs) == 1
        assert len(upstream.of(Verb.UPLOAD)) == uploads, "a submit is one request"


@cases(CASES)
async def test_it_says_of_a_job_whether_its_answer_is_the_result(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, _upstream):
        assert provider.answers_at_once(case.job(tmp_path)) is case.at_once


@cases(CASES)
async def test_no_submit_takes_longer_than_is_said(case: Case, tmp_path: Path):
    asked = case.adapter.submit(
        Ask(job=case.job(tmp_path), site=Site(base_url="https://up.example", key=KEY), attached=())
    )
    assert isinstance(asked, Call)
    assert asked.timeout_s <= case.adapter.submit_timeout_s


@cases(CASES)
async def test_an_upstream_that_is_away_has_refused(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        away = replace(provider.site(), base_url="http://127.0.0.1:9" + case.path)
        provider.site = lambda: away
        outcome = await provider.submit(case.job(tmp_path))
        assert isinstance(outcome, Refused), outcome
        assert outcome.kind is Kind.TEMPORARY
        assert upstream.jobs == {}


@cases(CASES)
@pytest.mark.parametrize("fault", [DROPPED, ACCEPTED_THEN_DROPPED, MALFORMED])
async def test_a_lost_answer_is_no_verdict(case: Case, fault: object, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        upstream.faults[Verb.SUBMIT].append(fault)  # type: ignore[arg-type]
        job = case.job(tmp_path)
        outcome = await provider.submit(job)
        assert isinstance(outcome, Unknown), outcome
        await _clear_up(provider, upstream, job)


async def _clear_up(provider: HostedProvider, upstream: Upstream, job: Job) -> None:
    """Do what the provider's declaration allows, and see that it makes no second job."""
    there = len(upstream.jobs)
    match provider.idempotency:
        case Idempotency.CLIENT_TOKEN:
            first = await accepted(provider, job)
            assert await accepted(provider, job) == first
            assert len(upstream.jobs) == 1
        case Idempotency.LOOKUP:
            found = await provider.find(job)
            assert isinstance(found, Accepted if there else Absent), found
            assert len(upstream.jobs) == there
        case Idempotency.NEITHER:
            assert len(upstream.of(Verb.SUBMIT)) == 1, "sent again"


@cases([case for case in CASES if case.adapter.idempotency is Idempotency.LOOKUP])
async def test_a_lookup_finds_what_was_accepted_and_nothing_else(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        assert isinstance(await provider.find(job), Absent)
        upstream_id = await accepted(provider, job)
        assert await provider.find(job) == Accepted(upstream_id=upstream_id)
        upstream.only.stay(Stage.DONE)
        assert await provider.find(job) == Accepted(upstream_id=upstream_id)
        other = replace(job, task_id="task_other")
        assert isinstance(await provider.find(other), Absent)
        upstream.fault(Verb.FIND, answers(500), MALFORMED, DROPPED)
        for _ in range(2):
            assert isinstance(await provider.find(other), Unknown), "silence is no absence"


@cases(CASES)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_trouble_at_the_upstream_is_temporary_or_open(
    case: Case, status: int, tmp_path: Path
):
    async with conversing(case) as (provider, upstream):
        upstream.fault(Verb.SUBMIT, answers(status, {"detail": "no"}, **{"Retry-After": "7"}))
        outcome = await provider.submit(case.job(tmp_path))
        certain = status == 429 or status in case.adapter.refusals
        if not certain:
            assert isinstance(outcome, Unknown), outcome
            return
        assert isinstance(outcome, Refused), outcome
        assert outcome.kind is Kind.TEMPORARY
        assert outcome.retry_after_s == 7
        assert upstream.jobs == {}


@cases(KEYED)
async def test_a_wrong_key_is_this_accounts_trouble_and_is_told_by_a_check(
    case: Case, tmp_path: Path
):
    async with conversing(case, key="planted-key-wrong") as (provider, upstream):
        outcome = await provider.submit(case.job(tmp_path))
        assert isinstance(outcome, Refused), outcome
        assert outcome.kind is Kind.ACCOUNT
        condition = await provider.check()
        assert not condition.works
        assert "planted" not in condition.says
        assert upstream.jobs == {}


@cases(KEYED)
async def test_without_a_key_nobody_is_asked(case: Case, tmp_path: Path):
    async with conversing(case, key="") as (provider, upstream):
        outcome = await provider.submit(case.job(tmp_path))
        assert isinstance(outcome, Refused), outcome
        assert outcome.kind is Kind.ACCOUNT
        assert not (await provider.check()).works
        assert upstream.recorded == []


@cases(CASES)
async def test_a_check_costs_nothing(case: Case):
    async with conversing(case) as (provider, upstream):
        condition = await provider.check()
        assert condition.works, condition
        assert upstream.jobs == {}
        assert upstream.of(Verb.SUBMIT) == []


@pytest.mark.parametrize(
    ("case", "refusal"),
    [
        pytest.param(case, refusal, id=f"{case.name}-{refusal.file}")
        for case in CASES
        for refusal in case.refusals
    ],
)
async def test_a_recorded_refusal_means_what_it_says(case: Case, refusal: object, tmp_path: Path):
    assert refusal in case.refusals
    recorded = next(known for known in case.refusals if known == refusal)
    async with conversing(case) as (provider, upstream):
        upstream.fault(Verb.SUBMIT, answers(recorded.status, payload(recorded.file)))
        outcome = await provider.submit(case.job(tmp_path))
        assert isinstance(outcome, Refused), outcome
        assert outcome.kind is recorded.kind
        assert outcome.code
        assert outcome.message
        assert upstream.jobs == {}


@cases(CASES)
async def test_every_case_has_a_refusal_by_moderation(case: Case):
    kinds = {refusal.kind for refusal in case.refusals}
    assert Kind.MODERATION in kinds or case.refuses_content_later


@cases(LATER)
async def test_trouble_while_following_tells_nothing(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.only.stay(Stage.WORKING)
        faults = [answers(500), answers(429), answers(502), MALFORMED, DROPPED]
        for fault in faults:
            upstream.fault(Verb.STATUS, fault, fault)  # a GET may be sent twice by the library
            status = await provider.status(upstream_id, job)
            assert isinstance(status, Silent), (fault, status)
            upstream.faults.clear()
        assert isinstance(await provider.status(upstream_id, job), Working)


@cases(LATER)
async def test_a_job_that_the_upstream_forgot_is_lost(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.jobs.clear()
        assert isinstance(await provider.status(upstream_id, job), Lost)


@cases([case for case in LATER if not case.has_no_odd_words])
async def test_a_state_nobody_has_heard_of_is_running(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.only.stay(Stage.ODD)
        with capture_logs() as logs:
            assert isinstance(await provider.status(upstream_id, job), Working)
        assert [entry["event"] for entry in logs] == ["provider.word_unknown"]


@cases(LATER)
@pytest.mark.parametrize("stage", [Stage.FAILED, Stage.REFUSED, Stage.CANCELLED])
async def test_a_failure_has_a_reason(case: Case, stage: Stage, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.only.stay(stage)
        status = await provider.status(upstream_id, job)
        assert isinstance(status, Failed), status
        assert status.code
        assert status.message
        if stage is Stage.REFUSED:
            assert status.kind is Kind.MODERATION
        if stage is Stage.FAILED:
            expected = Kind.TEMPORARY if case.fails_temporarily else Kind.PERMANENT
            assert status.kind is expected


@cases(LATER)
async def test_a_dead_result_is_asked_for_again(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.only.stay(Stage.DONE)
        if not await _has_files(provider, upstream, upstream_id, job):
            pytest.skip("its results are part of the answer")
        for fault in (answers(404), answers(500), DROPPED):
            upstream.fault(Verb.FILE, fault, fault)
            status = await provider.status(upstream_id, job)
            assert isinstance(status, Unfetched), (fault, status)
            upstream.faults.clear()
        await assert_media(await provider.status(upstream_id, job), job)


@cases(LATER)
@pytest.mark.parametrize("host", ["", f"http://{OTHER_HOST}:{{port}}"], ids=["here", "elsewhere"])
async def test_a_result_that_has_moved_is_followed_without_the_key(
    case: Case, host: str, tmp_path: Path
):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.only.stay(Stage.DONE)
        if not await _has_files(provider, upstream, upstream_id, job):
            pytest.skip("its results are part of the answer")
        path = f"/files/{upstream.only.id}/1" if host else upstream.of(Verb.FILE)[-1].path
        place = f"{host.format(port=upstream.port)}{path}?alt=media&moved=1"
        upstream.recorded.clear()
        upstream.fault(Verb.FILE, answers(302, Location=place))
        await assert_media(await provider.status(upstream_id, job), job)
        moved = [recorded for recorded in upstream.of(Verb.FILE) if "moved" in recorded.query]
        assert len(moved) == 1
        if host:
            assert KEY not in str(moved[0].headers)
        upstream.fault(Verb.FILE, *[answers(302, Location=place)] * 20)
        assert isinstance(await provider.status(upstream_id, job), Unfetched)


ODD_IDS = (
    "http://{elsewhere}/x",
    "//{elsewhere}/x",
    "/x",
    "../../x?y=1#z",
    "..",
    ".",
    "a/../../b",
    "%2e%2e/x",
    "x&y=1",
    " x",
)


@cases(LATER)
@pytest.mark.parametrize("odd", ODD_IDS)
async def test_whatever_an_id_is_called_our_key_stays_and_so_does_the_path(
    case: Case, odd: str, tmp_path: Path
):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        odd_id = odd.format(elsewhere=f"{OTHER_HOST}:{upstream.port}")
        upstream.told_id = odd_id
        outcome = await provider.submit(job)
        assert isinstance(outcome, Accepted | Unknown), outcome
        await _ask_about("plain-id", provider, upstream, job)
        usual = {_read(seen.path, seen.query) for seen in upstream.seen}
        await _ask_about(odd_id, provider, upstream, job)
        expected = {_renamed(place, "plain-id", odd_id) for place in usual}
        assert {_read(seen.path, seen.query) for seen in upstream.seen} <= expected
        assert {seen.host for seen in upstream.seen} <= {f"127.0.0.1:{upstream.port}"}


Place = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
"""A path in its parts, and a query."""


async def _ask_about(
    upstream_id: str, provider: HostedProvider, upstream: Upstream, job: Job
) -> None:
    upstream.seen.clear()
    await provider.status(upstream_id, job)
    await provider.cancel(upstream_id, job)


def _read(path: str, query: str) -> Place:
    return tuple(map(unquote, path.split("/"))), tuple(parse_qsl(query))


def _renamed(place: Place, old: str, new: str) -> Place:
    path, query = place
    return tuple(new if part == old else part for part in path), tuple(
        (name, new if value == old else value) for name, value in query
    )


@cases([case for case in LATER if case.needs_key])
async def test_our_key_goes_to_the_upstreams_own_origin_only(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        elsewhere = f"http://{OTHER_HOST}:{upstream.port}/x"
        provider.adapter = replace(
            case.adapter, status=lambda _site, _id, _job: Call(method="GET", url=elsewhere)
        )
        await provider.status("plain-id", job)
        (seen,) = upstream.seen
        assert seen.host == f"{OTHER_HOST}:{upstream.port}"
        assert KEY not in str(seen.headers)


@cases([case for case in CASES if case.uploads_to])
async def test_our_key_goes_where_the_operator_has_uploads_sent(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        elsewhere = f"{OTHER_HOST}:{upstream.port}"
        site = provider.site()
        options = {**site.options, case.uploads_to: f"http://{elsewhere}"}
        provider.site = lambda: replace(site, options=options)
        await provider.prepare(case.job_with_image(tmp_path))
        asked = [seen for seen in upstream.seen if seen.host == elsewhere]
        assert asked
        assert KEY in str(asked[0].headers)


async def _has_files(
    provider: HostedProvider, upstream: Upstream, upstream_id: str, job: Job
) -> bool:
    await provider.status(upstream_id, job)
    return bool(upstream.of(Verb.FILE))


@cases(LATER)
@pytest.mark.parametrize("stage", [Stage.WAITING, Stage.WORKING, Stage.DONE])
async def test_a_cancel_says_what_it_came_to(case: Case, stage: Stage, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.only.stay(stage)
        outcome = await provider.cancel(upstream_id, job)
        expected = {
            Stage.WAITING: case.cancel_waiting,
            Stage.WORKING: case.cancel_working,
            Stage.DONE: CancelOutcome.GOES_ON,
        }[stage]
        assert outcome is expected
        if stage is Stage.DONE:
            await assert_media(await provider.status(upstream_id, job), job)
        elif outcome is CancelOutcome.STOPPED:
            assert isinstance(await provider.status(upstream_id, job), Failed | Lost)


@cases([case for case in LATER if case.adapter.cancel is not None])
async def test_a_cancel_without_an_answer_is_tried_again(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        upstream_id = await accepted(provider, job)
        upstream.only.stay(Stage.WAITING)
        for fault in (answers(500), DROPPED, answers(429)):
            upstream.fault(Verb.CANCEL, fault, fault)
            assert await provider.cancel(upstream_id, job) is CancelOutcome.UNKNOWN
            upstream.faults.clear()


@cases(CASES)
async def test_the_key_is_told_to_the_upstream_and_to_nobody_else(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    async with conversing(case) as (provider, upstream):
        job = case.job(tmp_path)
        with capture_logs() as logs:
            outcome: object = await provider.submit(job)
            if isinstance(outcome, Accepted):
                outcome = await ended(provider, outcome.upstream_id, job)
            upstream.fault(Verb.SUBMIT, DROPPED)
            refused = await provider.submit(replace(job, task_id="task_second"))
        told = f"{logs} {caplog.text} {provider.site()!r} {outcome!r} {refused!r}"
        assert KEY not in told
        assert all(KEY not in recorded.query for recorded in upstream.recorded)


@cases(CASES)
async def test_the_key_does_not_follow_a_result_to_another_origin(case: Case, tmp_path: Path):
    async with conversing(case) as (provider, upstream):
        upstream.files_host = OTHER_HOST
        job = case.job(tmp_path)
        outcome: object = await provider.submit(job)
        if isinstance(outcome, Accepted):
            outcome = await ended(provider, outcome.upstream_id, job)
        assert isinstance(outcome, Done), outcome
        for fetched in upstream.of(Verb.FILE):
            if fetched.headers["host"].startswith(OTHER_HOST):
                assert KEY not in str(fetched.headers)
