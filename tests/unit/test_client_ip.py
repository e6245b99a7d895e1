"""Where a request comes from: the peer, or what a proxy that is trusted says of it."""

from ipaddress import ip_network

import pytest
from starlette.requests import Request

from kinetoscope.api.auth import client_ip, presented
from kinetoscope.kernel.secrets import KeyMode, issue_key

PROXIES = tuple(ip_network(text) for text in ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8"))


def request(peer: str | None, forwarded: str | None = None, **headers: str) -> Request:
    stated = dict(headers)
    if forwarded is not None:
        stated["x-forwarded-for"] = forwarded
    return Request(
        {
            "type": "http",
            "client": None if peer is None else (peer, 12345),
            "headers": [(name.encode(), value.encode()) for name, value in stated.items()],
        }
    )


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # No proxy is involved: whatever the client writes is its own affair.
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("2001:db8::1", "198.51.100.1", "2001:db8::1"),
        # One trusted proxy: it added the last entry.
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "10.0.0.5,203.0.113.7", "203.0.113.7"),
        ("fd00::5", "2001:db8::1", "2001:db8::1"),
        # Several: the last that is none of them.
        ("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7, 10.1.2.3, 10.9.9.9", "203.0.113.7"),
        # Nothing but proxies: the farthest one that is known.
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        # What is no address ends what can be believed.
        ("127.0.0.1", "203.0.113.7, unknown, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "203.0.113.7, unknown", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7:443", "127.0.0.1"),
        # IPv4 in the dress of IPv6 is IPv4.
        ("::ffff:203.0.113.7", None, "203.0.113.7"),
        ("::ffff:127.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:127.0.0.1", "203.0.113.7, ::ffff:10.0.0.1", "203.0.113.7"),
        # A zone is an interface of this machine, and no part of the address.
        ("fe80::1%eth0", None, "fe80::1"),
        ("127.0.0.1", "fe80::1%25eth0", "fe80::1"),
        # The server cannot tell, such as behind a Unix socket.
        (None, "203.0.113.7", None),
        ("", "203.0.113.7", None),
        ("unix:", "203.0.113.7", None),
    ],
)
def test_the_address_is_one_that_nobody_could_make_up(
    peer: str | None, forwarded: str | None, expected: str | None
):
    assert client_ip(request(peer, forwarded), PROXIES) == expected


def test_a_proxy_may_add_a_line_of_its_own_below_the_clients():
    asked = request("127.0.0.1", "198.51.100.1")
    asked.scope["headers"].append((b"x-forwarded-for", b"203.0.113.7"))
    assert client_ip(asked, PROXIES) == "203.0.113.7"


def test_without_trusted_proxies_the_header_counts_for_nothing():
    for peer in ("127.0.0.1", "10.0.0.1", "203.0.113.7"):
        assert client_ip(request(peer, "198.51.100.1"), ()) == peer


def test_a_presented_key_carries_where_it_came_from():
    issued = issue_key(KeyMode.LIVE)
    asked = request("127.0.0.1", "203.0.113.7", authorization=f"Bearer {issued.text}")
    assert presented(asked, PROXIES).client_ip == "203.0.113.7"
    assert presented(asked, ()).client_ip == "127.0.0.1"
