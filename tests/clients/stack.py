"""What the clients are tried against: a deployment behind TLS, people with keys, a receiver."""

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
from PIL import Image
from tests.clients.driver import Driver, start
from tests.clients.proxy import Proxy, proxying
from tests.story.deployment import Deployment, deployment, free_port, wait_until
from typing_extensions import override

from kinetoscope.accounts import accounts, keys
from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.credits import Credits, parse_credits
from kinetoscope.kernel.ids import AccountId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import book
from kinetoscope.postgres.embedded import open_server
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """An account, a key that spends, and one that may say how tasks go."""

    account_id: AccountId
    live: str
    test: str


@dataclass(frozen=True, slots=True)
class Called:
    """What a receiver was told."""

    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """Notes what is posted to it, by path."""

    port: int = 0
    called: dict[str, list[Called]] = field(default_factory=dict)

    def address(self) -> str:
        """Return an address that nobody else was given."""
        return f"http://127.0.0.1:{self.port}/{secrets.token_hex(8)}"

    def told(self, address: str, timeout_s: float = 30) -> list[Called]:
        """Wait until something was posted to an address."""
        path = "/" + address.rpartition("/")[2]
        wait_until(lambda: path in self.called, timeout_s, "the webhook comes")
        return self.called[path]


@dataclass
class Stack:
    """Everything that stories need."""

    deployed: Deployment
    proxy: Proxy
    receiver: Receiver
    folder: Path
    conninfo: str
    drivers: dict[str, Driver] = field(default_factory=dict)

    def driver(self, name: str) -> Driver:
        """Return a client, which is started when it is first asked for."""
        if name not in self.drivers:
            further = {"KINETOSCOPE_TEST_WEB": f"http://127.0.0.1:{self.deployed.port}"}
            self.drivers[name] = start(name, self.folder, self.proxy.url, further)
        return self.drivers[name]

    def keys(self, granted: str, *, tasks_running_max: int = 50) -> Keys:
        """Make an account with credits and two keys."""
        return asyncio.run(self._keys(granted, tasks_running_max))

    async def _keys(self, granted: str, tasks_running_max: int) -> Keys:
        database = Database(self.conninfo, connections_max=2, patience_s=5)
        await database.open()
        try:
            name, now = secrets.token_hex(8), system_clock()
            account, _ = await accounts.ensure(database, name, now)
            await accounts.limit(
                database, name, tasks_running_max=tasks_running_max, api_access=None
            )
            amount: Credits = parse_credits(granted)
            await book.grant(database, account.id, amount, reason="test", now=now)
            made = [
                await keys.create(
                    database, account.id, mode.value, mode=mode, expires_at=None, now=now
                )
                for mode in (KeyMode.LIVE, KeyMode.TEST)
            ]
        finally:
            await database.close()
        return Keys(account_id=account.id, live=made[0].text, test=made[1].text)

    def tasks(self, account_id: AccountId) -> list[str]:
        """List an account's tasks, oldest first."""
        with psycopg.connect(self.conninfo) as connection:
            rows = connection.execute(
                "select id from task where account_id = %s order by created_at", (account_id,)
            ).fetchall()
        return [str(row[0]) for row in rows]

    def media_of(self, task_id: str) -> list[str]:
        """Tell which media a task was given."""
        with psycopg.connect(self.conninfo) as connection:
            row = connection.execute("select inputs from task where id = %s", (task_id,)).fetchone()
        assert row is not None
        return [each for value in row[0].values() if isinstance(value, list) for each in value]

    def charges(self, task_id: str) -> list[str]:
        """Tell what the ledger has of a task."""
        with psycopg.connect(self.conninfo) as connection:
            rows = connection.execute(
                "select kind from ledger_entry where task_id = %s order by id", (task_id,)
            ).fetchall()
        return [str(row[0]) for row in rows]

    def record(self, key: str, task_id: str) -> dict[str, Any]:
        """Read a task natively."""
        with self.deployed.client(key) as client:
            return self.deployed.record(client, task_id)

    def ended(self, key: str, task_id: str) -> dict[str, Any]:
        """Wait natively for a task's end."""
        with self.deployed.client(key) as client:
            return self.deployed.wait(client, [task_id], 60)[0]

    def webhook_secret(self, key: str) -> str:
        """Rotate an account's webhook secret, so that it is shown."""
        with self.deployed.client(key) as client:
            response = client.post("/api/v1/webhooks/secret", json={})
        assert response.status_code == 200, response.text
        return str(response.json()["secret"])

    def picture(self) -> Path:
        """Return a picture that models take as a reference."""
        path = self.folder / "picture.png"
        if not path.exists():
            Image.linear_gradient("L").resize((512, 512)).convert("RGB").save(path)
        return path


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver of webhooks."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.called.setdefault(self.path, []).append(Called(dict(self.headers), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Put it all up; two processes answer, so that nothing may depend on which one does."""
    with ExitStack() as parts:
        receiver = parts.enter_context(receiving())
        proxy = parts.enter_context(proxying(folder))
        port = free_port()
        proxy.upstream = f"http://127.0.0.1:{port}"
        deployed = parts.enter_context(
            deployment(
                KINETOSCOPE_PORT=str(port),
                KINETOSCOPE_PUBLIC_URL=proxy.url,
                KINETOSCOPE_API_PROCESSES="2",
                KINETOSCOPE_ALLOWED_NETWORKS="127.0.0.1/32",
                KINETOSCOPE_EGRESS_PORTS=str(receiver.port),
            )
        )
        deployed.port = port
        server = parts.enter_context(open_server(deployed.folder / "postgres"))
        made = Stack(deployed, proxy, receiver, folder, server.conninfo)
        try:
            yield made
        finally:
            for driver in made.drivers.values():
                driver.stop()
