"""What one key may do at most, within what its account may."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from kinetoscope.kernel.credits import Credits


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The limits of a key; None is no limit.

    `spend_max` counts what the key's tasks hold and were charged, in any stretch of
    `spend_window`, or ever where that is None. `price_max` bounds a single task,
    `tasks_running_max` the key's share of what its account runs at once. `ip_ranges` is where
    requests may come from, `models` what they may order. `requests_per_second` and
    `requests_burst` are a pace within its account's.
    """

    models: tuple[str, ...] | None = None
    price_max: Credits | None = None
    tasks_running_max: int | None = None
    spend_max: Credits | None = None
    spend_window: timedelta | None = None
    ip_ranges: tuple[IPv4Network | IPv6Network, ...] | None = None
    requests_per_second: int | None = None
    requests_burst: int | None = None


UNCAPPED = Caps()


def columns(caps: Caps) -> dict[str, object]:
    """Return the caps as the columns of a key's row."""
    window = caps.spend_window
    return {
        "models": None if caps.models is None else list(caps.models),
        "price_max": caps.price_max,
        "tasks_running_max": caps.tasks_running_max,
        "spend_max": caps.spend_max,
        "spend_window_s": None if window is None else int(window.total_seconds()),
        "ip_ranges": None if caps.ip_ranges is None else [str(net) for net in caps.ip_ranges],
        "requests_per_second": caps.requests_per_second,
        "requests_burst": caps.requests_burst,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class CapsRow:
    """The caps as they are stored."""

    models: list[str] | None
    price_max: Credits | None
    tasks_running_max: int | None
    spend_max: Credits | None
    spend_window_s: int | None
    ip_ranges: list[IPv4Network | IPv6Network] | None
    requests_per_second: int | None
    requests_burst: int | None


COLUMNS = """
  models, price_max, tasks_running_max, spend_max, spend_window_s, ip_ranges, requests_per_second,
  requests_burst
"""


def caps_of(row: CapsRow) -> Caps:
    """Read the stored form."""
    window_s = row.spend_window_s
    return Caps(
        models=None if row.models is None else tuple(row.models),
        price_max=row.price_max,
        tasks_running_max=row.tasks_running_max,
        spend_max=row.spend_max,
        spend_window=None if window_s is None else timedelta(seconds=window_s),
        ip_ranges=None if row.ip_ranges is None else tuple(row.ip_ranges),
        requests_per_second=row.requests_per_second,
        requests_burst=row.requests_burst,
    )


def read_range(text: str) -> IPv4Network | IPv6Network:
    """Read `203.0.113.0/24`, `2001:db8::/32` or a single address; raises ValueError."""
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(f"{text[:50]!r} is no range such as 203.0.113.0/24") from None
    if isinstance(network, IPv6Network) and (
        network.network_address.ipv4_mapped or network.network_address.scope_id
    ):
        raise ValueError(f"{text[:50]!r} must be written as IPv4, or without a scope")
    return network
