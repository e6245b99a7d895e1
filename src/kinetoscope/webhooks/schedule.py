"""When a delivery is tried again: seconds at first, then hours, for three days.

The long part is the schedule of the Standard Webhooks specification; the quick tries in front of
it get over a receiver that is being restarted.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MINUTE_S = 60
HOUR_S = 3600

DELAYS_S = (
    1,
    5,
    15,
    5 * MINUTE_S,
    30 * MINUTE_S,
    2 * HOUR_S,
    5 * HOUR_S,
    10 * HOUR_S,
    14 * HOUR_S,
    20 * HOUR_S,
    24 * HOUR_S,
)
"""How long after each failed try the next one comes; after as many there is none."""

JITTER = 0.1
"""Each delay is longer by up to this part, so that what failed together does not come together."""

RETRY_AFTER_S_MAX = 24 * HOUR_S


def delay_after(tries: int, chance: float, retry_after_s: float | None) -> timedelta | None:
    """Return how long to wait after so many failed tries, or None to give up.

    `chance` is a random number from 0 to 1. A receiver may ask for more time, but not for less.
    """
    if tries > len(DELAYS_S):
        return None
    delay_s = DELAYS_S[tries - 1] * (1 + JITTER * chance)
    if retry_after_s is not None:
        delay_s = max(delay_s, min(retry_after_s, RETRY_AFTER_S_MAX))
    return timedelta(seconds=delay_s)


def read_retry_after(text: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or a date; None where it is neither.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
