"""Downloads over connections that break: continued, whole, or not there at all."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from typing_extensions import override

from kinetoscope.client import (
    AsyncKinetoscope,
    DownloadFailed,
    Forbidden,
    Kinetoscope,
    Output,
    Task,
    asking,
)

FILE = bytes(range(256)) * 4096
"""1 MiB."""


@dataclass
class Origin:
    """Serves FILE; `breaks` says after how many bytes each connection ends, until it is empty."""

    breaks: deque[int] = field(default_factory=deque)
    asked: list[tuple[str, str]] = field(default_factory=list)
    tags: deque[str] = field(default_factory=deque)
    status: int = 0
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("range", "")
        assert handler.headers.get("authorization") is None
        self.asked.append((wanted, handler.headers.get("if-range", "")))
        if self.status:
            body = b'{"message": "The address has expired"}'
            handler.send_response(self.status)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        tag = self.tags.popleft() if self.tags else '"one"'
        same = handler.headers.get("if-range", tag) == tag
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and same else 0
        handler.send_response(206 if start else 200)
        handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(FILE) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(FILE) - 1}/{len(FILE)}")
        handler.end_headers()
        end = start + self.breaks.popleft() if self.breaks else len(FILE)
        handler.wfile.write(FILE[start:end])


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            origin.answer(self)

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        origin.url = f"http://127.0.0.1:{server.server_port}/media/a.bin?signature=s"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield origin
        server.shutdown()
        thread.join()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kinetoscope]:
    monkeypatch.setattr(asking, "DELAY_S", 0.0)
    with Kinetoscope("kino_live_secret", retries=2) as client:
        yield client


def test_a_broken_download_goes_on_where_it_broke(
    origin: Origin, client: Kinetoscope, tmp_path: Path
):
    origin.breaks += [300_000, 500_000]
    assert client.download(origin.url, tmp_path / "x.bin") == (tmp_path / "x.bin",)
    assert (tmp_path / "x.bin").read_bytes() == FILE
    (first, *later) = origin.asked
    assert first == ("", "")
    starts = [int(wanted.removeprefix("bytes=").removesuffix("-")) for wanted, _ in later]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1] < len(FILE)
    assert {tag for _, tag in later} == {'"one"'}
    assert [path.name for path in tmp_path.iterdir()] == ["x.bin"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    origin: Origin, client: Kinetoscope, tmp_path: Path
):
    origin.breaks += [300_000]
    origin.tags += ['"one"', '"two"']
    client.download(origin.url, tmp_path / "x.bin")
    assert (tmp_path / "x.bin").read_bytes() == FILE


def test_what_cannot_be_had_whole_leaves_nothing_and_spoils_nothing(
    origin: Origin, client: Kinetoscope, tmp_path: Path
):
    (tmp_path / "x.bin").write_text("mine")
    origin.breaks += [0] * 10
    with pytest.raises(DownloadFailed, match="0 of 1048576 bytes"):
        client.download(origin.url, tmp_path / "x.bin")
    assert len(origin.asked) == 3
    origin.status = 403
    with pytest.raises(Forbidden, match="expired"):
        client.download(origin.url, tmp_path / "x.bin")
    assert len(origin.asked) == 4
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_download_that_goes_nowhere_ends(origin: Origin, client: Kinetoscope, tmp_path: Path):
    origin.breaks += [200_000, 100_000] * 10
    origin.tags += map(str, range(20))  # so that each begins anew
    with pytest.raises(DownloadFailed):
        client.download(origin.url, tmp_path / "x.bin")
    assert len(origin.asked) == 4


def test_an_answer_that_will_not_do_is_let_go_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asking, "DELAY_S", 0.0)
    held: list[object] = []

    class Whole(httpx.SyncByteStream):
        @override
        def __iter__(self) -> Iterator[bytes]:
            yield b"xxxxx"

        @override
        def close(self) -> None:
            held.remove(self)

    def answer(request: httpx.Request) -> httpx.Response:
        assert held == []
        body = Whole()
        held.append(body)
        headers = {"Content-Length": "10", "Content-Range": "bytes 0-9/10"}
        status = 206 if "range" in request.headers else 200
        return httpx.Response(status, headers=headers, stream=body)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = Kinetoscope("k", retries=1, http=http)
    with pytest.raises(DownloadFailed, match="another part"):
        client.download("http://media.test/a.bin", tmp_path / "x.bin")


def test_what_is_there_is_kept_where_that_is_wanted(
    origin: Origin, client: Kinetoscope, tmp_path: Path
):
    (tmp_path / "x.bin").write_text("mine")
    with pytest.raises(FileExistsError):
        client.download(origin.url, tmp_path / "x.bin", overwrite=False)
    assert origin.asked == []
    with pytest.raises(FileExistsError):
        client.download(origin.url, Path("/dev/null"))
    longest = f"{'猫' * 83}.mp4"
    client.download(origin.url, tmp_path / longest, overwrite=False)
    assert (tmp_path / longest).read_bytes() == FILE
    assert (tmp_path / "x.bin").read_text() == "mine"


@pytest.mark.anyio
async def test_several_files_are_numbered_or_named_by_the_server(origin: Origin, tmp_path: Path):
    origin.breaks += [300_000]
    outputs = tuple(Output(url=f"{origin.url}&n={n}", media_type="image/png") for n in (1, 2))
    task = Task(id="task_1", model="m", status="success", credits=Decimal(0), outputs=outputs)
    async with AsyncKinetoscope("k") as client:
        named = await client.download(task, tmp_path / "x.bin")
        assert [path.name for path in named] == ["x-1.bin", "x-2.bin"]
        assert [path.read_bytes() == FILE for path in named] == [True, True]
        (into,) = await client.download(outputs[0], f"{tmp_path}/made/")
    assert into == tmp_path / "made" / "a.bin"


def test_a_name_is_never_a_path(tmp_path: Path, origin: Origin, client: Kinetoscope):
    for path in ("..", "%2e%2e%2fup", ".hidden", "a%00b"):
        url = origin.url.replace("a.bin", path)
        (saved,) = client.download(Output(url=url, media_type=""), tmp_path)
        assert saved.parent == tmp_path
        assert not saved.name.startswith(".")
