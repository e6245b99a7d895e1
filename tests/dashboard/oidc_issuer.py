"""An OpenID Connect issuer over real HTTP, which also lies where a test wants it to."""

import base64
import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from typing_extensions import override

CLIENT_ID = "kinetoscope at work"
CLIENT_SECRET = "a secret: with + and %"

Claims = dict[str, Any]


@dataclass
class Issuer:
    """Signs in whoever comes as `person`. `spoil` changes claims, `signed` makes the token."""

    clock: Callable[[], datetime]
    person: Claims = field(
        default_factory=lambda: {
            "sub": "1001",
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada Lovelace",
        }
    )
    spoil: Claims = field(default_factory=dict)
    algorithm: str = "RS256"
    in_userinfo_only: bool = False
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signing_key: RSAKey | None = None
    address: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    exchanged: list[str] = field(default_factory=list)

    def document(self) -> Claims:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "userinfo_endpoint": f"{self.address}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where a browser goes from here."""
        assert asked["client_id"] == CLIENT_ID
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.address}
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def exchange(self, form: dict[str, str], authorization: str) -> Claims | None:
        """Return tokens for a code: once, to our client, and to whoever knows the verifier."""
        credentials = f"{_quoted(CLIENT_ID)}:{_quoted(CLIENT_SECRET)}"
        if authorization != "Basic " + base64.b64encode(credentials.encode()).decode():
            return None
        asked = self.codes.pop(form["code"], None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        if create_s256_code_challenge(form["code_verifier"]) != asked["code_challenge"]:
            return None
        self.exchanged.append(form["code"])
        return {
            "access_token": "opaque",
            "token_type": "Bearer",
            "id_token": self.id_token(asked["nonce"]),
        }

    def id_token(self, nonce: str) -> str:
        now = int(self.clock().timestamp())
        person = {"sub": self.person["sub"]} if self.in_userinfo_only else self.person
        claims = {
            "iss": self.address,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **person,
            **self.spoil,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm == "none":
            parts = [{"alg": "none"}, claims]
            return ".".join(_base64url(json.dumps(part)) for part in parts) + "."
        if self.algorithm == "HS256":
            # As who takes our public key for a shared secret.
            key = OctKey.import_key(self.key.as_pem(private=False))
            header = {"alg": "HS256", "kid": "one"}
            return str(jwt.encode(header, claims, key, algorithms=["HS256"]))
        header = {"alg": self.algorithm, "kid": "one"}
        return str(jwt.encode(header, claims, self.signing_key or self.key))


@contextlib.contextmanager
def issuer(clock: Callable[[], datetime]) -> Iterator[Issuer]:
    """Run an issuer on a port of this machine."""
    made = Issuer(clock)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            match parts.path:
                case "/.well-known/openid-configuration":
                    self.answer(200, made.document())
                case "/keys":
                    self.answer(200, {"keys": [made.key.as_dict(private=False)]})
                case "/authorize":
                    self.answer(302, {}, made.authorize(dict(parse_qsl(parts.query))))
                case "/userinfo" if self.headers["Authorization"] == "Bearer opaque":
                    self.answer(200, made.person)
                case _:
                    self.answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            tokens = made.exchange(form, self.headers.get("Authorization", ""))
            self.answer(400 if tokens is None else 200, tokens or {"error": "invalid_grant"})

        def answer(self, status: int, content: Claims, location: str = "") -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.address = f"http://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _quoted(text: str) -> str:
    """Encode a part of HTTP Basic as RFC 6749 2.3.1 has it."""
    return urlencode({"": text})[1:]


def _base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
