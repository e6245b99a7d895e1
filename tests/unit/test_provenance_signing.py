"""Content Credentials: what is signed, that others can verify it, and what happens if it fails."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import c2pa  # type: ignore[import-untyped]
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.certificates import Chain, PrivateKey, chain
from tests.unit.test_provenance_labels import ALGORITHMIC, BY_AI, BY_PROGRAM, FILES, TRAINED, write

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.media.credentials import Credentials, SigningFailed
from kinetoscope.media.provenance import check, mark
from kinetoscope.settings import load_settings
from kinetoscope.wiring import credentials_of

pytestmark = pytest.mark.anyio

SIGNABLE = [
    "png", "jpeg", "webp", "gif", "mp4", "mp4, faststart", "mov", "m4a", "wav", "mp3", "flac",
]  # fmt: skip


def verified(path: Path, media_type: str, authority: str) -> tuple[str, dict[str, Any]]:
    """Read a manifest back as a stranger would who trusts the authority."""
    settings = {
        "trust": {"trust_anchors": authority},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    with (
        path.open("rb") as file,
        c2pa.Context(c2pa.Settings.from_dict(settings)) as context,
        c2pa.Reader(media_type, file, context=context) as reader,
    ):
        manifest: dict[str, Any] = reader.get_active_manifest()
        return str(reader.get_validation_state()), manifest


def actions_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    [assertion] = [
        found for found in manifest["assertions"] if found["label"].startswith("c2pa.actions")
    ]
    actions: list[dict[str, Any]] = assertion["data"]["actions"]
    return actions


@pytest.fixture(scope="module")
def signer() -> Chain:
    return chain()


@pytest.mark.parametrize("name", SIGNABLE)
async def test_a_signed_file_is_verified_by_others(tmp_path: Path, signer: Chain, name: str):
    path, media_type = write(tmp_path, name)
    marked = await mark(path, media_type, BY_AI, signer.credentials())
    assert marked.signed is True
    state, manifest = verified(marked.path, media_type, signer.authority)
    assert state == "Trusted"
    assert manifest["claim_generator_info"][0]["name"] == "Kinetoscope"
    [action] = actions_of(manifest)
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", TRAINED)
    assert action["parameters"]["kinetoscope.model"] == "seedance-20"
    growth_bytes = marked.path.stat().st_size - path.stat().st_size
    assert growth_bytes < 16 * 1024, "no picture of the picture"


async def test_a_program_is_no_ai(tmp_path: Path, signer: Chain):
    path, media_type = write(tmp_path, "mp4")
    marked = await mark(path, media_type, BY_PROGRAM, signer.credentials())
    _, manifest = verified(marked.path, media_type, signer.authority)
    assert actions_of(manifest)[0]["digitalSourceType"] == ALGORITHMIC


@pytest.mark.parametrize("name", ["png", "mp4", "wav"])
async def test_a_changed_file_is_not_verified(tmp_path: Path, signer: Chain, name: str):
    path, media_type = write(tmp_path, name)
    marked = await mark(path, media_type, BY_AI, signer.credentials())
    data = bytearray(marked.path.read_bytes())
    place = data.index({"png": b"IDAT", "mp4": b"mdat", "wav": b"data"}[name]) + 99
    data[place] ^= 1
    marked.path.write_bytes(data)
    assert verified(marked.path, media_type, signer.authority)[0] == "Invalid"


@pytest.mark.parametrize("name", SIGNABLE)
async def test_a_manifest_of_the_makers_is_kept_as_the_parent(
    tmp_path: Path, signer: Chain, name: str
):
    maker = chain()
    path, media_type = write(tmp_path, name)
    theirs = await mark(path, media_type, BY_AI, maker.credentials())
    ours = await mark(theirs.path, media_type, BY_PROGRAM, signer.credentials())
    assert ours.signed is True
    assert ours.path.name == f"{theirs.path.name}.signed", "no label got in between"
    authorities = maker.authority + signer.authority
    state, manifest = verified(ours.path, media_type, authorities)
    assert state == "Trusted"
    assert [action["action"] for action in actions_of(manifest)] == ["c2pa.opened"]
    [parent] = manifest["ingredients"]
    assert parent["relationship"] == "parentOf"
    assert "digitalSourceType" not in json.dumps(actions_of(manifest))


KEYS: dict[str, Callable[[], PrivateKey]] = {
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "es512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


@pytest.mark.parametrize("name", list(KEYS))
async def test_keys_of_every_kind_sign(name: str):
    await check(chain(KEYS[name]()).credentials())


def small_key() -> PrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - meant so


BAD: dict[str, Callable[[Chain], Credentials]] = {
    "another's key": lambda one: Credentials(key=chain().key, certificate=one.certificate),
    "expired": lambda _: chain(age=timedelta(days=100)).credentials(),
    "too weak": lambda _: chain(small_key()).credentials(),
    "no key": lambda one: Credentials(key="-----BEGIN NONSENSE-----", certificate=one.certificate),
    "no certificate": lambda one: Credentials(key=one.key, certificate="-----BEGIN NONSENSE-----"),
    "the authority alone": lambda one: Credentials(key=one.key, certificate=one.authority),
}


@pytest.mark.parametrize("name", list(BAD))
async def test_a_key_that_cannot_sign_costs_nobody_a_file(tmp_path: Path, signer: Chain, name: str):
    credentials = BAD[name](signer)
    with pytest.raises(SigningFailed) as caught:
        await check(credentials)
    assert not any(line in str(caught.value) for line in credentials.key.splitlines()[1:-1])
    path, media_type = write(tmp_path, "png")
    marked = await mark(path, media_type, BY_AI, credentials)
    assert marked.signed is False
    assert marked.path.name.endswith(".labelled"), "the label is there all the same"


async def test_what_cannot_be_signed_is_kept_unsigned(tmp_path: Path, signer: Chain):
    for name in ("aac",):
        path, media_type = write(tmp_path, name)
        assert (await mark(path, media_type, BY_AI, signer.credentials())).signed is False
    path, media_type = write(tmp_path, "png")
    path.write_bytes(path.read_bytes()[:100])
    marked = await mark(path, media_type, BY_AI, signer.credentials())
    assert (marked.path, marked.signed) == (path, False)


async def test_a_ctrl_c_does_not_reach_what_signs(tmp_path: Path, signer: Chain):
    """A terminal sends it to all processes of the group in the foreground."""
    path, media_type = write(tmp_path, "png")
    before = set(psutil.Process().children())
    marking = asyncio.create_task(mark(path, media_type, BY_AI, signer.credentials()))
    sessions: set[int] = set()
    while not marking.done():
        for child in set(psutil.Process().children()) - before:
            with suppress(ProcessLookupError):
                sessions.add(os.getsid(child.pid))
        await asyncio.sleep(0.01)
    assert (await marking).signed is True
    assert sessions
    assert os.getsid(0) not in sessions


def test_the_key_is_shown_nowhere(signer: Chain):
    settings = load_settings(
        {
            "KINETOSCOPE_C2PA_KEY": signer.key,
            "KINETOSCOPE_C2PA_CERTIFICATE": signer.certificate,
        }
    )
    credentials = credentials_of(settings)
    assert credentials is not None
    secret = signer.key.splitlines()[1]
    assert secret in credentials.key
    assert secret not in repr(settings) + repr(credentials)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"C2PA_KEY": "-----BEGIN PRIVATE KEY-----"}, "KINETOSCOPE_C2PA_CERTIFICATE"),
        ({"C2PA_CERTIFICATE": "-----BEGIN CERTIFICATE-----"}, "KINETOSCOPE_C2PA_KEY"),
    ],
)
def test_half_a_pair_stops_the_start(given: dict[str, str], named: str):
    settings = load_settings({f"KINETOSCOPE_{name}": text for name, text in given.items()})
    with pytest.raises(SettingInvalid, match=f"^{named}: is missing"):
        credentials_of(settings)


def test_what_is_no_pem_is_not_repeated():
    with pytest.raises(SettingInvalid) as caught:
        load_settings({"KINETOSCOPE_C2PA_KEY": "MIGHAgEAplanted"})
    assert "planted" not in str(caught.value)


def test_a_key_without_the_extra_stops_the_start(signer: Chain, monkeypatch: pytest.MonkeyPatch):
    settings = load_settings(
        {
            "KINETOSCOPE_C2PA_KEY": signer.key,
            "KINETOSCOPE_C2PA_CERTIFICATE": signer.certificate,
        }
    )
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(SettingInvalid, match=r"kinetoscope\[provenance\]"):
        credentials_of(settings)


def test_no_process_of_ours_loads_the_library():
    program = (
        "import sys, kinetoscope.cli.worker, kinetoscope.server; "
        "print(sorted({'c2pa', 'av', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_every_signable_format_is_named():
    assert set(SIGNABLE) <= set(FILES)
