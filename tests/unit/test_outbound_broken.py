import asyncio
import socket
import struct
from pathlib import Path

import pytest
from tests.unit.outside import LOOPBACK, exists

from kinetoscope.kernel.outbound import FetchLimits, OutboundError, fetch

pytestmark = pytest.mark.anyio

LIMITS = FetchLimits(bytes_max=1000, total_timeout_s=0.5)
OK = b"HTTP/1.1 200 OK\r\n"

# What a broken or hostile server may send; none of it is a whole answer.
BROKEN = (
    b"",
    b"\r\n",
    b"\x00",
    b"\x16\x03\x01\x02\x00",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"220 mail.test ESMTP\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 OK\r\n\r\n",
    b"HTTP/1.1 -1 OK\r\n\r\n",
    b"HTTP/1.1 99999 OK\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 302 Found\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation:\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://\xc3\xa9\xff.test/\r\n\r\n",
    OK + b"no colon\r\n\r\n",
    OK + b"Name\x00: x\r\n\r\n",
    OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    OK + b"".join(b"X%d: a\r\n" % number for number in range(5000)) + b"\r\n",
    OK + b"Content-Length: -1\r\n\r\nx",
    OK + b"Content-Length: many\r\n\r\nx",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    OK + b"Content-Length: 99999999999999999999999\r\n\r\nx",
    OK + b"Content-Length: 5\r\n\r\nab",
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nab",
    OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nab",
    OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nab",
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabXX",
    OK + b"Content-Encoding: \xff\r\nContent-Length: 1\r\n\r\nx",
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("answer", BROKEN)
async def test_a_broken_answer_is_a_plain_failure(tmp_path: Path, answer: bytes, *, reset: bool):
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if reset:
            linger = struct.pack("ii", 1, 0)
            plain = writer.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    path = tmp_path / "file"
    try:
        with pytest.raises(OutboundError):
            await fetch(LOOPBACK, url, path, LIMITS)
    finally:
        listener.close()
        await listener.wait_closed()

    assert not exists(path)
