"""The text of an API key: every typo is seen without asking the database."""

import hashlib
import random
import re
from pathlib import Path

import pytest

from kinetoscope.kernel.ids import BASE62
from kinetoscope.kernel.secrets import (
    SIGNING_KEY_BYTES,
    IssuedKey,
    KeyMode,
    checksum,
    issue_key,
    load_signing_key,
    parse_key,
)

PRINTABLE = [chr(number) for number in range(32, 127)]


@pytest.mark.parametrize("mode", [KeyMode.LIVE, KeyMode.TEST])
def test_an_issued_key_reads_back_as_itself(mode: KeyMode):
    for _ in range(200):
        issued = issue_key(mode)
        assert re.fullmatch(rf"kino_{mode}_[0-9A-Za-z]{{12}}_[0-9A-Za-z]{{49}}", issued.text)
        assert len(issued.text) == 72
        presented = parse_key(issued.text)
        assert presented is not None
        assert (presented.id, presented.mode) == (issued.id, mode)
        assert presented.secret_sha256 == issued.secret_sha256
        secret = issued.text.split("_")[3][:43]
        assert issued.secret_sha256 == hashlib.sha256(secret.encode()).digest()
        assert issued.last_four == issued.text[-4:]


def test_no_two_keys_share_an_id_or_a_secret():
    issued = [issue_key(KeyMode.LIVE) for _ in range(2000)]
    assert len({key.id for key in issued}) == 2000
    assert len({key.secret_sha256 for key in issued}) == 2000
    letters = "".join(key.text[10:22] + key.text[23:66] for key in issued)
    assert set(letters) == set(BASE62)


def some_keys(number: int) -> list[IssuedKey]:
    return [issue_key((KeyMode.LIVE, KeyMode.TEST)[count % 2]) for count in range(number)]


def test_ten_thousand_typos_of_one_character_are_all_refused():
    chance = random.Random(20261123)
    keys = some_keys(20)
    for _ in range(10_000):
        text = chance.choice(keys).text
        place = chance.randrange(len(text))
        wrong = chance.choice([letter for letter in PRINTABLE if letter != text[place]])
        assert parse_key(text[:place] + wrong + text[place + 1 :]) is None


def test_swapped_lost_and_doubled_characters_are_refused():
    for key in some_keys(20):
        text = key.text
        for place in range(len(text) - 1):
            swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
            assert swapped == text or parse_key(swapped) is None
            assert parse_key(text[:place] + text[place + 1 :]) is None
            assert parse_key(text[:place] + text[place] + text[place:]) is None


def test_a_hundred_thousand_random_strings_are_no_keys():
    chance = random.Random(20261124)
    letters = BASE62 + "_- "
    for number in range(100_000):
        if number % 2:
            text = "kino_live_" + "".join(chance.choices(BASE62, k=12)) + "_"
            text += "".join(chance.choices(BASE62, k=49))
        else:
            text = "".join(chance.choices(letters, k=chance.randrange(90)))
        assert parse_key(text) is None


def test_what_only_looks_like_a_key_is_refused():
    text = issue_key(KeyMode.LIVE).text
    for wrong in (
        "",
        "kino_",
        text + "\n",
        "\n" + text,
        f" {text}",
        text.upper(),
        text.lower(),
        text.replace("kino", "zimg"),
        text.replace("_", "-"),
        text[:-6],
        text[:-6] + "000000",
        text[:30] + "\u0131" + text[31:],
        text[:30] + "\x00" + text[31:],
        text[:30] + "\u0664" + text[31:],
        text * 2,
    ):
        assert parse_key(wrong) is None, wrong


def test_the_checksum_is_fixed_for_ever():
    """Keys outlive versions: a change here locks everybody out."""
    assert checksum("") == "000000"
    assert checksum("kino") == "39OBJR"
    key = "kino_live_abcdefABCDEF_" + "0123456789" * 4 + "xyz"
    presented = parse_key(key + CHECKSUM_OF_KEY)
    assert presented is not None
    assert presented.id == "abcdefABCDEF"


CHECKSUM_OF_KEY = "2iAVzf"


def test_the_signing_key_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "data" / "signing-key"
    key = load_signing_key(path)
    assert len(key) == SIGNING_KEY_BYTES
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signing_key(path) == key
    assert [entry.name for entry in path.parent.iterdir()] == ["signing-key"]
    assert load_signing_key(tmp_path / "other") != key


def test_the_demo_key_is_read_as_what_it_is():
    presented = parse_key("kino_demo_readonly_0123456789abcdef01234567")
    assert presented is not None
    assert presented.mode is KeyMode.DEMO
    assert parse_key("kino_demo_readonly_0123456789abcdef0123456") is None
    assert parse_key("kino_demo_readonly_0123456789ABCDEF01234567") is None
