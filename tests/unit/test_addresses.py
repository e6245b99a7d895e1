from ipaddress import ip_address, ip_network

import pytest

from kinetoscope.kernel.addresses import denied_reason, is_within, read_address

# The first and the last address of every range that is not the public internet's.
DENIED = (
    *("0.0.0.0", "0.0.0.1", "0.255.255.255"),  # noqa: S104 - never bound
    *("10.0.0.0", "10.255.255.255"),
    *("100.64.0.0", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.0", "127.0.0.1", "127.255.255.255"),
    "168.63.129.16",
    *("169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255"),
    *("172.16.0.0", "172.31.255.255"),
    *("192.0.0.0", "192.0.0.170", "192.0.0.192", "192.0.0.255"),
    *("192.0.2.0", "192.0.2.255"),
    *("192.31.196.0", "192.31.196.255"),
    *("192.52.193.0", "192.52.193.255"),
    *("192.88.99.0", "192.88.99.255"),
    *("192.168.0.0", "192.168.255.255"),
    *("192.175.48.0", "192.175.48.255"),
    *("198.18.0.0", "198.19.255.255"),
    *("198.51.100.0", "198.51.100.255"),
    *("203.0.113.0", "203.0.113.255"),
    *("224.0.0.0", "224.0.0.1", "239.255.255.255"),
    *("240.0.0.0", "255.255.255.254", "255.255.255.255"),
    # IPv6: the unspecified address, loopback and old IPv4-compatible addresses.
    *("::", "::1", "::127.0.0.1", "::8.8.8.8"),
    # IPv4-mapped and IPv4-translated, even of public addresses: a socket would take them for IPv4.
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"),
    # NAT64, well known and local.
    *("64:ff9b::", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1"),
    *("100::1", "100:0:0:1::1", "200::1", "400::1", "1fff:ffff::1"),
    # Protocol assignments: Teredo, benchmarks, AMT, AS112, ORCHID, drone ids.
    *("2001::", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:3::1", "2001:4:112::1"),
    *("2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    *("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    # 6to4, among them loopback and a private network wrapped up.
    *("2002::", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:ffff::"),
    *("2620:4f:8000::", "2620:4f:8000:ffff::1"),
    *("3ffe::1", "3fff::", "3fff:fff:ffff::1"),
    *("4000::1", "5f00::1", "8000::1"),
    *("fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fdff:ffff::1"),
    *("fe80::1", "fe80::1%1", "febf::1", "fec0::1", "feff::1"),
    *("ff00::1", "ff02::1", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    # ISATAP: an IPv4 host behind a tunnel, under a public prefix.
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1"),
)

# Public addresses, among them the neighbours on either side of denied ranges.
PUBLIC = (
    *("1.0.0.0", "1.1.1.1", "8.8.8.8", "93.184.216.34"),
    *("9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
    *("126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17"),
    *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0"),
    *("192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0"),
    *("192.31.195.255", "192.31.197.0", "192.88.98.255", "192.88.100.0"),
    *("198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0"),
    *("203.0.112.255", "203.0.114.0", "223.255.255.255"),
    *("2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1"),
    *("2003::1", "2606:4700:4700::1111", "2606:2800:220:1::1", "2620:4f:7fff::1"),
    *("2620:4f:8001::1", "2a00:1450:4001::1", "3ffd::1", "2400:cb00::1"),
)


@pytest.mark.parametrize("text", DENIED)
def test_an_address_outside_the_public_internet_is_denied(text: str):
    assert denied_reason(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_not_denied(text: str):
    assert denied_reason(ip_address(text)) is None


def test_what_python_calls_private_is_denied_too():
    first_octets = [ip_address(number << 24 | 1) for number in range(256)]
    private = [address for address in first_octets if not address.is_global]

    assert len(private) > 16
    assert all(denied_reason(address) for address in private)


def test_a_network_holds_only_addresses_of_its_own_family():
    loopback = (ip_network("127.0.0.0/8"),)

    assert is_within(ip_address("127.0.0.1"), loopback)
    assert not is_within(ip_address("::1"), loopback)
    assert not is_within(ip_address("::ffff:127.0.0.1"), loopback)
    assert not is_within(ip_address("127.0.0.1"), ())


@pytest.mark.parametrize(
    "text", ["localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", ""]
)
def test_only_canonical_addresses_are_read_as_such(text: str):
    assert read_address(text) is None
