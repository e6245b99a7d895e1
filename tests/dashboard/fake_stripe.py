"""Stripe at home: a server with the shape of api.stripe.com, as far as checkouts go.

https://docs.stripe.com/api/checkout/sessions/create; the SDK's own client works against it, which
is what shows that the shape is Stripe's.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from stripe import WebhookSignature
from typing_extensions import override

from kinetoscope.settings import Settings, load_settings

KEY = "sk_test_" + "a" * 24
SECRET = "whsec_" + "b" * 32

PAGE = '<!doctype html><title>Stripe</title><link rel="icon" href="data:,"><a href="{}">Pay</a>'

PRICE = "line_items[0][price_data]"

REQUIRED = {
    "mode",
    "line_items[0][quantity]",
    "line_items[0][price_data][currency]",
    "line_items[0][price_data][unit_amount]",
    "line_items[0][price_data][product_data][name]",
    "success_url",
}
OPTIONAL = {
    "client_reference_id",
    "cancel_url",
    "metadata[payment_id]",
    "payment_intent_data[metadata][payment_id]",
    "adaptive_pricing[enabled]",
}


@dataclass
class FakeStripe:
    """What it was asked, and what it has. `failing` answers are errors, before it works again."""

    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, tuple[dict[str, str], dict[str, Any]]] = field(default_factory=dict)
    failing: int = 0
    dropping: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, headers: dict[str, str], form: list[tuple[str, str]]) -> tuple[int, Any]:
        """Answer POST /v1/checkout/sessions."""
        given = dict(form)
        with self.lock:
            self.asked.append({**given, "idempotency-key": headers.get("idempotency-key", "")})
            if headers.get("authorization") != f"Bearer {KEY}":
                return 401, error("invalid_request_error", "Invalid API Key provided")
            if self.failing:
                self.failing -= 1
                return 500, error("api_error", "Something went wrong on our side")
            wrong = refused(headers, form, given)
            if wrong:
                return 400, error("invalid_request_error", wrong)
            key = headers.get("idempotency-key")
            if key in self.answers:
                before, session = self.answers[key]
                if before != given:
                    return 400, error("idempotency_error", "Keys can only be used with the same")
                return 200, session
            session = self.session(given)
            if key:
                self.answers[key] = (given, session)
            return 200, session

    def session(self, given: dict[str, str]) -> dict[str, Any]:
        """Make a session object."""
        session_id = f"cs_test_{len(self.sessions) + 1:040d}"
        amount = int(given["line_items[0][price_data][unit_amount]"])
        made = {
            "id": session_id,
            "object": "checkout.session",
            "amount_subtotal": amount,
            "amount_total": amount,
            "cancel_url": given.get("cancel_url"),
            "client_reference_id": given.get("client_reference_id"),
            "created": 1679600215,
            "currency": given["line_items[0][price_data][currency]"],
            "livemode": False,
            "metadata": {"payment_id": given.get("metadata[payment_id]", "")},
            "mode": "payment",
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "success_url": given["success_url"],
            "url": f"{self.url}/c/pay/{session_id}",
        }
        self.sessions[session_id] = made
        return made

    def event(self, kind: str, session_id: str, **changes: object) -> bytes:
        """Return an event about a session."""
        about = {**self.sessions[session_id], "payment_intent": "pi_1", **changes}
        return event(kind, about)

    def charge_event(self, kind: str, session_id: str, **changes: object) -> bytes:
        """Return an event about the charge of a session."""
        session = self.sessions[session_id]
        about = {
            "id": "ch_1",
            "object": "charge",
            "amount": session["amount_total"],
            "amount_refunded": 0,
            "currency": session["currency"],
            "metadata": session["metadata"],
            "payment_intent": "pi_1",
            "receipt_url": "https://pay.stripe.com/receipts/payment/abc",
            "refunded": False,
            **changes,
        }
        return event(kind, about)

    def dispute_event(self, kind: str, session_id: str, **changes: object) -> bytes:
        """Return an event about a dispute of a session's charge: it has none of our metadata."""
        session = self.sessions[session_id]
        about = {
            "id": "du_1",
            "object": "dispute",
            "amount": session["amount_total"],
            "charge": "ch_1",
            "currency": session["currency"],
            "is_charge_refundable": False,
            "metadata": {},
            "payment_intent": "pi_1",
            "reason": "fraudulent",
            "status": "needs_response",
            **changes,
        }
        return event(kind, about)


