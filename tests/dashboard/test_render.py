"""How pages write money, times and sizes."""

from datetime import UTC, datetime, timedelta

import pytest

from kinetoscope.dashboard.render import credits_text, icon, moment, relative, size_text
from kinetoscope.dashboard.visit import safe_path
from kinetoscope.kernel.credits import Credits

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (5, "0.05"), (-5, "-0.05"), (1_000_000_00, "1,000,000"), (-123_450, "-1,234.5")],
)
def test_credits(amount: int, text: str):
    assert credits_text(Credits(amount)) == text


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=-45), "45 s ago"),
        (timedelta(seconds=59), "in 59 s"),
        (timedelta(minutes=-60), "1 h ago"),
        (timedelta(hours=23, minutes=59), "in 23 h"),
        (timedelta(days=-29), "29 d ago"),
        (timedelta(days=-31), "28 Oct 2026"),
    ],
)
def test_times_are_told_by_their_distance(distance: timedelta, text: str):
    assert relative(NOW + distance, NOW) == text


def test_the_exact_time_is_behind_it():
    assert 'title="28 November 2026, 12:00:00 UTC"' in moment(NOW, NOW)
    assert moment(None, NOW) == "never"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_400_000, "3.4 MB")]
)
def test_sizes(size: int, text: str):
    assert size_text(size) == text


def test_an_icons_label_is_text():
    assert "&lt;b&gt;" in icon("x", "<b>")
    assert 'aria-hidden="true"' in icon("x")


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "x", "/a\nb", "\t/a"]
)
def test_a_way_on_leads_nowhere_else(path: str):
    assert safe_path(path, "/home") == "/home"


def test_a_way_on_may_be_any_page_of_ours():
    assert safe_path("/tasks?status=fail", "/home") == "/tasks?status=fail"
