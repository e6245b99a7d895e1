"""The schema is brought forward once, whoever starts first, and never half."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from structlog.testing import capture_logs

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.postgres.migrations import Migration, migrate

FIRST = Migration("0001_first", "create table first (id int)")
SECOND = Migration("0002_second", "create table second (id int); insert into second values (7)")
BROKEN = Migration("0003_broken", "create table third (id int); select 1 / 0")


@pytest.fixture
def empty(template_conninfo: str) -> Iterator[str]:
    """Give a test a database without any schema."""
    admin = psycopg.conninfo.make_conninfo(template_conninfo, dbname="postgres", user="postgres")
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    yield psycopg.conninfo.make_conninfo(admin, dbname=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)".encode())


def tables(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        query = "select tablename from pg_tables where schemaname = 'public' order by 1"
        return [str(row[0]) for row in connection.execute(query)]


def test_a_new_database_is_made_in_one_go_and_told_of_in_one_line(empty: str):
    with capture_logs() as logs:
        assert migrate(empty, (FIRST, SECOND)) == 2
    shown = [entry for entry in logs if entry["log_level"] != "debug"]
    assert shown == [{"event": "schema.created", "migrations": 2, "log_level": "info"}]
    assert tables(empty) == ["first", "schema_migration", "second"]
    assert migrate(empty, (FIRST, SECOND)) == 0


def test_a_database_with_a_past_gets_what_it_lacks_and_each_is_told(empty: str):
    migrate(empty, (FIRST,))
    with capture_logs() as logs:
        assert migrate(empty, (FIRST, SECOND)) == 1
    assert logs == [{"event": "migration.applied", "name": "0002_second", "log_level": "info"}]
    assert "second" in tables(empty)


def test_many_that_start_at_once_apply_each_once(empty: str):
    with ThreadPoolExecutor(6) as starting:
        applied = list(starting.map(lambda _: migrate(empty, (FIRST, SECOND)), range(6)))
    assert sorted(applied) == [0, 0, 0, 0, 0, 2]
    with psycopg.connect(empty) as connection:
        assert connection.execute("select count(*) from second").fetchone() == (1,)


def test_one_that_fails_leaves_nothing_of_itself_and_is_tried_again(empty: str):
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(empty, (FIRST, SECOND, BROKEN))
        assert tables(empty) == ["first", "schema_migration", "second"]
    mended = Migration(BROKEN.name, "create table third (id int)")
    assert migrate(empty, (FIRST, SECOND, mended)) == 1
    assert "third" in tables(empty)


def test_one_that_was_applied_in_another_form_stops_everything(empty: str):
    migrate(empty, (FIRST,))
    edited = Migration(FIRST.name, "create table first (id bigint)")
    with pytest.raises(SettingInvalid, match="0001_first was applied in another form"):
        migrate(empty, (edited, SECOND))
    assert tables(empty) == ["first", "schema_migration"]


def test_what_is_no_address_is_said_without_showing_it():
    with pytest.raises(SettingInvalid) as refused:
        migrate("postgres:/user:hunter2@nowhere", (FIRST,))
    assert "KINETOSCOPE_DATABASE_URL" in str(refused.value)
    assert "hunter2" not in str(refused.value)
