"""One embedded database on disk: where its parts lie, how it is made, how its server is run."""

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from kinetoscope.kernel.errors import KinetoscopeError, SettingInvalid
from kinetoscope.postgres import launch
from kinetoscope.postgres.binaries import Binaries
from kinetoscope.postgres.server_user import ServerUser, server_user

ROLE = "kinetoscope"
DATABASE = "kinetoscope"
_SUPERUSER = "postgres"
_PORT = 5432
_CONNECT_TIMEOUT_S = 2
_SOCKET = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_BYTES_MAX = 100  # the kernel's limit is 107 on Linux and 103 on macOS
_LOG_BYTES_MAX = 8 * 1024 * 1024
_LOG_TAIL_BYTES = 800
_SHORT_FOLDERS = Path("/tmp")  # noqa: S108 - the same for every process, unlike $TMPDIR
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Statements and row values may hold prompts and secrets: they stay out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class ServerUnavailable(KinetoscopeError):
    """The embedded PostgreSQL server does not run, though nothing is wrong with the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A base folder with everything in it, and the user the server runs as."""

    folder: Path
    sockets: Path
    user: ServerUser

    @property
    def data(self) -> Path:
        """Return PostgreSQL's own data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Return the server's log."""
        return self.folder / "server.log"

    @property
    def store(self) -> Path:
        """Return where private copies of the programs go."""
        return self.folder / "binaries"

    @property
    def pid_file(self) -> Path:
        """Return the file in which a server notes its process id and state."""
        return self.data / "postmaster.pid"

    @property
    def socket_files(self) -> tuple[Path, Path]:
        """Return the socket and its lock file."""
        return self.sockets / _SOCKET, self.sockets / f"{_SOCKET}.lock"

    @property
    def name(self) -> str:
        """Return the name every process of this server carries in its title."""
        return f"kinetoscope-{_digest(self.folder)}"

    @property
    def conninfo(self) -> str:
        """Return how to connect; the role owns the database, and is no superuser."""
        return make_conninfo(host=str(self.sockets), port=_PORT, user=ROLE, dbname=DATABASE)

    def major(self) -> int | None:
        """Return the version that wrote the data, or None where there are no data yet."""
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def log_tail(self) -> str:
        """Return the end of the server's log, to be shown with an error."""
        try:
            return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
        except OSError:
            return ""


def cluster_in(folder: Path) -> Cluster:
    """Return the cluster of a base folder, and make the folder if it is missing.

    Raises SettingInvalid where the folder cannot be made, or cannot be reached by the server.
    """
    _make(folder)
    folder = folder.resolve()
    user = server_user(folder / "data")
    closed = user.barrier(folder) if user.switched else None
    if closed is not None:
        raise SettingInvalid(
            f"PostgreSQL refuses to run as root, so it runs as user {user.name}, who may not enter "
            f"{closed}. Set KINETOSCOPE_DATA_DIR to a folder open to that user, for example "
            "/var/lib/kinetoscope, or run kinetoscope as an ordinary user."
        )
    return Cluster(folder=folder, sockets=_socket_folder(folder), user=user)


def _make(folder: Path) -> None:
    # What root makes here, the server's user has to pass through.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        for step in (*reversed(folder.parents), folder):
            if not step.is_dir():
                step.mkdir(exist_ok=True)
                step.chmod(mode)
    except OSError as error:
        raise SettingInvalid(
            f"The folder {folder} cannot be made: {error.strerror}. Set KINETOSCOPE_DATA_DIR to a "
            "folder you can write."
        ) from error


def _socket_folder(folder: Path) -> Path:
    path = str(folder / "run" / _SOCKET)
    # libpq and the server read commas as the end of a path, and quotes as quotes.
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX and not set(path) & set(",\"'\n"):
        return folder / "run"
    return _SHORT_FOLDERS / f"kinetoscope-{_digest(folder)}"


