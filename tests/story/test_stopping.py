"""Told to stop, at whatever moment: it ends soon and in order, and leaves nothing behind."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from tests.conftest import MovedClock
from tests.story.deployment import Deployment, data_folder, deployment, wait_until

from kinetoscope.accounts import accounts, keys
from kinetoscope.kernel.errors import DatabaseUnavailable, SettingInvalid
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.postgres.migrations import Migration, migrate
from kinetoscope.server import create_app
from kinetoscope.settings import Settings
from kinetoscope.wiring import build_runtime, claim_database

SOON_S = 8
"""More than a busy machine needs; less than waiting for anything here would take."""

LATE_API = """
import time
from granian.server import mp
configured = mp.configure_logging
def late(*arguments):
    time.sleep(1)
    return configured(*arguments)
mp.configure_logging = late
from kinetoscope.cli.api import main
main()
"""
"""The API, whose server processes get to our code a second after they were forked."""


@contextlib.contextmanager
def started(deployed: Deployment, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of a deployment's beside it, and see to it that it ends."""
    with (deployed.folder / "serve.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**deployed.environment, **extra},
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for left in deployed.processes():
            if deployed.process is None or deployed.process.poll() is not None:
                with contextlib.suppress(psutil.Error):
                    left.kill()


def children(pid: int, part: str) -> list[psutil.Process]:
    """Find the children of a process whose command line names a part."""
    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.Error):
                if part in " ".join(child.cmdline()):
                    found.append(child)
    return found


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class SlowKey:
    """A signing key on a disk that does not answer until it is told to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "signing-key"
        os.mkfifo(self.path)
        self.held: list[int] = []

    def waits(self) -> bool:
        """Whether a process reads it, which waits from now on."""
        try:
            self.held.append(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    def answer(self) -> None:
        """Let them go on."""
        if self.held:
            os.write(self.held[0], b"k" * 64)
        while self.held:
            os.close(self.held.pop())


def test_serve_goes_on_after_a_shortage_in_which_nothing_could_be_started():
    with deployment(KINETOSCOPE_DEMO_KEY="off") as deployed:
        assert deployed.process is not None
        wait_until(lambda: bool(deployed.parts("worker")), 30, "a worker runs")
        kept = resource.prlimit(deployed.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(deployed.process.pid, resource.RLIMIT_NOFILE, (3, kept[1]))
        for part in ("worker", "api"):
            for process in deployed.parts(part):
                process.kill()
        wait_until(lambda: deployed.log.count("serve.child_not_started") > 1, 30, "it is told")
        resource.prlimit(deployed.process.pid, resource.RLIMIT_NOFILE, kept)
        wait_until(lambda: bool(deployed.parts("worker")), 30, "a worker runs again")
        wait_until(lambda: bool(deployed.parts("api")), 30, "the API runs again")
        assert deployed.stop() == 0
        assert deployed.processes() == []


def test_told_to_stop_before_it_is_ready_serve_starts_no_worker_and_ends_soon():
    with data_folder() as folder:
        key = SlowKey(folder)
        deployed = Deployment(folder, extra={"KINETOSCOPE_DEMO_KEY": "off"})
        with started(deployed, "-m", "kinetoscope", "serve") as deployed.process:
            wait_until(key.waits, 60, "serve reads the key, to make what is missing")
            key.answer()
            wait_until(lambda: _api_processes(deployed) != [], 60, "the API has forked")
            wait_until(key.waits, 30, "its server process reads it as well")
            began_s = time.monotonic()
            deployed.process.send_signal(signal.SIGTERM)
            workers = []
            while deployed.process.poll() is None and time.monotonic() < began_s + 3 * SOON_S:
                workers += deployed.parts("worker")
                time.sleep(0.005)
            assert time.monotonic() - began_s < SOON_S
            assert workers == []
            assert deployed.process.poll() == 0, deployed.log
            wait_until(lambda: deployed.processes() == [], 5, "nothing of it is left")


def _api_processes(deployed: Deployment) -> list[psutil.Process]:
    api = deployed.part("api")
    return children(api.pid, "cli.api") if api else []


def test_an_api_process_whose_parent_died_as_it_was_forked_ends_too():
    with data_folder() as folder:
        deployed = Deployment(folder)
        nowhere = "postgresql://nobody@127.0.0.1:1/none"
        with started(deployed, "-c", LATE_API, KINETOSCOPE_DATABASE_URL=nowhere) as api:
            wait_until(lambda: children(api.pid, "late") != [], 60, "it has forked")
            (orphan,) = children(api.pid, "late")
            api.kill()
            wait_until(lambda: gone(orphan), SOON_S, "its child ends as well")


@contextlib.contextmanager
def worker_beside(deployed: Deployment) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Start another worker, and lend it with a rendering process that is not ready yet."""
    socket = deployed.folder / "postgres" / "run"
    url = f"host={socket} port=5432 user=kinetoscope dbname=kinetoscope"
    extra = {"KINETOSCOPE_QUEUES": "embedded", "KINETOSCOPE_DATABASE_URL": url}
    with started(deployed, "-m", "kinetoscope", "worker", **extra) as worker:
        found: list[psutil.Process] = []

        def renders() -> bool:
            found[:] = children(worker.pid, "embedded.child")
            return bool(found)

        wait_until(renders, 60, "it starts a rendering process", every_s=0.002)
        yield worker, found[0]


