"""`kinetoscope doctor` says whether files can be signed, before a task finds out."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from tests.certificates import Chain, chain


@pytest.fixture(autouse=True)
def owned(conninfo: str) -> None:
    """Let the command bring the schema forward, as the owner of a database may."""
    admin = psycopg.conninfo.make_conninfo(conninfo, user="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("grant create on schema public to kinetoscope")


def doctor(conninfo: str, folder: Path, signer: Chain | None) -> tuple[int, str]:
    environment = {
        "KINETOSCOPE_DATABASE_URL": conninfo,
        "KINETOSCOPE_DATA_DIR": str(folder / "data"),
        "PATH": "/usr/bin:/bin",
    }
    if signer is not None:
        for name, text in (("KEY", signer.key), ("CERTIFICATE", signer.certificate)):
            path = folder / f"{name}.pem"
            path.write_text(text)
            environment[f"KINETOSCOPE_C2PA_{name}_FILE"] = str(path)
    # A process of its own: in this one, the command would set up logging for all tests after it.
    done = subprocess.run(
        [sys.executable, "-m", "kinetoscope", "doctor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_without_a_key_nothing_is_signed_and_nothing_is_wrong(conninfo: str, tmp_path: Path):
    code, said = doctor(conninfo, tmp_path, None)
    assert "provenance   files are labelled, not signed: there is no key" in said
    assert code == 0


def test_a_good_key_is_tried(conninfo: str, tmp_path: Path):
    code, said = doctor(conninfo, tmp_path, chain())
    assert "provenance   files are labelled and signed" in said
    assert code == 0


@pytest.mark.parametrize("what", ["another's key", "expired"])
def test_a_bad_key_is_found_out(conninfo: str, tmp_path: Path, what: str):
    signer = chain(age=timedelta(days=100))
    if what == "another's key":
        signer = chain()._replace(key=chain().key)
    code, said = doctor(conninfo, tmp_path, signer)
    assert "provenance   CANNOT SIGN: " in said
    assert "0 discrepancies" in said
    assert code == 1


def test_half_a_pair_is_named(conninfo: str, tmp_path: Path):
    code, said = doctor(conninfo, tmp_path, chain()._replace(certificate=""))
    assert "KINETOSCOPE_C2PA_CERTIFICATE" in said
    assert code == 1
