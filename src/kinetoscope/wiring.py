"""The composition root: settings in, the parts that the doors use out. Names concrete parts."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import structlog

from kinetoscope import engine
from kinetoscope.catalog.operator import load_with
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.calling import Caller
from kinetoscope.kernel.clock import Clock, system_clock
from kinetoscope.kernel.envelope import Envelope, envelope_from, fingerprint
from kinetoscope.kernel.errors import KinetoscopeError, SettingInvalid
from kinetoscope.kernel.outbound import PORTS, Egress
from kinetoscope.kernel.scratch import claim_scratch, sweep_scratch
from kinetoscope.kernel.sealing import Sealer, sealer_from
from kinetoscope.kernel.secrets import load_signing_key
from kinetoscope.kernel.toml_files import Problem
from kinetoscope.media.credentials import Credentials
from kinetoscope.media.signing import Signer
from kinetoscope.media.store import MediaStore
from kinetoscope.postgres.deployment import claim
from kinetoscope.postgres.embedded import open_server
from kinetoscope.postgres.listening import Listener
from kinetoscope.postgres.migrations import migrate, read_migrations, refusals_told
from kinetoscope.postgres.pool import Database
from kinetoscope.providers.breaker import Breakers
from kinetoscope.providers.contract import Provider
from kinetoscope.providers.embedded.process import RenderingBroke
from kinetoscope.providers.embedded.provider import EmbeddedProvider
from kinetoscope.providers.keys import REFRESH_DELAY_S, KeyRing
from kinetoscope.providers.rehearsal import RehearsalProvider
from kinetoscope.providers.signatures import Claim, Signed
from kinetoscope.settings import Settings
from kinetoscope.tasks import callbacks
from kinetoscope.tasks.cancellations import Cancellations
from kinetoscope.tasks.expire import Reaper
from kinetoscope.tasks.lifetimes import Lifetimes
from kinetoscope.tasks.route import Routes
from kinetoscope.tasks.served import Served
from kinetoscope.tasks.task import NEWS_CHANNEL
from kinetoscope.tasks.tools import Tools
from kinetoscope.tasks.wakes import WAKE_CHANNEL, Wakes
from kinetoscope.tasks.watch import Watch
from kinetoscope.upstreams import (
    EMBEDDED,
    REHEARSAL,
    Parts,
    Setup,
    claims_of,
    providers_of,
    routes_of,
    setup_of,
    signatures_of,
)

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

API_CONNECTIONS_MAX = 16
API_PATIENCE_S = 5.0
"""How long a request waits for a database that is restarting before it is told to come back."""
WORKER_PATIENCE_S = 60.0

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The parts of a running deployment. Doors take from it and pass on parts, never the whole."""

    settings: Settings
    database: Database
    catalog: Catalog
    setup: Setup
    problems: tuple[Problem, ...]
    routes: Routes
    claims: Mapping[str, Claim]
    signatures: Mapping[str, Signed]
    signing_key: bytes = field(repr=False)
    envelope: Envelope = field(repr=False)
    store: MediaStore
    signer: Signer
    sealer: Sealer
    clock: Clock
    credentials: Credentials | None
    watch: Watch


@contextmanager
def opened_database(settings: Settings) -> Iterator[str]:
    """Lend the database's address: the operator's, or the embedded one's while it is needed."""
    if settings.database_url:
        yield settings.database_url
        return
    with open_server(settings.data_dir / "postgres") as server:
        yield server.conninfo


def migrate_database(conninfo: str) -> int:
    """Bring the schema forward; return how many steps were missing."""
    with refusals_told("the schema cannot be brought forward"):
        return migrate(conninfo, (*engine.migrations(), *read_migrations(MIGRATIONS)))


def build_runtime(
    settings: Settings, conninfo: str, *, patience_s: float, clock: Clock = system_clock
) -> Runtime:
    """Put the parts together; nothing is opened yet."""
    loaded = load_with(settings.config_dir / "models")
    setup = setup_of(settings, loaded.catalog)
    problems = (*loaded.problems, *setup.problems)
    for problem in problems:
        log.error("config.file_not_used", problem=str(problem))
    signing_key = settings.signing_key or load_signing_key(settings.data_dir / "signing-key")
    database = Database(conninfo, connections_max=API_CONNECTIONS_MAX, patience_s=patience_s)
    return Runtime(
        settings=settings,
        database=database,
        catalog=loaded.catalog,
        setup=setup,
        problems=problems,
        routes=routes_of(setup, loaded.catalog),
        claims=claims_of(setup),
        signatures=signatures_of(setup),
        signing_key=signing_key,
        envelope=envelope_from(settings.secrets_key, signing_key),
        store=MediaStore(settings.media_url),
        signer=Signer(signing_key, settings.public_url),
        sealer=sealer_from(signing_key),
        clock=clock,
        credentials=credentials_of(settings),
        watch=Watch(
            database=database,
            listener=Listener(database.conninfo, NEWS_CHANNEL),
            clock=clock,
        ),
    )


async def run_in(
    settings: Settings,
    conninfo: str,
    work: Callable[[Runtime], Awaitable[Result]],
    *,
    patience_s: float = API_PATIENCE_S,
) -> Result:
    """Open a runtime, do something with it, close it."""
    runtime = build_runtime(settings, conninfo, patience_s=patience_s)
    await runtime.database.open()
    try:
        with refusals_told("the database cannot be used"):
            await claim_database(runtime)
        return await work(runtime)
    finally:
        await runtime.database.close()