def test_a_worker_that_is_told_to_stop_while_it_starts_ends_soon_and_tidily():
    only = {"KINETOSCOPE_QUEUES": "webhooks", "KINETOSCOPE_RENDER_PROCESSES": "1"}
    with deployment(KINETOSCOPE_DEMO_KEY="off", **only) as deployed:
        wait_until(lambda: "worker.started" in deployed.log, 30, "its own worker runs")
        scratch = deployed.folder / "work"
        before = sorted(scratch.iterdir())
        with worker_beside(deployed) as (worker, renderer):
            renderer.suspend()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(SOON_S) == 0
            assert gone(renderer)
        assert sorted(scratch.iterdir()) == before
        # And one whose renderer cannot start says so in a line.
        with worker_beside(deployed) as (worker, renderer):
            renderer.kill()
            assert worker.wait(SOON_S) == 1
        assert deployed.log.splitlines()[-1].startswith("kinetoscope: the embedded renderer: ")
        assert "Traceback" not in deployed.log
        assert sorted(scratch.iterdir()) == before


def test_a_terminal_that_is_closed_stops_it_in_order_unless_it_is_to_outlive_that():
    with deployment(KINETOSCOPE_DEMO_KEY="off") as deployed:
        assert deployed.process is not None
        deployed.process.send_signal(signal.SIGHUP)
        assert deployed.process.wait(SOON_S) == 0
        assert deployed.process.stdout is not None
        deployed.process.stdout.close()
        wait_until(lambda: deployed.processes() == [], 5, "nothing of it is left")
        assert "worker.stopped" in deployed.log or "worker.started" not in deployed.log
        assert "serve.stopped" in deployed.log
        kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
        try:
            deployed.start()
        finally:
            signal.signal(signal.SIGHUP, kept)
        deployed.process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            deployed.process.wait(1)
        assert deployed.stop() == 0


@pytest.mark.anyio
async def test_an_app_that_ends_while_the_database_is_away_closes_its_connections(
    template_conninfo: str, conninfo: str, settings: Settings
):
    clock = MovedClock()
    runtime = build_runtime(settings, conninfo, patience_s=0.2, clock=clock)
    app = create_app(runtime)
    name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
    admin = psycopg.conninfo.make_conninfo(template_conninfo, dbname="postgres", user="postgres")
    transport = httpx.ASGITransport(app=app)
    refused = None
    with psycopg.connect(admin, autocommit=True) as operator:
        try:
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://test") as client,
            ):
                account, _ = await accounts.ensure(runtime.database, "ada", clock())
                issued = await keys.create(
                    runtime.database,
                    account.id,
                    "key",
                    mode=KeyMode.LIVE,
                    expires_at=None,
                    now=clock(),
                )
                headers = {"Authorization": f"Bearer {issued.text}"}
                assert (await client.get("/api/v1/account", headers=headers)).status_code == 200
                operator.execute(f"alter database {name} allow_connections false".encode())
                query = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                operator.execute(query, (name,))
        except DatabaseUnavailable as error:
            refused = error
        finally:
            operator.execute(f"alter database {name} allow_connections true".encode())
    assert refused is not None
    assert runtime.database.pool.closed


@pytest.mark.anyio
async def test_an_app_that_cannot_start_closes_its_connections(conninfo: str, settings: Settings):
    first = build_runtime(settings, conninfo, patience_s=5)
    await first.database.open()
    await claim_database(first)
    await first.database.close()
    runtime = replace(
        build_runtime(settings, conninfo, patience_s=5), signing_key=b"another deployment's key" * 3
    )
    app = create_app(runtime)
    with pytest.raises(SettingInvalid):
        async with app.router.lifespan_context(app):
            pass
    assert runtime.database.pool.closed


def test_a_migration_that_loses_its_connection_says_so_itself(conninfo: str):
    fatal = Migration("9999_fatal", "select pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.errors.AdminShutdown):
        migrate(psycopg.conninfo.make_conninfo(conninfo, user="postgres"), (fatal,))


@pytest.mark.parametrize("command", ["migrate", "serve", "worker"])
def test_what_the_database_refuses_at_the_start_is_said_in_a_line(command: str, conninfo: str):
    # This one is another role's, so that ours may make nothing in it.
    with data_folder() as folder:
        deployed = Deployment(folder)
        done = subprocess.run(
            [sys.executable, "-m", "kinetoscope", command],
            env={**deployed.environment, "KINETOSCOPE_DATABASE_URL": conninfo},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    refused = "the schema cannot be brought forward: permission denied for schema public"
    assert done.stderr == f"kinetoscope: {refused}\n"


def test_who_waits_for_a_task_is_answered_when_the_server_stops():
    large = {"duration": 15, "outputResolution": "1080p"}
    with deployment(KINETOSCOPE_DEMO_KEY="off") as deployed, deployed.client() as client:
        task_id = deployed.create(client, "seedance-20", prompt="a lighthouse", **large)
        query = {"taskId": task_id}

        def wait() -> httpx.Response:
            with deployed.client() as other:
                return other.get("/api/v1/jobs/waitTask", params=query)

        def follow() -> list[str]:
            with (
                deployed.client() as other,
                other.stream("GET", "/api/v1/jobs/taskEvents", params=query) as events,
            ):
                return [line for line in events.iter_lines() if line.startswith("event: ")]

        with ThreadPoolExecutor(2) as watching:
            waited, followed = watching.submit(wait), watching.submit(follow)
            wait_until(lambda: _is_watched(deployed), 20, "both have asked")
            time.sleep(0.5)  # and are heard
            assert deployed.stop() == 0
            assert waited.result(SOON_S).json()["status"] in {"waiting", "generating"}
            assert followed.result(SOON_S)[-1] == "event: timeout"
        assert "refused to gracefully stop" not in deployed.log


def _is_watched(deployed: Deployment) -> bool:
    """Whether both requests have arrived: what waits for its answer is an open connection."""
    open_ones = [
        each
        for process in _api_processes(deployed)
        for each in process.net_connections("tcp")
        if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == deployed.port
    ]
    return len(open_ones) >= 3
