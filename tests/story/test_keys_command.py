"""`kinetoscope keys create` with caps, and what `list` says of them."""

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from kinetoscope.cli import accounts as accounts_command
from kinetoscope.cli import keys as keys_command

CAPPED = [
    *("create", "--account", "team", "--name", "ci", "--json"),
    *("--scope", "tasks:write", "--scope", "tasks:read"),
    *("--model", "gpt-image-2", "--price-max", "142.57"),
    *("--spend-max", "500", "--spend-window", "24h", "--tasks-running-max", "3"),
    *("--ip", "203.0.113.0/24", "--ip", "2001:db8::1"),
    *("--requests-per-second", "5", "--requests-burst", "20"),
]


@pytest.fixture(autouse=True)
def deployment(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Commands bring the schema forward, and the test's database is somebody else's copy.
    admin = psycopg.conninfo.make_conninfo(conninfo, user="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("grant create on schema public to public")
    monkeypatch.setenv("KINETOSCOPE_DATABASE_URL", conninfo)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("KINETOSCOPE_DATA_DIR", str(tmp_path))


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(keys_command.app, arguments)


def test_a_key_is_made_with_caps_and_listed_with_them():
    made = keys(*CAPPED)
    assert made.exit_code == 0, made.output
    issued = json.loads(made.stdout)
    (listed,) = json.loads(keys("list", "--account", "team", "--json").stdout)
    assert listed["keyId"] == issued["keyId"]
    assert listed["scopes"] == ["tasks:write", "tasks:read"]
    assert listed["caps"] == {
        "models": ["gpt-image-2"],
        "priceMax": "142.57",
        "tasksRunningMax": 3,
        "spendMax": "500",
        "spendWindowSeconds": 86400,
        "ipRanges": ["203.0.113.0/24", "2001:db8::1/128"],
        "requestsPerSecond": 5,
        "requestsBurst": 20,
    }
    shown = keys("list").stdout
    for word in ("142.57 credits a task", "500 credits in 24 h", "203.0.113.0/24"):
        assert word in shown


def test_a_key_without_caps_says_nothing_of_them():
    assert keys("create", "--account", "team", "--name", "ci").exit_code == 0
    (listed,) = json.loads(keys("list", "--json").stdout)
    assert set(listed["caps"].values()) == {None}
    assert "keys:write" not in listed["scopes"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--scope", "everything"), "everything"),
        (("--model", "none"), "model"),
        (("--price-max", "x"), "x"),
        (("--spend-max", "-1"), "below zero"),
        (("--spend-window", "24h"), "--spend-max"),
        (("--spend-max", "5", "--spend-window", "0"), "--spend-window"),
        (("--ip", "example.com"), "example.com"),
    ],
)
def test_a_wrong_option_is_named_and_makes_no_key(arguments: tuple[str, ...], word: str):
    refused = keys("create", "--account", "team", "--name", "ci", *arguments)
    assert refused.exit_code != 0
    assert word in refused.output
    assert "Traceback" not in refused.output
    assert json.loads(keys("list", "--json").stdout) == []


def test_an_accounts_pace_is_set():
    assert keys("create", "--account", "team", "--name", "ci").exit_code == 0
    done = CliRunner().invoke(
        accounts_command.app, ["limit", "team", "--requests-per-second", "200"]
    )
    assert done.exit_code == 0, done.output