async def claim_database(runtime: Runtime) -> None:
    """Stop where the database is another signing key's; raises SettingInvalid."""
    await claim(runtime.database, fingerprint(runtime.signing_key), runtime.clock())


@asynccontextmanager
async def worker_tools(
    runtime: Runtime, queues: frozenset[str] | None = None
) -> AsyncIterator[Tools]:
    """Start the providers and lend the steps' tools, with scratch space of this process's own.

    Serves some `queues`, or all of them.
    """
    settings = runtime.settings
    sweep_scratch(settings.work_dir)
    folder, lock = claim_scratch(settings.work_dir)
    async with AsyncExitStack() as ending:
        ending.callback(lock.close)
        ending.callback(folder.with_suffix(".lock").unlink, missing_ok=True)
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        embedded = EmbeddedProvider(processes=settings.render_processes, folder=folder / "embedded")
        ending.push_async_callback(embedded.stop)
        if queues is None or queues & {EMBEDDED.queue, REHEARSAL.queue}:
            await start_rendering(embedded)
        rehearsal = RehearsalProvider(embedded, runtime.clock)
        wakes = Wakes(Listener(runtime.database.conninfo, WAKE_CHANNEL))
        hosted = await ending.enter_async_context(lent_providers(runtime, folder))
        yield Tools(
            database=runtime.database,
            catalog=runtime.catalog,
            providers={**hosted, embedded.name: embedded, rehearsal.name: rehearsal},
            store=runtime.store,
            signer=runtime.signer,
            egress=egress_of(settings),
            callback_url=partial(callback_url, runtime) if reachable(settings) else None,
            clock=runtime.clock,
            folder=folder / "tasks",
            routes=runtime.routes,
            breakers=Breakers(),
            wakes=wakes,
            queues=queues,
            cancellations=Cancellations(runtime.database, wakes),
            served=Served(runtime.database, served_by(runtime, queues)),
            task_deadline=settings.task_deadline,
            unknown_deadline=settings.unknown_deadline,
            lifetimes=lifetimes_of(runtime.settings),
            credentials=runtime.credentials,
        )


async def start_rendering(embedded: EmbeddedProvider) -> None:
    """Have the rendering processes warmed up; says so where they cannot be."""
    try:
        await embedded.start()
    except RenderingBroke as error:
        raise KinetoscopeError(f"the embedded renderer: {error}") from error


def served_by(runtime: Runtime, queues: frozenset[str] | None) -> frozenset[str]:
    """Return the queues that a worker serves who was told these; None is all."""
    return frozenset(runtime.routes.queues.values()) if queues is None else queues


@asynccontextmanager
async def lent_providers(runtime: Runtime, folder: Path) -> AsyncIterator[dict[str, Provider]]:
    """Start the configured providers, keep their keys fresh, and stop them in the end.

    In `folder` they find scratch space of this process's own.
    """
    settings, caller = runtime.settings, Caller()
    keys = KeyRing(runtime.database, runtime.envelope, settings.provider_keys)
    egress, adapters, engines = egress_of(settings), runtime.setup.adapters, folder / "engines"
    async with AsyncExitStack() as ending:
        ending.push_async_callback(caller.close)
        await keys.refresh()
        refreshing = asyncio.create_task(engine.every(REFRESH_DELAY_S, keys.refresh))
        ending.callback(refreshing.cancel)
        providers = providers_of(
            runtime.setup,
            Parts(adapters=adapters, key=keys.get, caller=caller, egress=egress, folder=engines),
        )
        for provider in providers.values():
            ending.push_async_callback(provider.stop)  # it may break off half started
            await provider.start()
        yield providers


def egress_of(settings: Settings) -> Egress:
    """Return what strangers' addresses may lead to."""
    return Egress(
        allowed_networks=settings.allowed_networks, ports=PORTS | {*settings.egress_ports}
    )


def reachable(settings: Settings) -> bool:
    """Whether upstreams elsewhere can call us back; an https address is taken for a public one."""
    return settings.public_url.startswith("https://") or settings.upstream_callbacks


def callback_url(runtime: Runtime, provider: str, task_id: str) -> str:
    """Return where a provider may tell of news of a task."""
    token = callbacks.token(runtime.signing_key, provider, task_id)
    path = f"{callbacks.PATH}/{provider}/{task_id}/{token}"
    return f"{runtime.settings.public_url}{path}"


def credentials_of(settings: Settings) -> Credentials | None:
    """Return what signs finished files; raises SettingInvalid where it is not whole."""
    if not settings.c2pa_key and not settings.c2pa_certificate:
        return None
    if not settings.c2pa_key:
        raise SettingInvalid("KINETOSCOPE_C2PA_KEY: is missing, but there is a certificate")
    if not settings.c2pa_certificate:
        raise SettingInvalid("KINETOSCOPE_C2PA_CERTIFICATE: is missing, but there is a key")
    if find_spec("c2pa") is None:
        raise SettingInvalid("KINETOSCOPE_C2PA_KEY: install kinetoscope[provenance] to sign")
    return Credentials(key=settings.c2pa_key, certificate=settings.c2pa_certificate)


def lifetimes_of(settings: Settings) -> Lifetimes:
    """Return how long this deployment keeps things at most."""
    return Lifetimes(media=settings.media_lifetime, task=settings.task_lifetime)


def reaper_of(runtime: Runtime) -> Reaper:
    """Return what removing expired things needs."""
    return Reaper(
        database=runtime.database,
        store=runtime.store,
        clock=runtime.clock,
        lifetimes=lifetimes_of(runtime.settings),
        upload_grace=runtime.settings.task_deadline,
    )
