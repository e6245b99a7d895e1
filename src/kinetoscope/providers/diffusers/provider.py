"""The diffusers engine as a provider: jobs by task id, so that submitting twice makes one."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import assert_never

import structlog

from kinetoscope.kernel.order import MediaKind, Usage
from kinetoscope.providers.adapter import CODES
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Condition,
    Done,
    Failed,
    FetchedReference,
    FindOutcome,
    Idempotency,
    Job,
    Kind,
    Lost,
    OutputFile,
    Refused,
    Status,
    SubmitOutcome,
    Waiting,
    Working,
)
from kinetoscope.providers.diffusers.desk import Commission, Desk
from kinetoscope.providers.diffusers.directory import DirectoryInvalid, class_name_of
from kinetoscope.providers.diffusers.making import Loading, Made, Making
from kinetoscope.providers.diffusers.mapping import Unfit, making_of
from kinetoscope.providers.diffusers.options import OptionInvalid, model_options
from kinetoscope.providers.diffusers.process import Engine, look
from kinetoscope.providers.diffusers.signature import (
    NEEDED,
    Signature,
    library,
    missing,
    signature_of,
)
from kinetoscope.providers.local import OnThisMachine

log = structlog.get_logger(__name__)

NEWS_TIMEOUT_S = 0.5
UNCLAIMED_S_MAX = 600
UNAVAILABLE = "This engine cannot make that model just now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the operator has set up: directories by the name that routes call them.

    `devices` are torch's names for them; each keeps `keep` pipelines loaded. In `folder` jobs and
    caches lie. `needed` are the packages without which nothing works.
    """

    directories: Mapping[str, Path]
    devices: tuple[str, ...]
    folder: Path
    keep: int = 1
    needed: tuple[str, ...] = NEEDED


