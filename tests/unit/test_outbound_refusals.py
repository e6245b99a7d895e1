from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError, ClientSession
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

# Every one of these leads to 127.0.0.1 somewhere: in some parser, in some resolver, in some tunnel.
# {p} is the port of a listener there. The resolver of this test answers 127.0.0.1 for every name.
HOSTILE = (
    # Loopback and other special addresses, plain.
    "http://127.0.0.1:{p}/",
    "https://127.0.0.1:{p}/",
    "HTTP://127.0.0.1:{p}/",
    "http://127.0.0.1:{p}",
    "http://127.127.127.127:{p}/",
    "http://0.0.0.0:{p}/",
    "http://10.0.0.1:{p}/",
    "http://100.100.100.200:{p}/latest/meta-data/",
    "http://168.63.129.16:{p}/machine?comp=goalstate",
    "http://169.254.169.254:{p}/latest/meta-data/iam/",
    "http://172.16.0.1:{p}/",
    "http://192.168.0.1:{p}/",
    "http://192.0.0.192:{p}/opc/v2/",
    "http://198.18.0.1:{p}/",
    "http://224.0.0.1:{p}/",
    "http://255.255.255.255:{p}/",
    # The same number in other clothes.
    "http://2130706433:{p}/",
    "http://0x7f000001:{p}/",
    "http://0x7F.0x0.0x0.0x1:{p}/",
    "http://0177.0.0.1:{p}/",
    "http://0177.0000.0000.0001:{p}/",
    "http://017700000001:{p}/",
    "http://127.1:{p}/",
    "http://127.0.1:{p}/",
    "http://127.0.0.1.:{p}/",
    "http://127.0.0.01:{p}/",
    "http://127.0.0.0x1:{p}/",
    "http://127.0.0.256:{p}/",
    "http://0:{p}/",
    "http://0x:{p}/",
    "http://4294967297:{p}/",
    "http://１２７.0.0.1:{p}/",  # noqa: RUF001 - the trick itself
    "http://127。0。0。1:{p}/",
    "http://①②⑦.⓪.⓪.①:{p}/",
    "http://127%2e0%2e0%2e1:{p}/",
    "http://%31%32%37.0.0.1:{p}/",
    # IPv6 and IPv4 inside IPv6.
    "http://[::1]:{p}/",
    "http://[::]:{p}/",
    "http://[0:0:0:0:0:0:0:1]:{p}/",
    "http://[::ffff:127.0.0.1]:{p}/",
    "http://[::ffff:7f00:1]:{p}/",
    "http://[::127.0.0.1]:{p}/",
    "http://[64:ff9b::127.0.0.1]:{p}/",
    "http://[64:ff9b:1::7f00:1]:{p}/",
    "http://[2002:7f00:1::]:{p}/",
    "http://[2001:0:7f00:1::]:{p}/",
    "http://[fd00:ec2::254]:{p}/",
    "http://[fe80::1]:{p}/",
    "http://[fe80::1%25lo]:{p}/",
    "http://[::1%25lo]:{p}/",
    "http://[::1%lo]:{p}/",
    "http://[fec0::1]:{p}/",
    "http://[ff02::1]:{p}/",
    "http://[::1]x:{p}/",
    "http://[127.0.0.1]:{p}/",
    "http://[v1.127.0.0.1]:{p}/",
    "http://[]:{p}/",
    # Names that lead there.
    "http://localhost:{p}/",
    "http://LOCALHOST:{p}/",
    "http://localhost.:{p}/",
    "http://rebind.test:{p}/",
    "http://127.0.0.1.nip.test:{p}/",
    "http://metadata.google.internal:{p}/computeMetadata/v1/",
    "http://ⓛocalhost:{p}/",
    # User names, and characters that parsers read differently.
    "http://public.test@127.0.0.1:{p}/",
    "http://127.0.0.1:{p}@public.test/",
    "http://user:word@public.test:{p}/",
    "http://@127.0.0.1:{p}/",
    "http://public.test\\@127.0.0.1:{p}/",
    "http://127.0.0.1:{p}\\@public.test/",
    "http://127.0.0.1:{p}#@public.test/",
    "http://127.0.0.1:{p}?@public.test/",
    "http:\\\\127.0.0.1:{p}\\",
    "http:///127.0.0.1:{p}/",
    "http:127.0.0.1:{p}/",
    "http:/127.0.0.1:{p}/",
    "//127.0.0.1:{p}/",
    "127.0.0.1:{p}/",
    " http://127.0.0.1:{p}/",
    "http://127.0.0.1:{p}/ HTTP/1.1\r\nX: y",
    "http://127.0.0.1:{p}/\r\nX: y",
    "http://127.0.0.1\t:{p}/",
    "http://127.0.0.1\x00.public.test:{p}/",
    "http://127.0.0.1\u200b:{p}/",
    "http://127.0.0.1\u2028:{p}/",
    "http://127.0.0.1%00:{p}/",
    "http://127.0.0.1;public.test:{p}/",
    "http://127.0.0.1,public.test:{p}/",
    "http://a..b:{p}/",
    "http://.:{p}/",
    "http://-:{p}/",
    "http://" + "a" * 64 + ".test:{p}/",
    "http://" + "a." * 127 + "test:{p}/",
    "http://xn--a:{p}/",
    "http://public.test:{p}{p}/",
    "http://public.test:0/",
    "http://public.test:-1/",
    "http://public.test:{p}/" + "a" * 8192,
    "",
    # Other schemes.
    "file:///etc/passwd",
    "file://127.0.0.1:{p}/etc/passwd",
    "ftp://127.0.0.1:{p}/",
    "gopher://127.0.0.1:{p}/_GET",
    "dict://127.0.0.1:{p}/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1:{p}/",
    "jar:http://127.0.0.1:{p}/!/",
    "concat:http://127.0.0.1:{p}/",
)


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
