"""Providers' keys: stored sealed, moved from one master key to the next, used, never shown."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from tests.conftest import START
from typing_extensions import override

from kinetoscope.kernel.envelope import Envelope, envelope_from, fingerprint
from kinetoscope.kernel.errors import InvalidRequest, NotFound, SettingInvalid
from kinetoscope.postgres.deployment import claim
from kinetoscope.postgres.pool import Database, Parameters
from kinetoscope.providers import keys
from kinetoscope.providers.keys import KeyRing

pytestmark = pytest.mark.anyio

PLANTED = "sk-PLANTED-0123456789abcdef"
OLD, NEW = Envelope((b"o" * 32,)), Envelope((b"n" * 32, b"o" * 32))


@pytest.fixture
async def database(conninfo: str) -> AsyncIterator[Database]:
    opened = Database(conninfo, connections_max=4, patience_s=5)
    await opened.open()
    yield opened
    await opened.close()


def dump(database: Database) -> str:
    with psycopg.connect(database.conninfo) as connection:
        return str(connection.execute("select row_to_json(k) from provider_key k").fetchall())


async def test_a_key_is_stored_sealed_and_shown_by_its_end(database: Database):
    await keys.put(database, OLD, "fal", f" {PLANTED}\n", START)
    assert (await keys.load_all(database, OLD)).keys == {"fal": PLANTED}
    (shown,) = await keys.listing(database)
    assert (shown.provider, shown.hint, shown.created_at) == ("fal", "cdef", START)
    assert PLANTED not in repr(shown)
    told = dump(database)
    for spelling in (PLANTED, PLANTED.encode().hex(), base64.b64encode(PLANTED.encode()).decode()):
        assert spelling[:12] not in told


async def test_a_key_replaces_the_one_before(database: Database):
    await keys.put(database, OLD, "fal", PLANTED, START)
    later = START + timedelta(hours=1)
    await keys.put(database, OLD, "fal", "another-key-of-ours", later)
    (shown,) = await keys.listing(database)
    assert (shown.hint, shown.created_at, shown.updated_at) == ("ours", START, later)
    assert (await keys.load_all(database, OLD)).keys == {"fal": "another-key-of-ours"}


async def test_of_a_short_key_nothing_is_shown(database: Database):
    await keys.put(database, OLD, "own", "fifteen-letters", START)
    (shown,) = await keys.listing(database)
    assert shown.hint == ""


@pytest.mark.parametrize(
    ("name", "key"),
    [("Fal", "x"), ("f al", "x"), ("", "x"), ("fal", " \n"), ("fal", "a\nb"), ("fal", "schlüssel")],
)
async def test_what_is_no_name_or_no_key_is_refused(database: Database, name: str, key: str):
    with pytest.raises(InvalidRequest) as refused:
        await keys.put(database, OLD, name, key, START)
    assert key.strip() not in str(refused.value) or len(key.strip()) < 2
    assert await keys.listing(database) == []


async def test_a_deleted_key_is_gone(database: Database):
    await keys.put(database, OLD, "fal", PLANTED, START)
    await keys.delete(database, "fal")
    assert await keys.listing(database) == []
    with pytest.raises(NotFound, match="no stored key of 'fal'"):
        await keys.delete(database, "fal")


async def test_keys_move_from_one_master_key_to_the_next(database: Database):
    await keys.put(database, OLD, "fal", PLANTED, START)
    await keys.put(database, OLD, "kie", "kie-key", START)
    assert await keys.rekey(database, NEW) == 2
    assert await keys.rekey(database, NEW) == 0, "once is enough"
    only_new = Envelope(NEW.masters[:1])
    assert (await keys.load_all(database, only_new)).keys == {"fal": PLANTED, "kie": "kie-key"}
    assert list((await keys.load_all(database, OLD)).problems) == ["fal", "kie"]
    (shown, _) = await keys.listing(database)
    assert shown.updated_at == START, "it is still the same key"


class Dying(Database):
    """Dies after so many writes, as a killed process does."""

    writes_left = 2

    @override
    async def execute(self, query: str, parameters: Parameters) -> int:
        if self.writes_left == 0:
            raise KeyboardInterrupt
        self.writes_left -= 1
        return await super().execute(query, parameters)


async def test_a_kill_between_two_of_them_loses_nothing(database: Database):
    names = [f"provider-{number}" for number in range(5)]
    for name in names:
        await keys.put(database, OLD, name, f"key of {name}", START)
    dying = Dying(database.conninfo, connections_max=2, patience_s=5)
    await dying.open()
    try:
        with pytest.raises(KeyboardInterrupt):
            await keys.rekey(dying, NEW)
    finally:
        await dying.close()
    everything = {name: f"key of {name}" for name in names}
    assert (await keys.load_all(database, NEW)).keys == everything
    assert len((await keys.load_all(database, OLD)).keys) == 3
    assert await keys.rekey(database, NEW) == 3
    assert (await keys.load_all(database, Envelope(NEW.masters[:1]))).keys == everything


class Overtaken(Database):
    """Somebody else stores a key between what is read and what is written."""

    @override
    async def execute(self, query: str, parameters: Parameters) -> int:
        elsewhere = Database(self.conninfo, connections_max=2, patience_s=5)
        await elsewhere.open()
        try:
            await keys.put(elsewhere, NEW, "fal", PLANTED, START)
        finally:
            await elsewhere.close()
        return await super().execute(query, parameters)


async def test_a_key_that_is_set_meanwhile_is_not_undone(database: Database):
    await keys.put(database, OLD, "fal", "the key before", START)
    overtaken = Overtaken(database.conninfo, connections_max=2, patience_s=5)
    await overtaken.open()
    try:
        assert await keys.rekey(overtaken, NEW) == 0
    finally:
        await overtaken.close()
    assert (await keys.load_all(database, NEW)).keys == {"fal": PLANTED}


async def test_one_that_does_not_open_keeps_no_other_from_moving(database: Database):
    await keys.put(database, Envelope((b"x" * 32,)), "aaa", PLANTED, START)
    await keys.put(database, OLD, "bbb", "key", START)
    with pytest.raises(SettingInvalid, match=r"'aaa' was sealed with master key .* not at hand"):
        await keys.rekey(database, NEW)
    assert (await keys.load_all(database, Envelope(NEW.masters[:1]))).keys == {"bbb": "key"}


async def test_a_record_moved_to_another_provider_does_not_open(database: Database):
    await keys.put(database, OLD, "fal", PLANTED, START)
    await database.execute("update provider_key set provider = 'evil'", {})
    opened = await keys.load_all(database, OLD)
    assert opened.keys == {}
    assert "damaged or was made for another provider" in opened.problems["evil"]


async def test_a_running_worker_learns_of_changes_and_the_settings_win(database: Database):
    ring = KeyRing(database, OLD, {"MY_FAL": "from the settings"})
    await keys.put(database, OLD, "my-fal", PLANTED, START)
    await keys.put(database, OLD, "kie", PLANTED, START)
    assert ring.get("kie") == ""
    await ring.refresh()
    assert (ring.get("my-fal"), ring.get("kie")) == ("from the settings", PLANTED)
    assert ring.get("nobody") == ""
    await keys.put(database, OLD, "kie", "another", START)
    assert ring.get("kie") == PLANTED
    await ring.refresh()
    assert ring.get("kie") == "another"
    await keys.delete(database, "kie")
    await ring.refresh()
    assert ring.get("kie") == ""


async def test_a_key_that_does_not_open_leaves_the_others_and_is_logged_once(
    database: Database, capsys: pytest.CaptureFixture[str]
):
    await keys.put(database, Envelope((b"x" * 32,)), "aaa", PLANTED, START)
    await keys.put(database, OLD, "bbb", PLANTED, START)
    ring = KeyRing(database, OLD, {})
    for _ in range(3):
        await ring.refresh()
    assert (ring.get("aaa"), ring.get("bbb")) == ("", PLANTED)
    assert list(ring.problems) == ["aaa"]
    logged = "".join(capsys.readouterr())
    assert logged.count("provider.key_does_not_open") == 1
    assert "KINETOSCOPE_SECRETS_KEY" in logged
    assert PLANTED not in logged


async def test_no_key_is_in_what_anything_looks_like(database: Database):
    await keys.put(database, OLD, "fal", PLANTED, START)
    ring = KeyRing(database, OLD, {"KIE": PLANTED})
    await ring.refresh()
    opened = await keys.load_all(database, OLD)
    for text in (
        repr(ring),
        str(ring),
        repr(opened),
        str(opened),
        f"{ring!r}",
        json.dumps(str(ring)),
    ):
        assert PLANTED not in text
    assert repr(ring) == "KeyRing(KIE, fal)"


async def test_the_first_signing_key_is_the_databases(database: Database):
    first, other = fingerprint(b"a" * 32), fingerprint(b"b" * 32)
    await claim(database, first, START)
    await claim(database, first, START + timedelta(days=1))
    with pytest.raises(SettingInvalid) as refused:
        await claim(database, other, START)
    said = str(refused.value)
    assert said.startswith("KINETOSCOPE_SIGNING_KEY: ")
    assert first in said
    assert other in said
    await claim(database, first, START)


async def test_a_master_key_of_ones_own_is_reached_from_the_signing_keys(database: Database):
    signing_key = b"s" * 32
    await keys.put(database, envelope_from((), signing_key), "fal", PLANTED, START)
    own = envelope_from((b"m" * 32,), signing_key)
    assert await keys.rekey(database, own) == 1
    assert (await keys.load_all(database, Envelope((b"m" * 32,)))).keys == {"fal": PLANTED}
