"""What the command line writes for people."""

from datetime import UTC, datetime, timedelta

import pytest

from kinetoscope.cli.user.written import age_text

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-3), "0s"),
        (timedelta(seconds=59, milliseconds=999), "59s"),
        (timedelta(minutes=1), "1m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=23, minutes=59), "23h"),
        (timedelta(days=40, hours=5), "40d"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(age: timedelta, text: str):
    assert age_text(NOW - age, NOW) == text


def test_what_has_no_moment_has_no_age():
    assert age_text(None, NOW) == ""
