"""Asking the server: requests with a key, repeated where that helps, and answers or errors."""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from kinetoscope.client.errors import (
    Answer,
    ClientError,
    Conflict,
    Misconfigured,
    RateLimited,
    Refused,
    ServerFailed,
    UnexpectedAnswer,
    Unreachable,
    refusal,
)
from kinetoscope.client.steps import Pause, Request, Server, Steps, Stream, read_all, send
from kinetoscope.client.values import issues_from, parse_json

DELAY_S = 0.5
DELAY_S_MAX = 8.0

RETRY_AFTER_S_MAX = 30.0
"""What is worth waiting for inside a call; a longer Retry-After is the caller's to decide on."""

ANSWER_S = 5.0
"""What an answer may take at a deadline: a wait over a silent server ends so much later."""

BUSY = "A request with this Idempotency-Key is still running"

REQUEST_TIMEOUT = 408
SERVER_FAULTS = frozenset({500, 502, 503, 504})

TEXT_CHARACTERS_MAX = 200

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

UNSENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)

ODD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading comes to where the answer is not of the form that it should be."""

Found = TypeVar("Found")


def request_for(
    server: Server,
    method: str,
    path: str,
    *,
    content: bytes | None = None,
    read_s: float | None = None,
) -> Request:
    """Return a request to the server, with the key."""
    headers = {"Accept": "application/json"}
    if server.key:
        headers["Authorization"] = f"Bearer {server.key}"
    if content is not None:
        headers["Content-Type"] = "application/json"
    return Request(
        method=method,
        url=server.url + path,
        headers=headers,
        content=content,
        read_s=server.timeout_s if read_s is None else read_s,
    )


def asked(server: Server, request: Request) -> Steps[httpx.Response]:
    """Send a request until there is an answer that repeating would not change.

    Repeated are lost connections and answers, 408, 429 for the pace of requests, and 5xx, with a
    delay that doubles and varies, or the Retry-After if that is longer. So every request that goes
    through here must do no harm when it is sent twice. Raises ClientError.
    """
    failures = 0
    earlier: ClientError | None = None
    while True:
        found = yield from _tried(server, request)
        if isinstance(found, httpx.Response):
            return found
        if earlier is not None:
            found.remember(earlier)
        wanted_s = found.retry_after_s if isinstance(found, Refused) else None
        delay_s = max(wanted_s or 0.0, backoff_s(failures))
        last = failures >= server.retries or delay_s > server.deadline_s - time.monotonic()
        if last or not worth_repeating(found):
            raise found
        yield Pause(delay_s)
        earlier = found
        failures += 1


def _tried(server: Server, request: Request) -> Steps[httpx.Response | ClientError]:
    """Send a request once; return the answer, or the error that came of it."""
    left_s = max(0.0, server.deadline_s - time.monotonic())
    found: ClientError
    try:
        response = yield from send(replace(request, read_s=min(request.read_s, left_s + ANSWER_S)))
        if response.is_success:
            return response
        return refusal_of(response)
    except UNSENDABLE as error:
        found = Misconfigured(f"The request to {origin(request.url)} cannot be sent: {error}")
        found.__cause__ = error
    except httpx.TransportError as error:
        said = (str(error) or type(error).__name__).rstrip(".")
        found = Unreachable(f"{origin(request.url)} does not answer: {said}")
        found.__cause__ = error
        found.may_have_worked = not isinstance(error, NOT_SENT)
    except httpx.HTTPError as error:
        found = UnexpectedAnswer(f"{origin(request.url)} answers garbled: {error}")
        found.__cause__ = error
    return found


def asked_for(server: Server, request: Request, read: Callable[[Any], Found]) -> Steps[Found]:
    """Do the same; return what is read from the answer's JSON, whose fractions are exact."""
    response = yield from asked(server, request)
    with understood(request.url):
        return read(parse_json(response.content))


def asked_json(server: Server, request: Request) -> Steps[Any]:
    """Do the same; return the answer's JSON."""
    return (yield from asked_for(server, request, lambda data: data))


@contextmanager
def understood(url: str) -> Iterator[None]:
    """Let an answer that cannot be read as what it should be raise UnexpectedAnswer."""
    try:
        yield
    except ODD:
        raise UnexpectedAnswer(
            f"{shown(url)} answers something else; is that a Kinetoscope?"
        ) from None


def backoff_s(failures: int) -> float:
    """Return how long to wait after so many failures: doubling, and half of it by chance."""
    longest_s = min(DELAY_S * 2.0**failures, DELAY_S_MAX)
    return float(longest_s * (0.5 + secrets.randbelow(1000) / 2000))


def worth_repeating(refused: ClientError) -> bool:
    """Whether the same request may be answered otherwise in a moment."""
    if isinstance(refused, Refused) and (refused.retry_after_s or 0.0) > RETRY_AFTER_S_MAX:
        return False
    match refused:
        case ServerFailed():
            return refused.status in SERVER_FAULTS
        case Unreachable() | RateLimited():
            return True
        case Conflict():
            return refused.message == BUSY
        case _:  # ConcurrencyLimit too: it takes a task's end; see wait_for_room_s
            return isinstance(refused, Refused) and refused.status == REQUEST_TIMEOUT


def refusal_of(response: httpx.Response) -> Refused:
    """Return the error that an answer stands for, whoever on the way gave it."""
    try:
        body = parse_json(response.content)
    except ValueError:
        body = None
    stated = body if isinstance(body, dict) else {}
    message = stated.get("message")
    if response.is_redirect:
        place = shown(response.headers.get("location", "elsewhere"))
        message = f"The server redirects to {place}; give its own address as the url"
    elif not isinstance(message, str):
        text = response.text.strip()[:TEXT_CHARACTERS_MAX] or response.reason_phrase
        message = f"The server answered {response.status_code}: {text}"
    plain = Answer(
        status=response.status_code, message=message, retry_after_s=retry_after_s(response)
    )
    try:
        issues = issues_from(stated.get("errors") or ())
        refused = refusal(replace(plain, body=stated, issues=issues))
    except ODD:  # by somebody on the way, who says other things in these places
        refused = refusal(plain)
    busy = refused.message == BUSY or refused.status == REQUEST_TIMEOUT
    refused.may_have_worked = refused.may_have_worked or busy
    return refused


def refused_stream(stream: Stream) -> Steps[Refused]:
    """Return the error that a streamed answer stands for."""
    response = stream.response
    body = yield from read_all(stream)
    kept = {
        name: response.headers[name] for name in ("retry-after", "date") if name in response.headers
    }
    return refusal_of(httpx.Response(response.status_code, headers=kept, content=body))


def retry_after_s(response: httpx.Response) -> float | None:
    """Read Retry-After, in seconds or as a moment, RFC 9110 §10.2.3; None where there is none."""
    stated = response.headers.get("retry-after", "").strip()
    if stated.isascii() and stated.isdigit():
        return float(stated[:9])
    try:
        # Counted by the server's clock, whatever this machine's shows.
        moment = parsedate_to_datetime(stated)
        now = parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError):
        return None


def origin(url: str) -> str:
    """Return scheme, host and port of an address: what may be shown of one that holds a secret."""
    return "/".join(shown(url).split("/")[:3])


def shown(url: str) -> str:
    """Return an address without what is secret in it: a password, a signature."""
    return re.sub(r"//[^/?#]*@", "//", url).partition("?")[0]


def with_headers(request: Request, **headers: str) -> Request:
    """Return a request with more headers; underscores stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **named})
