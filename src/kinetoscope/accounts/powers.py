"""What a key may do, compared with another: keys that manage keys give no more than they have.

Two rules carry it. A key makes and changes keys that may do no more than itself. And caps that
would add up over several keys (spending, running tasks, requests) make a key manage itself alone:
ten keys with its cap would be ten times its cap.

Test keys lie in build logs and example programs. So what a key writes to is of its own mode, and
what holds for the whole account is for live keys.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from kinetoscope.accounts.caps import Caps, caps_of
from kinetoscope.accounts.keys import KeyListing
from kinetoscope.kernel.errors import Forbidden
from kinetoscope.kernel.secrets import KeyMode

ALONE = (
    "This API Key has a cap on spending, running tasks or requests; it manages no key but itself"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """All that decides what a key may do."""

    mode: KeyMode
    scopes: tuple[str, ...]
    expires_at: datetime | None
    caps: Caps


def powers_of(key: KeyListing) -> Powers:
    """Return what a key may do."""
    return Powers(
        mode=KeyMode(key.mode),
        scopes=tuple(key.scopes),
        expires_at=key.expires_at,
        caps=caps_of(key),
    )


def excess(wanted: Powers, given: Powers) -> str | None:
    """Name what `wanted` may do beyond `given`; None where there is nothing."""
    if wanted.mode is not given.mode and given.mode is not KeyMode.LIVE:
        return "mode"
    if not set(wanted.scopes) <= set(given.scopes):
        return "scopes"
    if given.expires_at is not None and (
        wanted.expires_at is None or wanted.expires_at > given.expires_at
    ):
        return "expiresAt"
    return _looser(wanted.caps, given.caps)


def require_make(maker: Powers, wanted: Powers) -> None:
    """Refuse a new key that may do more than its maker; raises Forbidden."""
    if adds_up(maker.caps):
        raise Forbidden(ALONE)
    _require_no_more(maker, wanted)


def require_manage(manager: KeyListing, managed: KeyListing, after: Powers) -> None:
    """Refuse to change or replace a key that may do more than who asks; raises Forbidden.

    `after` is what the key may do when it is done.
    """
    own = powers_of(manager)
    if managed.id != manager.id:
        if adds_up(own.caps):
            raise Forbidden(ALONE)
        if excess(powers_of(managed), own) is not None:
            raise Forbidden("This API Key may not change a key that may do more than itself")
    _require_no_more(own, after)


def require_stop(manager: KeyListing, managed: KeyListing) -> None:
    """Refuse to stop a live key with a test key; any other may stop what leaked."""
    if manager.mode != KeyMode.LIVE and managed.mode == KeyMode.LIVE:
        raise Forbidden("A test key may not change a live key")


def require_live(mode: KeyMode) -> None:
    """Refuse a test key where something holds for the whole account; raises Forbidden."""
    if mode is not KeyMode.LIVE:
        raise Forbidden("A test key may not change what holds for the whole account")


def require_same_mode(mode: KeyMode, *, is_test: bool) -> None:
    """Refuse to write to a task of the other mode, its webhooks included; raises Forbidden."""
    if is_test is (mode is KeyMode.TEST):
        return
    if is_test:
        raise Forbidden("A live key may not change a task that a test key made")
    raise Forbidden("A test key may not change a task that a live key made")


def adds_up(caps: Caps) -> bool:
    """Whether several keys with these caps together may do more than one."""
    return any(
        cap is not None
        for cap in (
            caps.spend_max,
            caps.tasks_running_max,
            caps.requests_per_second,
            caps.requests_burst,
        )
    )


def inherited(stated: Caps, maker: Caps) -> Caps:
    """Return caps in which what was left open is as the maker has it.

    Nothing that adds up is inherited: whoever has such a cap makes no keys.
    """
    return Caps(
        models=maker.models if stated.models is None else stated.models,
        price_max=maker.price_max if stated.price_max is None else stated.price_max,
        tasks_running_max=stated.tasks_running_max,
        spend_max=stated.spend_max,
        spend_window=stated.spend_window,
        ip_ranges=maker.ip_ranges if stated.ip_ranges is None else stated.ip_ranges,
        requests_per_second=stated.requests_per_second,
        requests_burst=stated.requests_burst,
    )


def _require_no_more(given: Powers, wanted: Powers) -> None:
    beyond = excess(wanted, given)
    if beyond is not None:
        raise Forbidden(f"This API Key may not give more than it has: {beyond}")


def _looser(wanted: Caps, given: Caps) -> str | None:
    checks = (
        ("models", _is_beyond_models(wanted, given)),
        ("ipRanges", _is_beyond_ranges(wanted, given)),
        ("priceMax", _is_above(wanted.price_max, given.price_max)),
        ("tasksRunningMax", _is_above(wanted.tasks_running_max, given.tasks_running_max)),
        ("spendMax", _is_above(wanted.spend_max, given.spend_max)),
        ("spendWindowHours", _is_shorter(wanted, given)),
        ("requestsPerSecond", _is_above(wanted.requests_per_second, given.requests_per_second)),
        ("requestsBurst", _is_above(wanted.requests_burst, given.requests_burst)),
    )
    return next((name for name, looser in checks if looser), None)


def _is_above(wanted: int | None, given: int | None) -> bool:
    return given is not None and (wanted is None or wanted > given)


def _is_beyond_models(wanted: Caps, given: Caps) -> bool:
    if given.models is None:
        return False
    return wanted.models is None or not set(wanted.models) <= set(given.models)


def _is_beyond_ranges(wanted: Caps, given: Caps) -> bool:
    if given.ip_ranges is None:
        return False
    return wanted.ip_ranges is None or not all(
        any(_is_subnet(inner, outer) for outer in given.ip_ranges) for inner in wanted.ip_ranges
    )


def _is_shorter(wanted: Caps, given: Caps) -> bool:
    """Whether the same spending comes back sooner; without a window it never does."""
    longest = timedelta.max
    return given.spend_max is not None and (
        (wanted.spend_window or longest) < (given.spend_window or longest)
    )


def _is_subnet(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False
