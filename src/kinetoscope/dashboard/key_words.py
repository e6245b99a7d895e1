"""Keys in words: what one may do, its caps in short, and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from kinetoscope.accounts.caps import Caps, caps_of
from kinetoscope.accounts.keys import SCOPES_ALL, SCOPES_DEFAULT, KeyListing
from kinetoscope.dashboard.render import credits_text, span_text
from kinetoscope.kernel.secrets import KeyMode

SCOPES = {
    "tasks:write": ("Make tasks", "and cancel or delete them"),
    "tasks:read": ("See tasks", "their results and events"),
    "samples:read": ("See samples", "the demo's finished tasks"),
    "uploads:write": ("Upload files", "to use in tasks"),
    "account:read": ("See the account", "balance, ledger and usage"),
    "webhooks:write": ("Manage webhooks", "settings, secret and deliveries"),
    "keys:write": ("Manage keys", "none that may do more than itself"),
}
"""What each scope allows: in a few words, and what more there is to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key as the table shows it."""

    key: KeyListing
    hint: str
    scopes: str
    caps: Sequence[str]
    state: str
    state_text: str

    @property
    def ranges(self) -> list[str]:
        """Where its requests may come from; nothing: from anywhere."""
        return [range_text(network) for network in self.key.ip_ranges or ()]

    @property
    def is_live(self) -> bool:
        """Whether it spends credits."""
        return self.key.mode == KeyMode.LIVE

    @property
    def is_demo(self) -> bool:
        """Whether the settings say what it is, and nobody else."""
        return self.key.mode == KeyMode.DEMO


def row_of(key: KeyListing, now: datetime) -> KeyRow:
    """Put a key in words."""
    state, text = state_of(key, now)
    return KeyRow(
        key=key,
        hint=f"kino_{key.mode}_…{key.last_four}",
        scopes=scopes_text(key.scopes),
        caps=caps_in_short(caps_of(key)),
        state=state,
        state_text=text,
    )


def state_of(key: KeyListing, now: datetime) -> tuple[str, str]:
    """Return how a key stands, by name and in a word."""
    is_over = key.expires_at is not None and key.expires_at <= now
    if not key.active:
        return "inactive", "Inactive"
    if key.replaced_by is not None:
        return ("replaced", "Replaced") if is_over else ("ending", "Being replaced")
    return ("expired", "Expired") if is_over else ("active", "Active")


def scopes_text(scopes: Sequence[str]) -> str:
    """Say in short what a key may do."""
    if set(scopes) == set(SCOPES_ALL):
        return "Everything"
    if set(scopes) == set(SCOPES_DEFAULT):
        return "Everything but keys"
    known = [SCOPES[scope][0] for scope in SCOPES_ALL if scope in scopes]
    return ", ".join([known[0], *(words[0].lower() + words[1:] for words in known[1:])])


def caps_in_short(caps: Caps) -> list[str]:
    """Return each cap in as few words as it takes."""
    shown = []
    if caps.spend_max is not None:
        window = "in all" if caps.spend_window is None else f"per {window_text(caps.spend_window)}"
        shown.append(f"{credits_text(caps.spend_max)} credits {window}")
    if caps.price_max is not None:
        shown.append(f"{credits_text(caps.price_max)} credits per task")
    if caps.tasks_running_max is not None:
        shown.append(f"{caps.tasks_running_max:,} at once")
    if caps.requests_per_second is not None:
        shown.append(f"{caps.requests_per_second:,} requests/s")
    if caps.requests_burst is not None:
        shown.append(f"bursts of {caps.requests_burst:,}")
    if caps.models is not None:
        shown.append(caps.models[0] if len(caps.models) == 1 else f"{len(caps.models)} models")
    if caps.ip_ranges is not None:
        count = len(caps.ip_ranges)
        shown.append(range_text(caps.ip_ranges[0]) if count == 1 else f"{count} address ranges")
    return shown


def range_text(network: IPv4Network | IPv6Network) -> str:
    """Write a range; one address as itself."""
    return str(network.network_address if network.num_addresses == 1 else network)


def window_text(window: timedelta) -> str:
    """Say how long a spending window is: `hour`, `24 h`, `30 d`."""
    hours = window.total_seconds() / 3600
    if hours == 1:
        return "hour"
    return "24 h" if hours == 24 else span_text(window.total_seconds())  # noqa: PLR2004 - a day
