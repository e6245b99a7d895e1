from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError, ClientSession
from tests.unit.hostile_urls import HOSTILE
from tests.unit.outside import (
    LOOPBACK,
    Canary,
    Server,
    answers,
    failed,
    listening,
    refused,
    serving,
)

from kinetoscope.kernel.connecting import checked_connector
from kinetoscope.kernel.outbound import Egress, OutboundRefused

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    async with listening() as counted:
        yield counted


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{p}/",
        "//127.0.0.2:{p}/",
        "http://localhost:{p}/",
        "http://2130706434:{p}/",
        "http://user@127.0.0.1:{p}/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "http://[::1",
        "http://]/",
        "http://127.0.0.1:port/",
    ],
)
async def test_a_redirect_to_a_forbidden_place_is_refused(
    server: Server, tmp_path: Path, target: str
):
    url = server.url("/redirect?to=" + target.format(p=server.port))

    await refused(LOOPBACK, url, tmp_path / "file", answers(("127.0.0.2",)))

    assert len(server.paths) == 1


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_is_refused_without_a_connection(
    canary: Canary, tmp_path: Path, url: str
):
    egress = Egress(ports=frozenset({80, 443, canary.port}), connect_timeout_s=2)

    await refused(egress, url.replace("{p}", str(canary.port)), tmp_path / "file")

    assert canary.connections == 0


async def test_the_canary_sings_when_its_network_is_allowed(canary: Canary, tmp_path: Path):
    await failed(f"http://127.0.0.1:{canary.port}/", tmp_path / "file")

    assert canary.connections > 0


async def test_one_forbidden_address_refuses_the_host(server: Server, tmp_path: Path):
    url = f"http://mixed.test:{server.port}/ok"

    for mixed in (("127.0.0.1", "10.0.0.1"), ("127.0.0.1", "::1"), ("127.0.0.1", "nonsense")):
        await refused(LOOPBACK, url, tmp_path / "file", answers(mixed))

    assert server.paths == []


async def test_a_name_that_moves_between_redirects_is_refused(server: Server, tmp_path: Path):
    url = f"http://rebind.test:{server.port}/redirect?to=/ok"

    await refused(LOOPBACK, url, tmp_path / "file", answers(("127.0.0.1",), ("10.0.0.1",)))

    assert len(server.paths) == 1


async def test_the_socket_is_refused_even_if_the_lookup_was_not(canary: Canary):
    checks: list[tuple[str, int]] = []

    def check(address: str, port: int) -> None:
        checks.append((address, port))
        if len(checks) > 1:
            raise OutboundRefused("moved")

    connector = checked_connector(check, answers(("127.0.0.1",)))
    async with ClientSession(connector=connector) as session:
        with pytest.raises(ClientConnectorError, match="moved") as caught:
            await session.get(f"http://rebind.test:{canary.port}/")

    assert isinstance(caught.value.os_error, PermissionError)
    assert checks == [("127.0.0.1", canary.port)] * 2
    assert canary.connections == 0


async def test_every_address_of_several_is_refused_at_the_socket(canary: Canary):
    checks = 0

    def check(_address: str, _port: int) -> None:
        nonlocal checks
        checks += 1
        if checks > 2:
            raise OutboundRefused("moved")

    connector = checked_connector(check, answers(("127.0.0.1", "127.0.0.1")))
    async with ClientSession(connector=connector) as session:
        with pytest.raises(ClientConnectorError, match="moved") as caught:
            await session.get(f"http://rebind.test:{canary.port}/")

    assert isinstance(caught.value.os_error, PermissionError)
    assert canary.connections == 0


async def test_the_operators_own_ranges_win_over_allowed_ones(server: Server, tmp_path: Path):
    egress = Egress(
        allowed_networks=(ip_network("127.0.0.0/8"),),
        denied_networks=(ip_network("127.0.0.1/32"),),
    )

    await refused(egress, server.url("/ok"), tmp_path / "file")

    assert server.paths == []


@pytest.mark.parametrize("port", [1, 22, 25, 6379, 8000, 65535])
async def test_a_public_address_is_reached_on_known_ports_only(tmp_path: Path, port: int):
    literal = await refused(Egress(), f"http://93.184.216.34:{port}/", tmp_path / "file")
    named = await refused(
        Egress(), f"http://public.test:{port}/", tmp_path / "file", answers(("93.184.216.34",))
    )

    assert str(literal) == str(named) == f"Port {port} is not allowed"


async def test_plain_http_can_be_switched_off(server: Server, tmp_path: Path):
    egress = Egress(allowed_networks=LOOPBACK.allowed_networks, https_only=True)

    await refused(egress, server.url("/ok"), tmp_path / "file")

    assert server.paths == []
