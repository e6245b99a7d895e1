import asyncio
import base64
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.outside import (
    BODY,
    LIMITS,
    LOOPBACK,
    Server,
    answers,
    exists,
    failed,
    refused,
    serving,
)

from kinetoscope.kernel.outbound import (
    Egress,
    Fetched,
    FetchLimits,
    OutboundError,
    OutboundFailed,
    OutboundRefused,
    decode_data_uri,
    fetch,
)

pytestmark = pytest.mark.anyio

SECRET = "X-Amz-Signature-value"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def test_a_file_arrives_whole(server: Server, tmp_path: Path):
    path = tmp_path / "file"

    fetched = await fetch(LOOPBACK, server.url("/ok?a=%2F%20b"), path, LIMITS)

    assert fetched == Fetched(path=path, bytes_read=len(BODY), content_type="image/png")
    assert path.read_bytes() == BODY
    assert server.paths == ["/ok?a=%2F%20b"]
    assert server.headers[0]["Accept-Encoding"] == "identity"


async def test_a_name_is_looked_up_and_sent_as_the_host(server: Server, tmp_path: Path):
    url = f"http://media.test:{server.port}/ok"

    await fetch(LOOPBACK, url, tmp_path / "file", LIMITS, resolve=answers(("127.0.0.1",)))

    assert server.headers[0]["Host"] == f"media.test:{server.port}"


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://bücher.test:{p}/ok?q=ü", "xn--bcher-kva.test", "/ok?q=%C3%BC"),
        ("HTTP://Media.Test:{p}/ok", "media.test", "/ok"),
        ("http://a_b.media.test.:{p}/ok", "a_b.media.test", "/ok"),
        ("http://media.test:{p}/ok?x=%2b%20+a|b#part", "media.test", "/ok?x=%2B%20+a%7Cb"),
        (
            "http://media.test:{p}/ok?x=%2b/a%2Fb&s=A/b=",
            "media.test",
            "/ok?x=%2b/a%2Fb&s=A/b=",
        ),
    ],
)
async def test_an_honest_url_keeps_its_meaning(
    server: Server, tmp_path: Path, url: str, host: str, path: str
):
    url = url.replace("{p}", str(server.port))

    await fetch(LOOPBACK, url, tmp_path / "file", LIMITS, resolve=answers(("127.0.0.1",)))

    assert server.headers[0]["Host"].lower() == f"{host}:{server.port}"
    assert server.paths == [path]


async def test_a_media_type_that_is_none_is_not_repeated(server: Server, tmp_path: Path):
    fetched = await fetch(LOOPBACK, server.url("/odd-type"), tmp_path / "file", LIMITS)

    assert fetched.content_type == "application/octet-stream"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_without_cookies(server: Server, tmp_path: Path, code: int):
    await fetch(LOOPBACK, server.url(f"/redirect?status={code}&to=/ok"), tmp_path / "file", LIMITS)

    assert len(server.paths) == 2
    assert "Cookie" not in server.headers[1]


async def test_three_redirects_are_followed_and_a_fourth_is_not(server: Server, tmp_path: Path):
    await fetch(LOOPBACK, server.url("/chain/2"), tmp_path / "file", LIMITS)
    assert len(server.paths) == 4
    (tmp_path / "file").unlink()

    error = await failed(server.url("/chain/3"), tmp_path / "file")

    assert not error.temporary
    assert server.paths[4:] == ["/chain/3", "/chain/2", "/chain/1", "/chain/0"]


@pytest.mark.parametrize("path", ["/endless", "/announced"])
async def test_a_body_over_the_limit_is_cut_off(server: Server, tmp_path: Path, path: str):
    error = await failed(server.url(path), tmp_path / "file")

    assert str(error) == "The file is larger than 100000 bytes"
    assert not error.temporary


async def test_a_body_of_exactly_the_limit_arrives(server: Server, tmp_path: Path):
    limits = FetchLimits(bytes_max=len(BODY), total_timeout_s=5)

    fetched = await fetch(LOOPBACK, server.url("/ok"), tmp_path / "file", limits)

    assert fetched.bytes_read == len(BODY)


async def test_a_slow_drip_ends_at_the_total_timeout(server: Server, tmp_path: Path):
    limits = FetchLimits(bytes_max=1000, total_timeout_s=0.4)
    began_s = asyncio.get_running_loop().time()

    error = await failed(server.url("/drip"), tmp_path / "file", limits)

    assert asyncio.get_running_loop().time() - began_s < 2
    assert error.temporary


