"""A hosted upstream as a provider: calls it as its adapter says, and concludes alike for all."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never
from urllib.parse import urljoin

import structlog

from kinetoscope.kernel.calling import Answer, Call, Caller, CallFailed, Malformed
from kinetoscope.kernel.outbound import Egress
from kinetoscope.providers import references
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Attached,
    Reading,
    Site,
    failed,
    refusal_by_status,
)
from kinetoscope.providers.contract import (
    CancelOutcome,
    Condition,
    Done,
    Failed,
    FindOutcome,
    Job,
    Kind,
    Lost,
    Prepared,
    Refused,
    Silent,
    Status,
    SubmitOutcome,
    Unknown,
    Waiting,
    Working,
)
from kinetoscope.providers.origins import takes_key
from kinetoscope.providers.references import Uploading
from kinetoscope.providers.results import Results, take
from kinetoscope.providers.states import State, state_of

log = structlog.get_logger(__name__)

SERVER_ERRORS = range(500, 600)
REQUEST_TIMEOUT = 408
TOO_MANY = 429
GONE = frozenset({404, 410})


class HostedProvider:
    """Calls one upstream. It remembers nothing about jobs: any worker can follow any of them."""

    def __init__(
        self,
        *,
        name: str,
        adapter: Adapter,
        site: Callable[[], Site],
        caller: Caller,
        egress: Egress,
        result_origins: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.adapter = adapter
        self.idempotency = adapter.idempotency
        self.polling = adapter.polling
        self.submit_timeout_s = adapter.submit_timeout_s
        self.site = site
        self.caller = caller
        self.results = Results(caller=caller, egress=egress, origins=result_origins)

    async def start(self) -> None:
        """Nothing: connections are made when they are needed."""

    async def stop(self) -> None:
        """Nothing: the caller is closed by whoever made it."""

    def answers_at_once(self, job: Job) -> bool:
        """Ask the adapter; who cannot be polled has nothing else to answer with."""
        at_once = self.adapter.at_once
        return self.polling is None if at_once is None else at_once(job)

    async def prepare(self, job: Job) -> Prepared | Refused:
        """Upload what the upstream cannot take inline."""
        site = self.site()
        if self.adapter.needs_key and not site.key:
            return _no_key()
        try:
            return await references.upload(
                Uploading(adapter=self.adapter, site=site, ask=self._call, put=self.caller.call),
                job,
            )
        except (CallFailed, Malformed) as error:
            return _busy(str(error))

    async def submit(self, job: Job) -> SubmitOutcome:
        """Hand the job over, once."""
        site = self.site()
        if self.adapter.needs_key and not site.key:
            return _no_key()
        attached: tuple[Attached, ...] = ()
        if job.references:
            attached = await asyncio.to_thread(references.attached, self.adapter, job)
        call = self.adapter.submit(Ask(job=job, site=site, attached=attached))
        if isinstance(call, Refused):
            return call
        try:
            answer = await self._call(site, call)
        except CallFailed as error:
            if error.may_have_arrived:
                return Unknown(reason=str(error))
            return _busy(str(error))
        return await self._weigh(site, answer, job)

    async def _weigh(self, site: Site, answer: Answer, job: Job) -> SubmitOutcome:
        if not answer.is_fine:
            return self._refusal(answer)
        try:
            accepted = self.adapter.accepted(answer, job)
        except Malformed as error:
            log.warning("provider.malformed", provider=self.name, reason=str(error))
            return Unknown(reason=str(error))
        if isinstance(accepted, Reading):
            return await self._at_once(site, accepted, job)
        return accepted

    async def _at_once(self, site: Site, reading: Reading, job: Job) -> SubmitOutcome:
        status = await self._judge(site, reading, job)
        match status:
            case Done():
                return status
            case _ if reading.failure is not None:
                failure = reading.failure
                return Refused(code=failure.code, message=failure.message, kind=failure.kind)
            case _:
                return Unknown(reason=f"The files did not arrive: {status}")

    def _refusal(self, answer: Answer) -> SubmitOutcome:
        status = answer.status
        if status == REQUEST_TIMEOUT or status < 400:  # noqa: PLR2004 - a redirect is no answer
            return Unknown(reason=f"status {status}")
        if status in SERVER_ERRORS and status not in self.adapter.refusals:
            return Unknown(reason=f"status {status}")
        if status in SERVER_ERRORS:
            return refusal_by_status(answer, kind=Kind.TEMPORARY)
        refused = self.adapter.refusal(answer)
        if status == TOO_MANY and refused.kind not in {Kind.UNSUPPORTED, Kind.ACCOUNT}:
            # Some say so of funds or quotas that are used up: waiting alone brings none back.
            return refusal_by_status(answer, kind=Kind.TEMPORARY)
        return refused

    async def find(self, job: Job) -> FindOutcome:
        """Ask for the job by our task id."""
        site = self.site()
        if self.adapter.find is None or self.adapter.found is None:
            return Unknown(reason="there is no lookup")
        try:
            answer = await self._call(site, self.adapter.find(site, job))
            if not answer.is_fine and answer.status not in GONE:
                return Unknown(reason=f"status {answer.status}")
            return self.adapter.found(answer, job)
        except (CallFailed, Malformed) as error:
            return Unknown(reason=str(error))

    async def status(self, upstream_id: str, job: Job) -> Status:
        """Ask once; bring the files where the job is done."""
        site = self.site()
        if self.adapter.status is None:
            return Lost()
        try:
            answer = await self._call(site, self.adapter.status(site, upstream_id, job))
            if answer.status in GONE:
                return Lost()
            if not answer.is_fine:
                return Silent(reason=f"status {answer.status}")
            reading = self.adapter.read(answer, job)
            reading = await self._with_result(site, reading, upstream_id, job)
        except (CallFailed, Malformed) as error:
            return Silent(reason=str(error))
        return await self._judge(site, reading, job)

    async def _with_result(
        self, site: Site, reading: Reading, upstream_id: str, job: Job
    ) -> Reading:
        """Ask for the outputs, where the status says that there are some but not where."""
        is_done = state_of(reading.word) is State.DONE and reading.failure is None
        if self.adapter.result is None or reading.outputs or not is_done:
            return reading
        answer = await self._call(site, self.adapter.result(site, upstream_id, job))
        if answer.is_fine:
            return self.adapter.read(answer, job)
        if answer.status in SERVER_ERRORS or answer.status in {REQUEST_TIMEOUT, TOO_MANY}:
            raise CallFailed(f"status {answer.status}", may_have_arrived=True)
        refused = self.adapter.refusal(answer)
        return Reading(word="failed", failure=failed(refused.message, refused.kind))

    async def _judge(self, site: Site, reading: Reading, job: Job) -> Status:
        state = state_of(reading.word)
        match state:
            case State.WAITING:
                return Waiting()
            case State.WORKING:
                return Working(progress=reading.progress)
            case State.FAILED:
                return _gave_up(reading, failed())
            case State.DONE:
                if reading.failure is not None or not reading.outputs:
                    return _gave_up(reading, failed("The provider made nothing."))
                return await take(self.results, site, self.adapter, reading, job)
            case State.UNHEARD_OF:
                log.warning("provider.word_unknown", provider=self.name, word=reading.word[:100])
                return Working(progress=reading.progress)
            case _:
                assert_never(state)

    async def cancel(self, upstream_id: str, job: Job) -> CancelOutcome:
        """Ask for the job's end, where the upstream knows such a thing."""
        site = self.site()
        if self.adapter.cancel is None or self.adapter.cancelled is None:
            return CancelOutcome.GOES_ON
        try:
            if not await self._may_cancel(site, upstream_id, job):
                return CancelOutcome.GOES_ON
            answer = await self._call(site, self.adapter.cancel(site, upstream_id, job))
        except (CallFailed, Malformed):
            return CancelOutcome.UNKNOWN
        if answer.status in SERVER_ERRORS or answer.status == TOO_MANY:
            return CancelOutcome.UNKNOWN
        try:
            return self.adapter.cancelled(answer)
        except Malformed:
            return CancelOutcome.UNKNOWN

    async def _may_cancel(self, site: Site, upstream_id: str, job: Job) -> bool:
        """Look at the job first, where a cancel of one that is over would delete it."""
        if self.adapter.cancellable is None or self.adapter.status is None:
            return True
        answer = await self._call(site, self.adapter.status(site, upstream_id, job))
        if not answer.is_fine:
            raise Malformed(f"status {answer.status}")
        return state_of(self.adapter.read(answer, job).word) in self.adapter.cancellable

    async def check(self) -> Condition:
        """Ask for something that needs the key and costs nothing."""
        site = self.site()
        if self.adapter.needs_key and not site.key:
            return Condition(works=False, says="no key is set")
        try:
            answer = await self._call(site, self.adapter.check(site))
            fault = None
            if answer.is_fine and self.adapter.checked is not None:
                fault = self.adapter.checked(answer)
        except (CallFailed, Malformed) as error:
            return Condition(works=False, says=str(error))
        if not answer.is_fine and answer.status not in self.adapter.knows_the_key:
            return Condition(works=False, says=_fault(answer))
        return Condition(works=fault is None, says=fault or "answers, and knows the key")

    async def _call(self, site: Site, call: Call) -> Answer:
        url = urljoin(f"{site.base_url}/", call.url)
        ours = self.adapter.headers(site) if takes_key(self.adapter, site, url) else {}
        return await self.caller.call(replace(call, url=url, headers={**ours, **call.headers}))


def _gave_up(reading: Reading, otherwise: Failed) -> Failed:
    return replace(reading.failure or otherwise, cost_usd_micros=reading.cost_usd_micros)


def _no_key() -> Refused:
    return Refused(code="500", message="The provider has no key.", kind=Kind.ACCOUNT)


def _busy(reason: str) -> Refused:
    log.info("provider.out_of_reach", reason=reason)
    return Refused(code="500", message="The provider cannot be reached.", kind=Kind.TEMPORARY)


def _fault(answer: Answer) -> str:
    if answer.status in {401, 403}:
        return f"the key is refused (status {answer.status})"
    return f"answers with status {answer.status}"
