"""The options that say what a key may do, and how they are read."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

import typer

from kinetoscope.accounts import keys
from kinetoscope.accounts.caps import read_range
from kinetoscope.accounts.keys import KeyListing
from kinetoscope.cli.session import fail
from kinetoscope.kernel.credits import Credits, format_credits, parse_credits

PACE_MAX = 1_000_000

Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="What it may do; repeat it. All but keys:write by default."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model it may order; repeat it. All by default."),
]
PriceMax = Annotated[str, typer.Option(help="Credits that one task may cost.")]
SpendMax = Annotated[str, typer.Option(help="Credits that it may spend together.")]
SpendWindow = Annotated[
    str, typer.Option(help="In any stretch this long, such as 24h; ever by default.")
]
TasksRunningMax = Annotated[
    int | None, typer.Option(min=0, help="How many of its tasks may run at once.")
]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--ip", help="Where it may be used from: 203.0.113.0/24; repeat it."),
]
RequestsPerSecond = Annotated[
    int | None, typer.Option(min=1, max=PACE_MAX, help="Requests in the long run.")
]
RequestsBurst = Annotated[int | None, typer.Option(min=1, max=PACE_MAX, help="Requests at once.")]


def read_scopes(stated: Sequence[str] | None) -> tuple[str, ...]:
    """Read scopes; ends the command where one does not exist."""
    unknown = sorted(set(stated or ()) - set(keys.SCOPES_ALL))
    if unknown:
        raise fail(f"There is no scope {unknown[0]}; there are {', '.join(keys.SCOPES_ALL)}")
    return tuple(dict.fromkeys(stated)) if stated else keys.SCOPES_DEFAULT


def read_credits(text: str) -> Credits | None:
    """Read an amount; ends the command where it is none."""
    if not text:
        return None
    try:
        amount = parse_credits(text)
    except ValueError as error:
        raise fail(str(error)) from None
    if amount < 0:
        raise fail(f"{text} credits are below zero")
    return amount


def read_ranges(stated: Sequence[str] | None) -> tuple[IPv4Network | IPv6Network, ...] | None:
    """Read ranges of addresses; ends the command where one is none."""
    try:
        return tuple(read_range(text) for text in stated) if stated else None
    except ValueError as error:
        raise fail(str(error)) from None


def caps_in_words(key: KeyListing) -> str:
    """Say what a key may do at most."""
    words = []
    if key.models is not None:
        words.append("only " + " ".join(key.models))
    if key.price_max is not None:
        words.append(f"{format_credits(key.price_max)} credits a task")
    if key.spend_max is not None:
        window = f" in {key.spend_window_s / 3600:g} h" if key.spend_window_s else ""
        words.append(f"{format_credits(key.spend_max)} credits{window}")
    if key.tasks_running_max is not None:
        words.append(f"{key.tasks_running_max} tasks at once")
    if key.ip_ranges is not None:
        words.append("from " + " ".join(str(network) for network in key.ip_ranges))
    if key.requests_per_second is not None:
        words.append(f"{key.requests_per_second} requests/s")
    if key.requests_burst is not None:
        words.append(f"{key.requests_burst} requests at once")
    return ", ".join(words)


def caps_json(key: KeyListing) -> dict[str, object]:
    """Return the caps for `--json`; amounts are texts, to stay exact."""
    return {
        "models": key.models,
        "priceMax": None if key.price_max is None else format_credits(key.price_max),
        "tasksRunningMax": key.tasks_running_max,
        "spendMax": None if key.spend_max is None else format_credits(key.spend_max),
        "spendWindowSeconds": key.spend_window_s,
        "ipRanges": key.ip_ranges and [str(network) for network in key.ip_ranges],
        "requestsPerSecond": key.requests_per_second,
        "requestsBurst": key.requests_burst,
    }
