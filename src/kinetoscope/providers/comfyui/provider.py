"""ComfyUI as a provider. It is asked with an id of ours, which it neither refuses nor merges.

So a submit that may have arrived is looked for in its queue and its history before it is sent
again. https://docs.comfy.org/development/comfyui-server/comms_routes
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import assert_never
from uuid import NAMESPACE_URL, uuid5

import structlog

from kinetoscope.kernel.calling import (
    Answer,
    Call,
    Caller,
    CallFailed,
    Malformed,
)
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.adapter import Site, required_text, text_at
from kinetoscope.providers.comfyui.files import bring
from kinetoscope.providers.comfyui.outputs import (
    is_too_old,
    made_of,
    progress_of,
    refusal_of,
    said_of,
)
from kinetoscope.providers.comfyui.server import Server
from kinetoscope.providers.comfyui.workflow import Workflow, filled, unbound
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Condition,
    Failed,
    FindOutcome,
    Idempotency,
    Job,
    Kind,
    Lost,
    Polling,
    Prepared,
    Refused,
    Silent,
    Status,
    SubmitOutcome,
    Unknown,
    Waiting,
    Working,
)
from kinetoscope.providers.results import RESULTS_AT_ONCE

log = structlog.get_logger(__name__)

SERVER_ERROR = 500
SUBMIT_TIMEOUT_S = 30.0
TOO_OLD = "This ComfyUI is too old: it calls jobs what it likes."
SAID_CHARACTERS_MAX = 1000


class ComfyUIProvider:
    """One ComfyUI. What it has is asked of it each time, so that any worker can follow any job."""

    idempotency = Idempotency.LOOKUP
    polling = Polling(delay_s=0.5, delay_s_max=2.0, find_delay_s=1.0, lost_s=5.0)
    submit_timeout_s = SUBMIT_TIMEOUT_S

    def __init__(
        self,
        *,
        name: str,
        site: Callable[[], Site],
        workflows: Mapping[str, Workflow],
        caller: Caller,
    ) -> None:
        self.name = name
        self.server = Server(site=site, caller=caller)
        self.workflows = workflows
        self.bringing = asyncio.Semaphore(RESULTS_AT_ONCE)
        self.progress: dict[str, float] = {}
        self.watching: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Nothing: connections are made when they are needed."""

    async def stop(self) -> None:
        """Stop listening for progress."""
        for watching in self.watching.values():
            watching.cancel()
        await asyncio.gather(*self.watching.values(), return_exceptions=True)

    def answers_at_once(self, job: Job) -> bool:
        """Never: the history has the result."""
        del job
        return False

    async def prepare(self, job: Job) -> Prepared | Refused:
        """Upload the references; each time under the same names."""
        workflow = self._workflow(job)
        if isinstance(workflow, Refused):
            return workflow
        try:
            return Prepared(addresses=await self.server.upload(job))
        except (CallFailed, Malformed) as error:
            log.warning("comfyui.upload_failed", provider=self.name, reason=str(error))
            return _busy()

    def _workflow(self, job: Job) -> Workflow | Refused:
        """Find the graph that a job is put into, if all of it can be."""
        workflow = self.workflows.get(job.upstream_model)
        if workflow is None:
            return _unsupported(f"There is no workflow {job.upstream_model}.")
        place = unbound(workflow, job)
        if place is not None:
            return _unsupported(f"The workflow has no place for {place}.")
        return workflow

    async def submit(self, job: Job) -> SubmitOutcome:
        """Queue the graph under an id that follows from the task."""
        workflow = self._workflow(job)
        if isinstance(workflow, Refused):
            return workflow
        prompt_id = prompt_id_of(job.task_id)
        body: JSON = {
            "prompt": filled(workflow, job),
            "prompt_id": prompt_id,
            "client_id": prompt_id,
        }
        call = Call(method="POST", url="prompt", json=body, timeout_s=SUBMIT_TIMEOUT_S)
        try:
            answer = await self.server.call(call)
            return await self._weigh(answer, job)
        except CallFailed as error:
            return Unknown(reason=str(error)) if error.may_have_arrived else _busy()
        except Malformed as error:
            return Unknown(reason=str(error))

    async def _weigh(self, answer: Answer, job: Job) -> SubmitOutcome:
        if answer.is_fine:
            told_id = required_text(answer.table(), "prompt_id")
            if told_id != prompt_id_of(job.task_id):
                return await self._disown(told_id, job)
            return Accepted(upstream_id=told_id)
        if answer.status >= SERVER_ERROR or answer.status in {408, 429}:
            return Unknown(reason=f"status {answer.status}")
        refused, said = refusal_of(answer)
        self._note("comfyui.refused", job, said)
        return refused

    async def _disown(self, told_id: str, job: Job) -> Refused:
        """Stop what could never be found by our name for it, and send no more."""
        stopped = await self.cancel(told_id, job)
        self._note("comfyui.too_old", job, f"{told_id}: {stopped}")
        return _unsupported(TOO_OLD)

    def _note(self, event: str, job: Job, said: str) -> None:
        """Tell the operator what no client is told."""
        said = said[:SAID_CHARACTERS_MAX]
        log.warning(event, provider=self.name, task=job.task_id, said=said)

    async def find(self, job: Job) -> FindOutcome:
        """Look in the history, then in the queue, then in the history: it moves that way."""
        prompt_id = prompt_id_of(job.task_id)
        try:
            known = (
                await self.server.history(prompt_id) is not None
                or await self.server.queued(prompt_id) is not None
                or await self.server.history(prompt_id) is not None
            )
        except (CallFailed, Malformed) as error:
            return Unknown(reason=str(error))
        return Accepted(upstream_id=prompt_id) if known else Absent()

    async def status(self, upstream_id: str, job: Job) -> Status:
        """Ask the history, which knows what is over, then the queue."""
        try:
            entry = await self.server.history(upstream_id)
            place = None if entry is not None else await self.server.queued(upstream_id)
            if entry is None and place is None:
                entry = await self.server.history(upstream_id)
        except (CallFailed, Malformed) as error:
            return Silent(reason=str(error))
        if entry is not None:
            self._forget(upstream_id)
            return await self._ended(entry, job)
        match place:
            case "pending":
                return Waiting()
            case "running":
                self._watch(upstream_id)
                return Working(progress=self.progress.get(upstream_id))
            case _:
                self._forget(upstream_id)
                return Lost()

    async def _ended(self, entry: JSON, job: Job) -> Status:
        made = made_of(entry, job.order.kind)
        match made:
            case Failed():
                self._note("comfyui.failed", job, said_of(entry))
                return made
            case tuple():
                async with self.bringing:
                    return await bring(self.server, made, job)
            case _:
                assert_never(made)

    async def cancel(self, upstream_id: str, job: Job) -> CancelOutcome:
        """Take it out of the queue; interrupt it if it runs, and nothing else."""
        del job
        try:
            await self.server.call(Call(method="POST", url="queue", json={"delete": [upstream_id]}))
            if await self.server.queued(upstream_id) == "running":
                await self.server.call(
                    Call(method="POST", url="interrupt", json={"prompt_id": upstream_id})
                )
            place = await self.server.queued(upstream_id)
            entry = await self.server.history(upstream_id)
        except (CallFailed, Malformed):
            return CancelOutcome.UNKNOWN
        if place is not None:
            return CancelOutcome.UNKNOWN
        over = entry is not None and text_at(entry, "status", "status_str") == "success"
        return CancelOutcome.GOES_ON if over else CancelOutcome.STOPPED

    async def check(self) -> Condition:
        """Ask for its version, and look whether every node of the workflows is there."""
        try:
            stats = await self.server.call(Call(method="GET", url="system_stats"))
            if not stats.is_fine:
                return Condition(works=False, says=f"answers with status {stats.status}")
            version = text_at(stats.table(), "system", "comfyui_version") or "of unknown version"
            missing = await self.server.missing_nodes(self._nodes())
        except (CallFailed, Malformed) as error:
            return Condition(works=False, says=str(error))
        if is_too_old(version):
            return Condition(works=False, says=f"ComfyUI {version} is too old")
        if missing:
            return Condition(works=False, says=f"lacks the nodes {', '.join(missing)}")
        return Condition(works=True, says=f"ComfyUI {version} has every node")

    def _nodes(self) -> set[str]:
        return {
            text_at(node, "class_type")
            for workflow in self.workflows.values()
            for node in workflow.graph.values()
        }

    def _watch(self, prompt_id: str) -> None:
        """Listen for a job's progress, once."""
        if prompt_id not in self.watching:
            self.watching[prompt_id] = asyncio.create_task(self._listen(prompt_id))

    async def _listen(self, prompt_id: str) -> None:
        url = self.server.messages_url(prompt_id)
        # Without it there is no progress, and everything else is as it should be.
        with suppress(CallFailed, Malformed):
            async for text in self.server.caller.messages(url, self.server.headers()):
                share = progress_of(text)
                if share is not None:
                    self.progress[prompt_id] = max(share, self.progress.get(prompt_id, 0.0))

    def _forget(self, prompt_id: str) -> None:
        self.progress.pop(prompt_id, None)
        watching = self.watching.pop(prompt_id, None)
        if watching is not None:
            watching.cancel()


def prompt_id_of(task_id: str) -> str:
    """Name a task as ComfyUI wants names: a UUID, always the same."""
    return str(uuid5(NAMESPACE_URL, f"kinetoscope:{task_id}"))


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def _busy() -> Refused:
    return Refused(code="500", message="The engine cannot be reached.", kind=Kind.TEMPORARY)
