"""Clients that no lock of ours can hold beside the others: installed when a test needs them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FOLDER = ROOT / "artifacts" / "clients"
"""Not committed; what was installed for one run is there for the next."""

NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
BETA = ROOT / "requirements" / "replicate-beta.txt"


def node_modules() -> tuple[Path, Path]:
    """Install the JavaScript clients; return the folder for their programs, and where node is."""
    # By name: it is a build's, with types of its own.
    command, path = import_module("web.build_hook").npm()
    folder = FOLDER / "javascript"

    def install() -> None:
        for name in NPM_FILES:
            shutil.copy(HERE / name, folder / name)
        environment = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ.get('PATH', '')}"}  # noqa: TID251
        run([*command, "ci", "--no-update-notifier"], folder, environment)

    _once(folder, b"".join((HERE / name).read_bytes() for name in NPM_FILES), install)
    return folder, Path(path) / "node"


def replicate_beta() -> Path:
    """Install the next Replicate client, which has the present one's name; return its folder."""
    folder = FOLDER / "replicate-beta"

    def install() -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        run([*pip, "--target", str(folder), "-r", str(BETA)], folder, dict(os.environ))  # noqa: TID251

    _once(folder, BETA.read_bytes(), install)
    return folder


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run an installer; its words are the reason where it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def _once(folder: Path, wanted: bytes, install: Callable[[], None]) -> None:
    """Install into a folder unless it was done; other test processes wait for it."""
    fingerprint = hashlib.sha256(wanted).hexdigest()
    stamp = folder / "stamp"
    with _locked(folder.with_suffix(".lock")):
        if stamp.exists() and stamp.read_text() == fingerprint:
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install()
        stamp.write_text(fingerprint)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
