"""ComfyUI as a provider. It is asked with an id of ours, which it neither refuses nor merges.

So a submit that may have arrived is looked for in its queue and its history before it is sent
again. https://docs.comfy.org/development/comfyui-server/comms_routes
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import assert_never
from uuid import NAMESPACE_URL, uuid5

import structlog

from kinetoscope.kernel.calling import (
    MEBIBYTE,
    Answer,
    Call,
    Caller,
    CallFailed,
    Malformed,
)
from kinetoscope.kernel.order import JSON, Usage
from kinetoscope.providers.adapter import (
    Site,
    at,
    items_at,
    refusal_by_status,
    text_at,
)
from kinetoscope.providers.comfyui.outputs import Made, made_of, progress_of, without_texts
from kinetoscope.providers.comfyui.server import Server
from kinetoscope.providers.comfyui.workflow import Workflow, filled, unbound
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Condition,
    Done,
    Failed,
    FindOutcome,
    Idempotency,
    Job,
    Kind,
    Lost,
    OutputFile,
    Polling,
    Refused,
    Silent,
    Status,
    SubmitOutcome,
    Unfetched,
    Unknown,
    Waiting,
    Working,
)

log = structlog.get_logger(__name__)

HISTORY_BYTES_MAX = 16 * MEBIBYTE
RESULT_BYTES_MAX = 1024 * MEBIBYTE
OK = 200
SERVER_ERROR = 500
MISSING_MODEL = "value_not_in_list"
"""A node wants a file that this ComfyUI does not have: its own trouble, not the client's."""


class ComfyUIProvider:
    """One ComfyUI. What it has is asked of it each time, so that any worker can follow any job."""

    idempotency = Idempotency.LOOKUP
    polling = Polling(delay_s=0.5, delay_s_max=2.0, find_delay_s=1.0)

    def __init__(
        self, *, name: str, site: Site, workflows: Mapping[str, Workflow], caller: Caller
    ) -> None:
        self.name = name
        self.server = Server(site=site, caller=caller)
        self.workflows = workflows
        self.progress: dict[str, float] = {}
        self.watching: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Nothing: connections are made when they are needed."""

    async def stop(self) -> None:
        """Stop listening for progress."""
        for watching in self.watching.values():
            watching.cancel()
        await asyncio.gather(*self.watching.values(), return_exceptions=True)

    async def submit(self, job: Job) -> SubmitOutcome:
        """Upload the references, then queue the graph under an id that follows from the task."""
        workflow = self.workflows.get(job.upstream_model)
        if workflow is None:
            return _unsupported(f"There is no workflow {job.upstream_model}.")
        place = unbound(workflow, job)
        if place is not None:
            return _unsupported(f"The workflow has no place for {place}.")
        try:
            uploaded = await self.server.upload(job)
        except (CallFailed, Malformed) as error:
            log.warning("comfyui.upload_failed", provider=self.name, reason=str(error))
            return _busy()
        prompt_id = prompt_id_of(job.task_id)
        body: JSON = {
            "prompt": filled(workflow, job, uploaded),
            "prompt_id": prompt_id,
            "client_id": prompt_id,
        }
        try:
            answer = await self.server.call(Call(method="POST", url="prompt", json=body))
            return self._weigh(answer, prompt_id)
        except CallFailed as error:
            return Unknown(reason=str(error)) if error.may_have_arrived else _busy()
        except Malformed as error:
            return Unknown(reason=str(error))

    def _weigh(self, answer: Answer, prompt_id: str) -> SubmitOutcome:
        if answer.is_fine:
            if text_at(answer.table(), "prompt_id") != prompt_id:
                return Unknown(reason="it was queued under another id")
            return Accepted(upstream_id=prompt_id)
        if answer.status >= SERVER_ERROR or answer.status in {408, 429}:
            return Unknown(reason=f"status {answer.status}")
        return _refusal(answer)

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
                return made
            case tuple():
                return await self._fetched(made, job)
            case _:
                assert_never(made)

    async def _fetched(self, made: tuple[Made, ...], job: Job) -> Status:
        files = []
        for number, file in enumerate(made, start=1):
            path = job.folder / f"result-{number}{file.ending}"
            call = Call(
                method="GET",
                url=self.server.url("view"),
                headers=self.server.headers(),
                query=(
                    ("filename", file.filename),
                    ("subfolder", file.subfolder),
                    ("type", file.folder),
                ),
                timeout_s=300,
                bytes_max=RESULT_BYTES_MAX,
            )
            try:
                answer = await self.server.caller.download(call, path)
            except (CallFailed, OSError) as error:
                return Unfetched(reason=str(error))
            if answer.status != OK:
                return Unfetched(reason=f"status {answer.status} for a result")
            await asyncio.to_thread(without_texts, path)
            media_type = answer.headers.get("content-type", "application/octet-stream")
            files.append(
                OutputFile(path=path, kind=job.order.kind, media_type=media_type, seed=job.seed)
            )
        return Done(files=tuple(files), usage=Usage(), preview=False)

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


def _refusal(answer: Answer) -> Refused:
    """`{"error": {"type", "message"}, "node_errors": {id: {"errors": [{"type", "details"}]}}}`."""
    try:
        table = answer.table()
    except Malformed:
        return refusal_by_status(answer)
    message, kind = text_at(table, "error", "message"), Kind.PERMANENT
    nodes = at(table, "node_errors")
    for node_id, node in nodes.items() if isinstance(nodes, dict) else ():
        for error in items_at(node, "errors"):
            details = text_at(error, "details") or text_at(error, "message")
            message = f"Node {node_id} ({text_at(node, 'class_type')}): {details}"
            if text_at(error, "type") == MISSING_MODEL:
                kind = Kind.UNSUPPORTED
    return refusal_by_status(answer, message, kind)


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def _busy() -> Refused:
    return Refused(code="500", message="The engine cannot be reached.", kind=Kind.TEMPORARY)