def _digest(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def prepare(cluster: Cluster) -> None:
    """Make the socket folder, see that it is the server's own, and keep the log small."""
    try:
        cluster.sockets.mkdir(mode=0o700)
        cluster.user.own(cluster.sockets)
    except FileExistsError:
        check_sockets(cluster)
    bound_log(cluster)


def check_sockets(cluster: Cluster) -> None:
    """Refuse a socket folder that somebody else has made: they could pose as the server."""
    try:
        status = cluster.sockets.lstat()
    except FileNotFoundError:
        return
    # Root that died between making the folder and giving it away left it root's.
    if status.st_uid == os.geteuid() and not cluster.sockets.is_symlink():
        cluster.user.own(cluster.sockets)
        status = cluster.sockets.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if status.st_uid != cluster.user.uid or not private:
        raise SettingInvalid(
            f"{cluster.sockets} is not a private folder of user {cluster.user.name}. Remove it, "
            "or set KINETOSCOPE_DATA_DIR to another folder."
        )


def forget_sockets(cluster: Cluster) -> None:
    """Remove a socket folder outside the base folder, which nobody would look for."""
    if cluster.sockets.parent != cluster.folder:
        with contextlib.suppress(OSError):
            cluster.sockets.rmdir()


def bound_log(cluster: Cluster) -> None:
    """Keep the log small: what is too much moves to `server.log.1`, whatever was there before."""
    if cluster.log.is_file() and cluster.log.lstat().st_size > _LOG_BYTES_MAX:
        older = cluster.log.with_suffix(".log.1")
        older.unlink(missing_ok=True)
        # Copied and emptied, not renamed: a running server keeps on writing to the same file.
        shutil.copyfile(cluster.log, older)
        older.chmod(0o600)
        os.truncate(cluster.log, 0)


def initialise(
    cluster: Cluster, binaries: Binaries, claim: int
) -> "tuple[subprocess.Popen[bytes], Path]":
    """Start making the data under a temporary name, to be renamed by `adopt` when it is done."""
    if cluster.data.exists() and any(cluster.data.iterdir()):
        raise SettingInvalid(
            f"{cluster.data} holds files, but no database. Move them away, or set "
            "KINETOSCOPE_DATA_DIR to another folder. Nothing has been changed."
        )
    for leftover in cluster.folder.glob("data.partial.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix="data.partial.", dir=cluster.folder))
    cluster.user.own(partial)
    options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions"]
    program = [str(binaries.initdb), "-D", str(partial), "-U", _SUPERUSER, *options]
    return _spawn(cluster, program, death_signal=signal.SIGKILL, claim=claim), partial


def adopt(cluster: Cluster, partial: Path) -> None:
    """Give finished data their name, and make that durable."""
    partial.rename(cluster.data)
    descriptor = os.open(cluster.folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start(cluster: Cluster, binaries: Binaries, claim: int) -> "subprocess.Popen[bytes]":
    """Start the server. It stops when the calling thread ends, and holds the claim until then."""
    settings = {
        **_SETTINGS,
        "cluster_name": cluster.name,
        "unix_socket_directories": str(cluster.sockets),
    }
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    program = [str(binaries.postgres), "-D", str(cluster.data), *options]
    return _spawn(cluster, program, death_signal=signal.SIGINT, claim=claim)


def _spawn(
    cluster: Cluster, program: list[str], *, death_signal: int, claim: int
) -> "subprocess.Popen[bytes]":
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(cluster.log, flags, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        cluster.user.own(cluster.log)
        return subprocess.Popen(  # noqa: S603 - PostgreSQL's own programs, no shell
            launch.command(program, user=cluster.user.ids, death_signal=death_signal),
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(claim,),
            # A session of its own: Ctrl-C at the terminal is for us, who then stop it in order.
            start_new_session=True,
        )


def says_ready(cluster: Cluster, pid: int) -> bool:
    """Tell whether the server with this process id has noted that it accepts connections."""
    try:
        lines = cluster.pid_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return lines[:1] == [str(pid)] and lines[-1].strip() == "ready"


def accepts(cluster: Cluster) -> bool:
    """Tell whether the application's database can be reached now."""
    try:
        psycopg.connect(cluster.conninfo, connect_timeout=_CONNECT_TIMEOUT_S).close()
    except psycopg.OperationalError:
        return False
    return True


def ensure_database(cluster: Cluster) -> None:
    """Create the application's role and database where they are missing."""
    conninfo = make_conninfo(cluster.conninfo, user=_SUPERUSER, dbname="postgres")
    with psycopg.connect(
        conninfo, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
    ) as connection:
        row = connection.execute(
            "SELECT to_regrole(%s), (SELECT oid FROM pg_database WHERE datname = %s)",
            [ROLE, DATABASE],
        ).fetchone()
        role, database = row or (None, None)
        if role is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(ROLE)))
        if database is None:
            names = sql.Identifier(DATABASE), sql.Identifier(ROLE)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
