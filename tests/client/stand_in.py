"""A stand-in for a server: it answers like a Kinetoscope, and otherwise where a test says so."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from typer.testing import CliRunner, Result
from typing_extensions import override

from kinetoscope.cli.main import app

Told = Callable[[], httpx.Response]

MODEL = {
    "id": "m",
    "title": "A [model]",
    "kind": "image",
    "family": "f",
    "description": "Draws [/anything]",
    "price": "1 [credit]",
    "available": True,
    "inputs": {
        "properties": {"prompt": {"type": "string", "description": "text [0.5, 1]"}},
        "required": ["prompt"],
    },
}

ESTIMATE = {
    "model": "m",
    "inputs": {},
    "creditsRequired": 2,
    "balance": {"available": 10, "after": 8},
    "allowed": True,
    "route": {"provider": "p"},
}

KEY = {
    "keyId": "a",
    "mode": "live",
    "lastFour": "abcd",
    "active": True,
    "expiresAt": None,
    "lastUsedTime": None,
    "name": "ci [/prod]",
}

CANCELLED = {"taskId": "task_1", "status": "fail", "cancelled": True, "cancelRequested": False}


def said(status: int, body: object = None, **headers: str) -> Told:
    """Return what gives an answer, each time anew."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: httpx.Response(status, json=body or {}, headers=named)


def broken(error: type[httpx.TransportError]) -> Told:
    """Return what breaks the connection."""

    def tell() -> httpx.Response:
        raise error("the connection broke")

    return tell


@dataclass
class StandIn:
    """Answers requests; `instead` has other answers by the last part of the path."""

    url: str = "http://kinetoscope.test"
    files: int = 1
    instead: dict[str, Told] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        name = request.url.path.rpartition("/")[2]
        return self.instead[name]() if name in self.instead else self.usual(name)

    def asked_for(self, name: str) -> list[httpx.Request]:
        return [each for each in self.asked if each.url.path.endswith(f"/{name}")]

    def record(self, status: str = "success", **changes: object) -> dict[str, Any]:
        url = f"{self.url}/media/x.png?signature=s"
        files = [{"url": url, "mediaType": "image/png"}] * self.files
        output = files if status == "success" else []
        return {
            "taskId": "task_1",
            "model": "m",
            "status": status,
            "creditsUsed": 2,
            "output": output,
            "createTime": 1,
            "completeTime": 2,
            **changes,
        }

    def usual(self, name: str) -> httpx.Response:
        if name == "x.png":
            return httpx.Response(200, content=b"a picture")
        if name == "taskEvents":
            told = httpx.Response(200, json=self.record()).text
            return httpx.Response(200, text=f"event: end\ndata: {told}\n\n")
        answers = {
            "m": {**MODEL, "files": self.files},
            "models": {"models": [MODEL]},
            "estimateTask": ESTIMATE,
            "createTask": {"taskId": "task_1"},
            "recordInfo": self.record(),
            "waitTask": self.record(),
            "listTasks": {"tasks": [self.record()], "nextCursor": None},
            "cancelTask": CANCELLED,
            "credits": {"available": 8, "held": 0},
            "keys": {"keys": [KEY]},
            "a": {**KEY, "active": False},
        }
        return httpx.Response(200 if name in answers else 404, json=answers.get(name, {}))


@contextmanager
def listening(there: StandIn) -> Iterator[StandIn]:
    """Let a stand-in answer at a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            content = self.rfile.read(length)
            request = httpx.Request(
                self.command,
                f"{there.url}{self.path}",
                headers=list(self.headers.items()),
                content=content,
            )
            try:
                answer = there(request)
            except httpx.TransportError:
                return  # without an answer
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PATCH = do  # noqa: N815 - as http.server calls them

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield there
        server.shutdown()
        thread.join()


def typed(there: StandIn, *words: str) -> Result:
    """Type a command whose server that is."""
    environment = {"KINETOSCOPE_KEY": "kino_live_x", "KINETOSCOPE_URL": there.url}
    return CliRunner().invoke(app, words, env=environment)