async def test_a_slow_lookup_ends_at_the_total_timeout(tmp_path: Path):
    async def resolve(_host: str) -> tuple[str, ...]:
        await asyncio.sleep(60)
        return ()

    limits = FetchLimits(bytes_max=1000, total_timeout_s=0.2)
    with pytest.raises(OutboundFailed):
        await fetch(Egress(), "http://slow.test/", tmp_path / "file", limits, resolve=resolve)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip"])
async def test_a_compressed_body_is_refused(server: Server, tmp_path: Path, encoding: str):
    await refused(LOOPBACK, server.url(f"/encoded/{encoding}"), tmp_path / "file")


@pytest.mark.parametrize(
    ("code", "temporary"),
    [
        (204, False),
        (206, False),
        (304, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (410, False),
        (425, True),
        (429, True),
        (500, True),
        (503, True),
    ],
)
async def test_any_status_but_200_is_a_failure(
    server: Server,
    tmp_path: Path,
    code: int,
    temporary: bool,  # noqa: FBT001 - a table column
):
    error = await failed(server.url(f"/status/{code}"), tmp_path / "file")

    assert str(error) == f"The other side answered with status {code}"
    assert error.temporary is temporary


async def test_a_body_that_breaks_off_is_a_failure(server: Server, tmp_path: Path):
    assert (await failed(server.url("/broken"), tmp_path / "file")).temporary


async def test_a_refused_connection_is_a_failure(server: Server, tmp_path: Path):
    listener = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()

    assert (await failed(f"http://127.0.0.1:{port}/", tmp_path / "file")).temporary
    assert server.paths == []


async def test_tls_to_a_plain_port_is_a_failure(server: Server, tmp_path: Path):
    url = server.url("/ok").replace("http:", "https:")

    assert (await failed(url, tmp_path / "file")).temporary


async def test_a_name_without_an_address_is_a_failure(tmp_path: Path):
    async def resolve(_host: str) -> tuple[str, ...]:
        raise OSError("no such name")

    with pytest.raises(OutboundFailed) as caught:
        await fetch(Egress(), "http://none.test/", tmp_path / "file", LIMITS, resolve=resolve)
    assert caught.value.temporary


@pytest.mark.parametrize(
    "path",
    ["/status/500", "/broken", "/endless", "/encoded/gzip", "/redirect?to=ftp://x", "/chain/9"],
)
async def test_no_error_repeats_the_query(server: Server, tmp_path: Path, path: str):
    url = server.url(path + ("&" if "?" in path else "?") + SECRET)

    with pytest.raises(OutboundError) as caught:
        await fetch(LOOPBACK, url, tmp_path / "file", LIMITS)

    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_cancelled_fetch_leaves_no_file(server: Server, tmp_path: Path):
    path = tmp_path / "file"
    task = asyncio.create_task(fetch(LOOPBACK, server.url("/drip"), path, LIMITS))
    async with asyncio.timeout(5):
        while not exists(path):  # noqa: ASYNC110 - the file itself is the event
            await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not path.exists()


def test_a_data_uri_becomes_a_file(tmp_path: Path):
    path = tmp_path / "file"
    encoded_body = base64.b64encode(BODY).decode()

    plain = decode_data_uri(f"data:image/png;base64,{encoded_body}", path, len(BODY))
    assert plain == Fetched(path=path, bytes_read=len(BODY), content_type="image/png")
    assert path.read_bytes() == BODY

    named = decode_data_uri(f"DATA:Image/PNG;name=a.png;BASE64,{encoded_body}", path, len(BODY))
    assert named.content_type == "image/png"
    assert decode_data_uri("data:;base64,QQ==", path, 1).content_type == "application/octet-stream"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "data:image/png,abc",
        "data:image/png;base64",
        "data:image/png;base64,A",
        "data:image/png;base64,A?==",
        "data:image/png;base64,QQ==\n",
        "data:image/png;base64,QUJD é",
        "http://a/;base64,QQ==",
        " data:image/png;base64,QQ==",
        "data:" + "a" * 200 + ";base64,QQ==",
    ],
)
def test_what_is_no_base64_data_uri_is_refused(tmp_path: Path, uri: str):
    with pytest.raises(OutboundRefused):
        decode_data_uri(uri, tmp_path / "file", 1000)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("size", [4, 5, 6, 1000, 1_000_000])
def test_a_data_uri_over_the_limit_is_a_failure(tmp_path: Path, size: int):
    uri = "data:image/png;base64," + base64.b64encode(bytes(size)).decode()

    with pytest.raises(OutboundFailed):
        decode_data_uri(uri, tmp_path / "file", 3)
    assert not (tmp_path / "file").exists()
