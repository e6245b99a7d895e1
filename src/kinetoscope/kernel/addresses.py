"""Which network addresses a fetch may reach, from our own table, because Python's flags have gaps.

`ipaddress` calls multicast, NAT64 and 168.63.129.16 global, and its ranges age with the
interpreter (CVE-2024-4032). Everything here is pure. Sources:
https://www.iana.org/assignments/iana-ipv4-special-registry/
https://www.iana.org/assignments/iana-ipv6-special-registry/
https://www.iana.org/assignments/ipv6-address-space/
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(text), reason)
    for text, reason in (
        ("0.0.0.0/8", "this network, RFC 791"),
        ("10.0.0.0/8", "private, RFC 1918"),
        ("100.64.0.0/10", "shared by carriers, RFC 6598"),
        ("127.0.0.0/8", "loopback, RFC 1122"),
        ("168.63.129.16/32", "Azure's host agent"),
        ("169.254.0.0/16", "link-local and cloud metadata, RFC 3927"),
        ("172.16.0.0/12", "private, RFC 1918"),
        ("192.0.0.0/24", "protocol assignments, RFC 6890"),
        ("192.0.2.0/24", "documentation, RFC 5737"),
        ("192.31.196.0/24", "AS112, RFC 7535"),
        ("192.52.193.0/24", "multicast tunnels, RFC 7450"),
        ("192.88.99.0/24", "6to4 relays, RFC 7526"),
        ("192.168.0.0/16", "private, RFC 1918"),
        ("192.175.48.0/24", "AS112, RFC 7534"),
        ("198.18.0.0/15", "benchmarks, RFC 2544"),
        ("198.51.100.0/24", "documentation, RFC 5737"),
        ("203.0.113.0/24", "documentation, RFC 5737"),
        ("224.0.0.0/4", "multicast, RFC 5771"),
        ("240.0.0.0/4", "reserved and broadcast, RFC 1112"),
    )
)

# Only this block is handed out for the public internet; loopback, mapped IPv4, NAT64, unique
# local, link-local, site-local and multicast are all outside it.
_PUBLIC_V6 = IPv6Network("2000::/3")

_DENIED_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(text), reason)
    for text, reason in (
        ("2001::/23", "protocol assignments with Teredo, RFC 2928"),
        ("2001:db8::/32", "documentation, RFC 3849"),
        ("2002::/16", "6to4, RFC 3056"),
        ("2620:4f:8000::/48", "AS112, RFC 7534"),
        ("3ffe::/16", "6bone, RFC 3701"),
        ("3fff::/20", "documentation, RFC 9637"),
    )
)

_ISATAP_MARKS = (0x00005EFE, 0x02005EFE)


def denied_reason(address: Address) -> str | None:
    """Return why the address is not one of the public internet's, or None where it is."""
    if isinstance(address, IPv4Address):
        return _listed_reason(address, _DENIED_V4)
    if address not in _PUBLIC_V6:
        return "outside 2000::/3, RFC 4291"
    if _embeds_isatap(address):
        return "ISATAP, RFC 5214"
    return _listed_reason(address, _DENIED_V6)


def read_address(text: str) -> Address | None:
    """Read an address as a resolver writes it, scope id and all, or return None for a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def is_within(address: Address, networks: tuple[Network, ...]) -> bool:
    """Say whether one of the networks holds the address; families never match each other."""
    return any(address in network for network in networks)


def _listed_reason(
    address: Address,
    table: tuple[tuple[IPv4Network, str], ...] | tuple[tuple[IPv6Network, str], ...],
) -> str | None:
    return next((reason for network, reason in table if address in network), None)


def _embeds_isatap(address: IPv6Address) -> bool:
    # The low 64 bits name an IPv4 host behind a tunnel, whatever the prefix (RFC 5214 §6.1).
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_MARKS