class DiffusersProvider(OnThisMachine):
    """Makes media on this machine's devices. Jobs live and die with this process."""

    idempotency = Idempotency.CLIENT_TOKEN
    polling = None

    def __init__(self, *, name: str, setup: Setup) -> None:
        self.name = name
        self.setup = setup
        self.desk = Desk(
            tuple(
                Engine(device=device, keep=setup.keep, folder=setup.folder)
                for device in setup.devices
            )
        )
        self.commissions: dict[str, Commission] = {}

    async def start(self) -> None:
        """Nothing: a device's process starts with its first job, and takes its memory then."""

    async def stop(self) -> None:
        """End every job and every process."""
        await self.desk.stop()
        for task_id in list(self.commissions):
            self._forget(task_id)

    async def submit(self, job: Job) -> SubmitOutcome:
        """Queue a job, or join the one under way for this task."""
        if job.task_id in self.commissions:
            return Accepted(upstream_id=job.task_id)
        self._forget_unclaimed()
        lacking = missing(self.setup.needed)
        if lacking:
            return self._unsupported(job, _says_missing(lacking))
        if self.desk.trouble is not None:
            return Refused(code="500", message=UNAVAILABLE, kind=Kind.TEMPORARY)
        making = await asyncio.to_thread(self._planned, job)
        if isinstance(making, Refused):
            return making
        if job.task_id in self.commissions:
            shutil.rmtree(making.folder, ignore_errors=True)
        else:
            commission = Commission(making=making, may_wait=job.may_wait)
            self.commissions[job.task_id] = commission
            self.desk.add(commission)
        return Accepted(upstream_id=job.task_id)

    def _planned(self, job: Job) -> Making | Refused:
        try:
            return self._plan(job)
        except Unfit as error:
            return self._unsupported(job, str(error), str(error))
        except (DirectoryInvalid, OptionInvalid) as error:
            return self._unsupported(job, str(error))
        except OSError as error:
            return Refused(code="500", message=str(error.strerror), kind=Kind.TEMPORARY)

    async def status(self, upstream_id: str, job: Job) -> Status:
        """Say how a job goes; finished files move into its own folder."""
        commission = self.commissions.get(upstream_id)
        if commission is None:
            return Lost()
        try:
            async with asyncio.timeout(NEWS_TIMEOUT_S):
                await commission.news.wait()
        except TimeoutError:
            pass
        commission.news.clear()
        match commission.ended:
            case None:
                progress = commission.progress
                return Working(progress=progress) if commission.started else Waiting()
            case Failed() as ended:
                self._forget(upstream_id)
                return ended
            case tuple() as made:
                files = tuple(_hand_over(file, job) for file in made)
                self._forget(upstream_id)
                return Done(files=files, usage=Usage(), preview=False)
            case _:
                assert_never(commission.ended)

    async def find(self, job: Job) -> FindOutcome:
        """Say whether this process has the job."""
        return Accepted(upstream_id=job.task_id) if job.task_id in self.commissions else Absent()

    async def cancel(self, upstream_id: str, job: Job) -> CancelOutcome:
        """Stop a job between two steps, or with its process if it does not listen."""
        del job
        commission = self.commissions.pop(upstream_id, None)
        if commission is not None:
            self.desk.drop(commission)
        return CancelOutcome.STOPPED

    async def check(self) -> Condition:
        """Look for the packages, the directories and the devices; nothing is loaded."""
        lacking = missing(self.setup.needed)
        if lacking:
            return Condition(works=False, says=_says_missing(lacking))
        wrong = await asyncio.to_thread(self._wrong_directories)
        if wrong:
            return Condition(works=False, says="; ".join(wrong))
        engines = self.desk.engines
        idle = tuple(engine.device for engine in engines if not engine.alive)
        unusable = await look(idle, self.setup.folder) if idle else None
        if unusable is not None:
            return Condition(works=False, says=unusable)
        count = len(self.setup.directories)
        return Condition(works=True, says=f"{count} pipelines on {', '.join(self.setup.devices)}")

    def _wrong_directories(self) -> list[str]:
        wrong = []
        for directory in self.setup.directories.values():
            try:
                _signature(class_name_of(directory))
            except (DirectoryInvalid, Unfit) as error:
                wrong.append(f"{directory.name}: {error}")
        return wrong

    def _plan(self, job: Job) -> Making:
        """Work out what to make; raises Unfit, DirectoryInvalid, OptionInvalid, OSError."""
        directory = self.setup.directories.get(job.upstream_model)
        if directory is None:
            raise Unfit("There is no such pipeline.")
        options = model_options(job.options)
        own_class = options.pipeline or class_name_of(directory)
        with_image = any(fetched.reference.kind is MediaKind.IMAGE for fetched in job.references)
        called = options.with_image if with_image and options.with_image else own_class
        loading = Loading(
            directory=str(directory),
            # What is offloaded has hooks of its own class, and cannot lend its parts.
            class_name=own_class if options.offload == "none" else called,
            dtype=options.dtype,
            variant=options.variant,
            offload=options.offload,
            tiling=options.tiling,
        )
        signature = _signature(called)
        # Named anew each time: what was stopped may still be at work in its own.
        folder = self.setup.folder / f"{job.task_id}-{token_hex(4)}"
        kept = replace(job, references=_kept_names(job, folder))
        making, ignored = making_of(kept, options, signature, loading, folder)
        if ignored:
            log.info("diffusers.ignored", provider=self.name, task=job.task_id, ignored=ignored)
        _keep(job, folder)
        return making

    def _unsupported(self, job: Job, reason: str, message: str = UNAVAILABLE) -> Refused:
        log.warning("diffusers.unsupported", provider=self.name, task=job.task_id, reason=reason)
        code = CODES[Kind.UNSUPPORTED]
        return Refused(code=code, message=message, kind=Kind.UNSUPPORTED)

    def _forget_unclaimed(self) -> None:
        """Let go of results that nobody came for, as when another worker took the task over."""
        oldest_s = asyncio.get_running_loop().time() - UNCLAIMED_S_MAX
        for task_id, commission in list(self.commissions.items()):
            if commission.ended_s is not None and commission.ended_s < oldest_s:
                self._forget(task_id)

    def _forget(self, task_id: str) -> None:
        commission = self.commissions.pop(task_id)
        shutil.rmtree(commission.making.folder, ignore_errors=True)


def _says_missing(packages: tuple[str, ...]) -> str:
    return f"needs kinetoscope[diffusers]: {', '.join(packages)} not installed"


def _signature(class_name: str) -> Signature:
    folder = library()
    signature = None if folder is None else signature_of(class_name, folder)
    if signature is None:
        raise Unfit(f"The installed diffusers has no {class_name}.")
    return signature


def _kept_names(job: Job, folder: Path) -> tuple[FetchedReference, ...]:
    return tuple(
        replace(fetched, path=folder / f"reference-{number}")
        for number, fetched in enumerate(job.references)
    )


def _keep(job: Job, folder: Path) -> None:
    """Take the references along: the job's folder may go while its making goes on."""
    folder.mkdir(parents=True)
    for fetched, kept in zip(job.references, _kept_names(job, folder), strict=True):
        try:
            kept.path.hardlink_to(fetched.path)
        except OSError:
            shutil.copyfile(fetched.path, kept.path)


def _hand_over(made: Made, job: Job) -> OutputFile:
    path = Path(shutil.move(made.path, job.folder / made.path.name))
    last_frame = made.last_frame
    if last_frame is not None:
        last_frame = Path(shutil.move(last_frame, job.folder / last_frame.name))
    return OutputFile(
        path=path,
        kind=job.order.kind,
        media_type=made.media_type,
        seed=made.seed,
        last_frame=last_frame,
    )
