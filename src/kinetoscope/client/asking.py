"""Asking the server: requests with a key, repeated where that helps, and answers or errors."""

import secrets
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from kinetoscope.client.errors import (
    Answer,
    ConcurrencyLimit,
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

BUSY = "A request with this Idempotency-Key is still running"

REQUEST_TIMEOUT = 408
SERVER_FAULTS = frozenset({500, 502, 503, 504})

TEXT_CHARACTERS_MAX = 200


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
    while True:
        try:
            response = yield from send(request)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise Misconfigured(
                f"The request to {origin(request.url)} cannot be sent: {error}"
            ) from error
        except httpx.TransportError as error:
            if failures >= server.retries:
                said = str(error) or type(error).__name__
                raise Unreachable(f"{origin(request.url)} does not answer: {said}") from error
            wanted_s = 0.0
        except httpx.HTTPError as error:
            raise UnexpectedAnswer(f"{origin(request.url)} answers garbled: {error}") from error
        else:
            if response.is_success:
                return response
            refused = refusal_of(response)
            wanted_s = refused.retry_after_s or 0.0
            if failures >= server.retries or not worth_repeating(refused):
                raise refused
        yield Pause(max(wanted_s, backoff_s(failures)))
        failures += 1


def asked_json(server: Server, request: Request) -> Steps[Any]:
    """Do the same; return the answer's JSON, fractions exact."""
    response = yield from asked(server, request)
    try:
        return parse_json(response.content)
    except ValueError:
        raise UnexpectedAnswer(
            f"{request.url} answers {response.status_code} without JSON; is that a Kinetoscope?"
        ) from None


def backoff_s(failures: int) -> float:
    """Return how long to wait after so many failures: doubling, and half of it by chance."""
    longest_s = min(DELAY_S * 2.0**failures, DELAY_S_MAX)
    return float(longest_s * (0.5 + secrets.randbelow(1000) / 2000))


def worth_repeating(refused: Refused) -> bool:
    """Whether the same request may be answered otherwise in a moment."""
    if (refused.retry_after_s or 0.0) > RETRY_AFTER_S_MAX:
        return False
    match refused:
        case ServerFailed():
            return refused.status in SERVER_FAULTS
        case RateLimited():
            return True
        case ConcurrencyLimit():
            return False  # it takes a task's end; see wait_for_room_s
        case Conflict():
            return refused.message == BUSY
        case _:
            return refused.status == REQUEST_TIMEOUT


def refusal_of(response: httpx.Response) -> Refused:
    """Return the error that an answer stands for, whoever on the way gave it."""
    try:
        body = parse_json(response.content)
    except ValueError:
        body = None
    stated = body if isinstance(body, dict) else {}
    message = stated.get("message")
    if response.is_redirect:
        place = response.headers.get("location", "elsewhere")
        message = f"The server redirects to {place}; give its own address as the url"
    elif not isinstance(message, str):
        text = response.text.strip()[:TEXT_CHARACTERS_MAX] or response.reason_phrase
        message = f"The server answered {response.status_code}: {text}"
    errors = stated.get("errors")
    return refusal(
        Answer(
            status=response.status_code,
            message=message,
            retry_after_s=retry_after_s(response),
            body=stated,
            issues=issues_from(errors) if isinstance(errors, list) else (),
        )
    )


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
    parsed = httpx.URL(url)
    return str(parsed.copy_with(path="/", query=None, fragment=None)).rstrip("/")


def with_headers(request: Request, **headers: str) -> Request:
    """Return a request with more headers; underscores stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **named})
