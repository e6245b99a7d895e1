"""A small load generator: keep-alive connections over plain sockets, one request in flight each.

It parses no more of an answer than its status and length, so that it measures the server and
not itself.
"""

import selectors
import socket
import time
from dataclasses import dataclass, field

RECEIVE_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a run measured."""

    rate: float
    p50_ms: float
    p99_ms: float
    failures: int


@dataclass(slots=True)
class Lane:
    """One connection and the answer it is waiting for."""

    socket: socket.socket
    request: bytes
    sent_s: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def figures(latencies_s: list[float], duration_s: float, failures: int) -> Figures:
    ordered = sorted(latencies_s)
    return Figures(
        rate=len(ordered) / duration_s,
        p50_ms=ordered[len(ordered) // 2] * 1000,
        p99_ms=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000,
        failures=failures,
    )


def is_complete(received: bytearray) -> bool:
    head, separator, body = bytes(received).partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    raise AssertionError(f"an answer without a length: {head!r}")


def run(port: int, requests: list[bytes], duration_s: float) -> Figures:
    """Drive one connection for each of `requests`, again and again, for a while."""
    selector = selectors.DefaultSelector()
    latencies_s: list[float] = []
    failures = 0
    for request in requests:
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lane = Lane(connection, request)
        selector.register(connection, selectors.EVENT_READ, lane)
        lane.sent_s = time.perf_counter()
        connection.sendall(request)
    started_s = time.perf_counter()
    while (now_s := time.perf_counter()) < started_s + duration_s:
        for key, _ in selector.select(timeout=1):
            lane = key.data
            chunk = lane.socket.recv(RECEIVE_BYTES)
            assert chunk, "the server closed a connection"
            lane.received += chunk
            if not is_complete(lane.received):
                continue
            now_s = time.perf_counter()
            latencies_s.append(now_s - lane.sent_s)
            failures += not lane.received.startswith(b"HTTP/1.1 200")
            lane.received.clear()
            lane.sent_s = now_s
            lane.socket.sendall(lane.request)
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return figures(latencies_s, time.perf_counter() - started_s, failures)


def request_bytes(method: str, path: str, key: str = "", body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