def refused(
    headers: dict[str, str], form: list[tuple[str, str]], given: dict[str, str]
) -> str | None:
    """Return what Stripe would say is wrong with a form."""
    missing = REQUIRED - given.keys()
    if missing:
        return f"Missing required param: {min(missing)}."
    unknown = given.keys() - REQUIRED - OPTIONAL
    if unknown:
        return f"Received unknown parameter: {min(unknown)}"
    checks = {
        "no form": headers.get("content-type") == "application/x-www-form-urlencoded",
        "a parameter came twice": len(form) == len(given),
        "mode": given["mode"] == "payment",
        "currency": re.fullmatch("[a-z]{3}", given[f"{PRICE}[currency]"]),
        "integer": re.fullmatch("[1-9][0-9]{0,7}", given[f"{PRICE}[unit_amount]"]),
        "URL": all(given[url].startswith("http") for url in ("success_url", "cancel_url")),
    }
    return next((f"Invalid: {name}" for name, is_good in checks.items() if not is_good), None)


def error(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, "code": None}}


def event(kind: str, about: dict[str, Any]) -> bytes:
    """Return an event as Stripe writes it."""
    body = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1679600215,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    return json.dumps(body, indent=2).encode()


def signature(body: bytes, at_s: float, secret: str = SECRET) -> dict[str, str]:
    """Sign an event with the SDK; return the request's headers."""
    header = WebhookSignature.generate_signature_header(body.decode(), secret, int(at_s))
    return {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}


@contextmanager
def fake_stripe() -> Iterator[FakeStripe]:
    """Run it on a port of its own."""
    stripe = FakeStripe()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if self.path != "/v1/checkout/sessions":
                self.answer(404, error("invalid_request_error", "Unrecognized request URL"))
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            form = parse_qsl(body.decode(), keep_blank_values=True)
            status, answered = stripe.create(headers, form)
            if stripe.dropping:
                # It did it, and the answer is lost.
                stripe.dropping -= 1
                self.close_connection = True
                return
            self.answer(status, answered)

        def do_GET(self) -> None:
            session_id = self.path.rpartition("/")[2]
            if session_id not in stripe.sessions:
                self.answer(404, error("invalid_request_error", "No such session"))
            elif self.path.startswith("/v1/checkout/sessions/"):
                self.answer(200, stripe.sessions[session_id])
            else:
                back = stripe.sessions[session_id]["success_url"]
                page = PAGE.format(back)
                self.send(200, "text/html", page.encode())

        def answer(self, status: int, body: object) -> None:
            self.send(status, "application/json", json.dumps(body).encode())

        def send(self, status: int, media_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Request-Id", "req_1")
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stripe.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stripe
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def selling(folder: Path, stripe: FakeStripe) -> Settings:
    """Return the settings of a deployment that sells credits there."""
    return load_settings(
        {
            "KINETOSCOPE_DATA_DIR": str(folder / "data"),
            "KINETOSCOPE_PUBLIC_URL": "http://kinetoscope.test",
            "KINETOSCOPE_REQUESTS_BURST": "1000000",
            "KINETOSCOPE_STRIPE_KEY": KEY,
            "KINETOSCOPE_STRIPE_WEBHOOK_SECRET": SECRET,
            "KINETOSCOPE_STRIPE_URL": stripe.url,
        }
    )
