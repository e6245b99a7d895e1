"""fal's own client gets along with the wire shape that our adapter is tested against.

It speaks https only and reads its addresses while it is imported: so it is given a certificate
of our own, in a process of its own.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.providers.upstream import KEY, Upstream
from tests.providers.wire_fal import wire

pytestmark = pytest.mark.anyio

MODEL = "bytedance/seedance-2.0/text-to-video"
FOLLOW = """
import fal_client, json
handle = fal_client.submit(MODEL, {"prompt": "A fox"}, webhook_url="https://us.example/news")
seen = [type(handle.status()).__name__ for _ in range(3)]
print(json.dumps({"id": handle.request_id, "seen": seen, "result": handle.get()}))
"""
CANCEL = """
import fal_client, json
handle = fal_client.submit(MODEL, {"prompt": "A fox"})
handle.cancel()
print(json.dumps({"error_type": handle.status().error_type}))
"""


@asynccontextmanager
async def running_tls(folder: Path) -> AsyncIterator[Upstream]:
    upstream = Upstream()
    wire(upstream)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(folder))
    runner = web.AppRunner(upstream.app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    upstream.port = runner.addresses[0][1]
    try:
        yield upstream
    finally:
        await runner.cleanup()


def certificate(folder: Path) -> Path:
    """Write a key and a certificate of 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test upstream")])
    # The library under test reads the machine's clock.
    begins = datetime.now(UTC) - timedelta(days=1)  # noqa: TID251
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "upstream.pem"
    path.write_bytes(key_pem + signed.public_bytes(serialization.Encoding.PEM))
    return path


async def ran(script: str, upstream: Upstream, folder: Path) -> dict[str, Any]:
    """Run a script with fal's client, as its users do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"MODEL = {MODEL!r}\n{script}",
        env={
            "HOME": str(folder),
            "FAL_KEY": KEY,
            "FAL_QUEUE_RUN_HOST": f"127.0.0.1:{upstream.port}",
            "SSL_CERT_FILE": str(folder / "upstream.pem"),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complained.decode()
    said: dict[str, Any] = json.loads(printed)
    return said


async def test_a_request_is_made_followed_and_done(tmp_path: Path):
    async with running_tls(tmp_path) as upstream:
        said = await ran(FOLLOW, upstream, tmp_path)
        assert said["id"] == upstream.only.id
        assert said["seen"] == ["Queued", "InProgress", "Completed"]
        assert said["result"]["video"]["url"] == upstream.file_url(upstream.only)
        assert upstream.only.body == {"prompt": "A fox"}
        assert upstream.recorded[0].query == "fal_webhook=https://us.example/news"


async def test_a_request_is_cancelled(tmp_path: Path):
    async with running_tls(tmp_path) as upstream:
        assert (await ran(CANCEL, upstream, tmp_path))["error_type"] == "request_cancelled"
