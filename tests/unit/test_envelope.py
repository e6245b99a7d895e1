"""Envelopes: what is sealed opens under its master key and its own name, and nowhere else."""

import pytest

from kinetoscope.kernel.envelope import Envelope, envelope_from, fingerprint, master_id
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.sealing import sealer_from

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
TEXT = "sk-PLANTED-0123456789"


def test_what_is_sealed_opens_again_and_shows_nothing():
    envelope = Envelope((OLD,))
    record = envelope.seal(TEXT, "fal")
    assert envelope.open(record, "fal") == TEXT
    assert TEXT.encode() not in record
    assert record[0] == 1
    assert record[1:9] == master_id(OLD)
    assert len(record) == 1 + 8 + 12 + 48 + 12 + len(TEXT) + 16


def test_the_same_text_is_never_sealed_alike():
    envelope = Envelope((OLD,))
    one, other = envelope.seal(TEXT, "fal"), envelope.seal(TEXT, "fal")
    assert one[9:] != other[9:]
    assert one[21:69] != other[21:69], "each has a key of its own"


def test_a_record_opens_for_its_own_provider_only():
    envelope = Envelope((OLD,))
    record = envelope.seal(TEXT, "fal")
    with pytest.raises(SettingInvalid, match="'kie' is damaged or was made for another"):
        envelope.open(record, "kie")
    moved = Envelope((NEW, OLD))
    with pytest.raises(SettingInvalid, match="'kie' is damaged"):
        moved.rewrap(record, "kie")


def test_what_is_sealed_is_bound_to_its_provider_too():
    """A wrapped key of one record in front of another's text opens neither."""
    envelope = Envelope((OLD,))
    one, other = envelope.seal(TEXT, "fal"), envelope.seal(TEXT, "fal")
    with pytest.raises(SettingInvalid, match="damaged"):
        envelope.open(one[:69] + other[69:], "fal")


def test_a_record_with_any_bit_changed_does_not_open():
    envelope = Envelope((OLD,))
    record = envelope.seal(TEXT, "fal")
    for place in range(len(record)):
        for bit in (1, 128):
            changed = bytearray(record)
            changed[place] ^= bit
            with pytest.raises(SettingInvalid) as refused:
                envelope.open(bytes(changed), "fal")
            assert TEXT not in str(refused.value)
    for length in range(len(record)):
        with pytest.raises(SettingInvalid):
            envelope.open(record[:length], "fal")


def test_another_master_key_says_what_to_do():
    record = Envelope((OLD,)).seal(TEXT, "fal")
    with pytest.raises(SettingInvalid) as refused:
        Envelope((NEW, OTHER)).open(record, "fal")
    said = str(refused.value)
    assert master_id(OLD).hex() in said
    assert "KINETOSCOPE_SECRETS_KEY" in said
    assert "kinetoscope providers set-key fal" in said


def test_rewrapping_changes_the_key_of_the_key_alone():
    record = Envelope((OLD,)).seal(TEXT, "fal")
    both = Envelope((NEW, OLD))
    assert both.open(record, "fal") == TEXT
    assert not both.is_current(record)
    moved = both.rewrap(record, "fal")
    assert moved[69:] == record[69:]
    assert moved[:69] != record[:69]
    assert both.is_current(moved)
    assert both.rewrap(moved, "fal") == moved, "and once more changes nothing"
    assert Envelope((NEW,)).open(moved, "fal") == TEXT
    with pytest.raises(SettingInvalid, match="not at hand"):
        Envelope((OLD,)).open(moved, "fal")


def test_without_master_keys_the_signing_key_gives_one():
    signing_key = b"s" * 32
    usual = envelope_from((), signing_key)
    record = usual.seal(TEXT, "fal")
    assert envelope_from((), signing_key).open(record, "fal") == TEXT
    assert envelope_from((NEW,), signing_key).open(record, "fal") == TEXT, "on the way to one"
    with pytest.raises(SettingInvalid, match="not at hand"):
        envelope_from((), b"t" * 32).open(record, "fal")
    assert usual.masters[0] not in {signing_key, sealer_from(signing_key).key}


def test_a_masters_key_is_nowhere_in_what_an_envelope_looks_like():
    envelope = envelope_from((b"\xab" * 32,), b"\xcd" * 32)
    assert repr(envelope) == "Envelope()"


def test_a_fingerprint_names_a_signing_key():
    assert fingerprint(OLD) == fingerprint(OLD)
    assert fingerprint(OLD) != fingerprint(NEW)
    assert len(fingerprint(OLD)) == 32
    assert OLD.hex()[:8] not in fingerprint(OLD)
