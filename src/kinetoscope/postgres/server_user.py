"""Which user the embedded server runs as, and what that user can reach."""

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from kinetoscope.kernel.errors import SettingInvalid

if sys.platform != "win32":
    import pwd

_NOBODY = 65534


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUser:
    """The user PostgreSQL runs as. `switched` says that it is not the one we run as."""

    uid: int
    gid: int
    name: str
    switched: bool

    @property
    def ids(self) -> tuple[int, int] | None:
        """Return what a child has to change to, or None where it may stay as it is."""
        return (self.uid, self.gid) if self.switched else None

    def own(self, path: Path) -> None:
        """Give the server's user a file or folder that we have made."""
        if not self.switched:
            return
        try:
            # In a folder of that user a link could lead anywhere.
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        except OSError as error:
            raise SettingInvalid(
                f"PostgreSQL refuses to run as root, and here root may not hand {path} to user "
                f"{self.name} ({error.strerror}). Run kinetoscope as an ordinary user, or set "
                "KINETOSCOPE_DATABASE_URL to a PostgreSQL server of your own."
            ) from error

    def may(self, path: Path, permission: int) -> bool:
        """Tell whether this user has a permission (4 read, 1 execute or traverse) on the path.

        Judges by the mode bits, because trying it would take a process of that user.
        """
        status = path.stat()
        if self.uid == 0:
            return True
        if status.st_uid == self.uid:
            return bool(stat.S_IMODE(status.st_mode) >> 6 & permission)
        if status.st_gid == self.gid:
            return bool(stat.S_IMODE(status.st_mode) >> 3 & permission)
        return bool(stat.S_IMODE(status.st_mode) & permission)

    def barrier(self, folder: Path) -> Path | None:
        """Return the first folder on the way to `folder`, itself included, that is closed."""
        way = (*reversed(folder.parents), folder)
        return next((step for step in way if not self.may(step, 1)), None)


def server_user(data: Path) -> ServerUser:
    """Return who runs the server: ourselves, or, for root, the owner of the data, else nobody.

    Raises SettingInvalid where the data belong to another user.
    """
    uid = os.geteuid()
    owner = data.stat().st_uid if data.exists() else None
    if uid != 0:
        if owner not in (None, uid):
            raise SettingInvalid(
                f"The data folder {data} belongs to user {_name(owner or 0)}. Run kinetoscope as "
                "that user or as root, or set KINETOSCOPE_DATA_DIR to a folder of your own."
            )
        return ServerUser(uid=uid, gid=os.getegid(), name=_name(uid), switched=False)
    if owner:
        return ServerUser(uid=owner, gid=data.stat().st_gid, name=_name(owner), switched=True)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return ServerUser(uid=_NOBODY, gid=_NOBODY, name="nobody", switched=True)
    return ServerUser(uid=nobody.pw_uid, gid=nobody.pw_gid, name="nobody", switched=True)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
