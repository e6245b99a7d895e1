"""Log lines: structured, and without what looks like a secret, wherever in them it stands."""

import contextlib
import json
import logging
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import structlog

from kinetoscope.kernel.log import configure_logging, redact
from kinetoscope.kernel.secrets import KeyMode, issue_key


@pytest.fixture
def configured() -> Iterator[None]:
    """Configure logging as a process of ours does."""
    handlers, level = logging.root.handlers[:], logging.root.level
    kept = structlog.get_config()
    configure_logging(as_json=True, level="INFO")
    yield
    structlog.configure(**kept)
    logging.root.handlers[:], logging.root.level = handlers, level


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bearer abcdef0123456789", "Bearer …"),
        ('"authorization": "bearer abcdef0123456789"', '"authorization": "bearer …"'),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", "whsec_…"),
        ("/media/a.mp4?expires=1&signature=abc%3D&x=1", "/media/a.mp4?expires=1&signature=…&x=1"),
        ("https://a.example/?access_token=abc", "https://a.example/?access_token=…"),
        ("https://s3.example/a?X-Amz-Signature=abc", "https://s3.example/a?X-Amz-Signature=…"),
        ("postgresql://kino:pass@db/kino", "postgresql://kino:…@db/kino"),
        ("host=db password=pass user=kino", "host=db password=… user=kino"),
        ("https://a.example:8080/b@c", "https://a.example:8080/b@c"),
        ("a token of thanks, the key to it all", "a token of thanks, the key to it all"),
    ],
)
def test_what_looks_like_a_secret_is_cut(text: str, shown: str):
    assert redact(text) == shown


@pytest.mark.usefixtures("configured")
def test_keys_are_cut_wherever_they_stand_in_a_line(capsys: pytest.CaptureFixture[str]):
    key = issue_key(KeyMode.LIVE).text
    log = structlog.get_logger("test")
    event = f"event {key}"
    log.warning(event, plain=key, inside={"deep": [key]}, **{key: 1})
    logging.getLogger("library").warning("told %s", key)
    log.error("broke", exc_info=RuntimeError(key))
    text = capsys.readouterr().err
    assert key.rpartition("_")[2] not in text
    assert text.count("kino_live_…") >= 6
    assert [json.loads(line)["level"] for line in text.splitlines()] == [
        "warning",
        "warning",
        "error",
    ]


@pytest.mark.usefixtures("configured")
def test_a_refused_row_is_not_quoted(capsys: pytest.CaptureFixture[str], conninfo: str):
    log = structlog.get_logger("test")
    prompt = secrets.token_hex(16)  # not in the source, which tracebacks quote
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("create temporary table prompt (words text check (length(words) < 5))")
        try:
            try:
                connection.execute("insert into prompt values (%s)", [prompt])
            except psycopg.Error as error:
                raise ExceptionGroup("several", [error]) from error
        except ExceptionGroup as error:
            log.info("by.value", exc_info=error)
            log.exception("by.default")
            logging.getLogger("library").exception("told")
    text = capsys.readouterr().err
    assert prompt not in text
    assert text.count("violates check constraint") >= 3


@pytest.mark.usefixtures("configured")
def test_a_terminal_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with (tmp_path / "closed").open("w") as closed:
        pass
    monkeypatch.setattr(sys, "stderr", closed)
    structlog.get_logger("test").info("nobody reads this")
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        structlog.get_logger("test").info("nor this")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
