"""What the conformance suite needs to know of a hosted provider."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from tests.providers.upstream import KEY, Upstream, media_of, running

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.calling import Caller
from kinetoscope.kernel.order import MediaKind, Order
from kinetoscope.kernel.outbound import Egress
from kinetoscope.providers.adapter import Adapter, Site
from kinetoscope.providers.contract import (
    CancelOutcome,
    FetchedReference,
    Job,
    Kind,
    Provider,
    Refused,
    SubmitOutcome,
)
from kinetoscope.providers.hosted import HostedProvider


@dataclass(frozen=True)
class Payload:
    """A recorded answer to a submit, and what it means."""

    status: int
    file: str
    kind: Kind


@dataclass(frozen=True, kw_only=True)
class Case:
    """One upstream and one of its models. `at_once` where the submit's answer has the files.

    `with_image` are inputs with one image; the suite gives its bytes. The cancel outcomes are
    those of a job that waits and of one that is worked on.
    """

    name: str
    adapter: Adapter
    wire: Callable[[Upstream], None]
    path: str
    model: str
    inputs: dict[str, Any]
    with_image: dict[str, Any] | None = None
    refusals: tuple[Payload, ...] = ()
    cancel_waiting: CancelOutcome = CancelOutcome.GOES_ON
    cancel_working: CancelOutcome = CancelOutcome.GOES_ON
    at_once: bool = False
    upstream_model: str = ""
    """What the upstream calls the model, where its adapter leaves that to the operator."""
    options: Mapping[str, Any] = field(default_factory=dict)
    site_options: Mapping[str, Any] = field(default_factory=dict)
    order: Order | None = None
    """In place of what the built-in catalog makes of `inputs`."""
    needs_key: bool = True
    has_no_odd_words: bool = False
    """Whether the upstream has no words for states at all."""
    uploads_to: str = ""
    """The option that names the host of uploads, where it is another."""
    refuses_content_later: bool = False
    """Whether moderation shows only in a job that failed, never in the answer to a submit."""
    fails_temporarily: bool = False
    """Whether a job that broke at the upstream counts as its passing trouble."""

    def ordered(self, inputs: dict[str, Any] | None = None) -> Order:
        if self.order is not None and inputs is None:
            return self.order
        return check.check(builtin().find(self.model), inputs or self.inputs, auto_fix=False)

    def job(self, folder: Path, *, task_id: str = "task_conformance") -> Job:
        return self._job(self.ordered(), (), folder, task_id)

    def job_with_image(self, folder: Path) -> Job:
        assert self.with_image is not None
        order = self.ordered(self.with_image)
        path = folder / "reference.png"
        path.write_bytes(media_of(MediaKind.IMAGE)[1])
        (reference,) = order.references
        fetched = FetchedReference(
            reference=reference,
            path=path,
            media_type="image/png",
            width=32,
            height=16,
            duration_ms=0,
        )
        return self._job(order, (fetched,), folder, "task_conformance")

    def _job(
        self, order: Order, references: tuple[FetchedReference, ...], folder: Path, task_id: str
    ) -> Job:
        outputs = folder / "outputs"
        outputs.mkdir(exist_ok=True)
        return Job(
            task_id=task_id,
            order=order,
            seed=7,
            references=references,
            folder=outputs,
            upstream_model=self.upstream_model
            or self.adapter.models.get(self.model, "upstream-model"),
            options=self.options,
            callback_url="https://us.example/callback",
        )


async def prepared(provider: Provider, job: Job) -> Job:
    """Prepare a job that can be."""
    outcome = await provider.prepare(job)
    assert not isinstance(outcome, Refused), outcome
    return replace(job, prepared=outcome.addresses)


async def submitted(provider: Provider, job: Job) -> SubmitOutcome:
    """Prepare a job and hand it over, as a worker does."""
    outcome = await provider.prepare(job)
    if isinstance(outcome, Refused):
        return outcome
    return await provider.submit(replace(job, prepared=outcome.addresses))


def _uploads(case: Case, port: int) -> dict[str, str]:
    return {case.uploads_to: f"http://127.0.0.1:{port}"} if case.uploads_to else {}


@asynccontextmanager
async def conversing(case: Case, key: str = KEY) -> AsyncIterator[tuple[HostedProvider, Upstream]]:
    """Lend a provider and the upstream it talks to."""
    caller = Caller()
    async with running(case.wire) as upstream:
        site = Site(
            base_url=f"http://127.0.0.1:{upstream.port}{case.path}",
            key=key,
            options={**case.site_options, **_uploads(case, upstream.port)},
        )
        provider = HostedProvider(
            name=case.adapter.name,
            adapter=case.adapter,
            site=lambda: site,
            caller=caller,
            egress=Egress(allowed_networks=(ip_network("127.0.0.0/8"),)),
        )
        try:
            yield provider, upstream
        finally:
            await caller.close()
