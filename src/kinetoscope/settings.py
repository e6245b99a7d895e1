"""Every setting, read once from the environment and checked; nobody else reads it.

Each variable `KINETOSCOPE_X` may instead be given as `KINETOSCOPE_X_FILE`, a path to a file that
holds the value. A setting that is unknown or cannot be used stops the start and is named.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import platformdirs

from kinetoscope.kernel.credits import Credits, parse_credits
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.secrets import DEMO_KEY_SHAPE
from kinetoscope.media.credentials import read_pem

Value = TypeVar("Value")
Network = IPv4Network | IPv6Network

PREFIX = "KINETOSCOPE_"

MEDIA_SCHEMES = frozenset({"file", "s3", "gs", "az"})

DEMO_KEY = "kino_demo_readonly_5f0c1e8a9b3d4c7e2a6f1b0d"
"""Public by design: documentation and new clients may carry it."""

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator decides. Each field is the variable of the same name in capitals."""

    host: str
    """Address to listen on."""
    port: int
    """Port to listen on."""
    data_dir: Path
    """Folder for the embedded database, media and the signing key."""
    database_url: str
    """libpq address of another PostgreSQL; empty for the embedded one."""
    public_url: str
    """Where clients reach this server; media addresses begin with it."""
    api_processes: int
    """How many processes answer requests."""
    render_processes: int
    """How many processes render at once in each worker."""
    media_url: str
    """Where media is stored: file://, s3://, gs:// or az://; empty for the data folder."""
    first_grant: Credits
    """Credits of the local account on the first start."""
    body_bytes_max: int
    """Largest request body."""
    media_lifetime: timedelta
    """How long media is kept (KINETOSCOPE_MEDIA_LIFETIME in days)."""
    task_lifetime: timedelta
    """How long an ended task is known (KINETOSCOPE_TASK_LIFETIME in days)."""
    upload_lifetime: timedelta
    """How long an upload can be read (KINETOSCOPE_UPLOAD_LIFETIME in hours)."""
    task_deadline: timedelta
    """How long a task may stay open before it fails (KINETOSCOPE_TASK_DEADLINE in minutes)."""
    allowed_networks: tuple[Network, ...]
    """Private networks that references may be fetched from, comma-separated; none by default."""
    requests_per_second: int
    """Requests that an account may make in the long run; 0 is no limit for anybody."""
    requests_burst: int
    """Requests that an account may make at once."""
    demo_key: str
    """The public key that reads the sample tasks and nothing else; `off` for none."""
    trusted_proxies: tuple[Network, ...]
    """Networks whose X-Forwarded-For is believed, comma-separated; none by default."""
    c2pa_key: str = field(repr=False)
    """Private key that signs finished files, PEM; empty to sign none."""
    c2pa_certificate: str
    """Its certificate and those that vouch for it, PEM, its own first."""
    log_json: bool
    """Log lines of JSON (1) instead of text (0)."""
    log_level: str
    """debug, info, warning or error."""

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK_HOSTS

    @property
    def work_dir(self) -> Path:
        """Scratch space of running tasks."""
        return self.data_dir / "work"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting; raises SettingInvalid naming the variable."""
    source = os.environ if environment is None else environment  # noqa: TID251 - the one reader
    given = _given(source)
    read = _Reader(given)
    host = read("host", str, "127.0.0.1")
    port = read("port", _port, 8000)
    data_dir = read(
        "data_dir", lambda text: Path(text).expanduser().absolute(), _default_data_dir()
    )
    settings = Settings(
        host=host,
        port=port,
        data_dir=data_dir,
        database_url=read("database_url", str, ""),
        public_url=read("public_url", _url, f"http://{_reachable(host)}:{port}"),
        api_processes=read("api_processes", _positive, 1),
        render_processes=read("render_processes", _positive, max(1, (os.cpu_count() or 2) - 1)),
        media_url=read("media_url", _media_url, f"file://{data_dir / 'media'}"),
        first_grant=read("first_grant", _grant, Credits(1_000_000)),
        body_bytes_max=read("body_bytes_max", _positive, 8 * 1024 * 1024),
        media_lifetime=read("media_lifetime", _days, timedelta(days=14)),
        task_lifetime=read("task_lifetime", _days, timedelta(days=60)),
        upload_lifetime=read("upload_lifetime", _hours, timedelta(hours=24)),
        task_deadline=read("task_deadline", _minutes, timedelta(minutes=60)),
        allowed_networks=read("allowed_networks", _networks, ()),
        requests_per_second=read("requests_per_second", _pace, 50),
        requests_burst=read("requests_burst", _burst, 100),
        demo_key=read("demo_key", _demo_key, DEMO_KEY),
        trusted_proxies=read("trusted_proxies", _networks, ()),
        c2pa_key=read("c2pa_key", read_pem, ""),
        c2pa_certificate=read("c2pa_certificate", read_pem, ""),
        log_json=read("log_json", _flag, False),
        log_level=read("log_level", _log_level, "INFO"),
    )
    read.refuse_unknown()
    return settings


class _Reader:
    """Takes one variable at a time and remembers which ones were meant."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given

    def __call__(self, name: str, parse: Callable[[str], Value], default: Value) -> Value:
        variable = PREFIX + name.upper()
        text = self.given.get(variable, "")
        if text == "":
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise SettingInvalid(f"{variable}: {error}") from None

    def refuse_unknown(self) -> None:
        known = {PREFIX + field.name.upper() for field in fields(Settings)}
        for variable in self.given:
            if variable not in known:
                raise SettingInvalid(f"{variable}: there is no such setting")


def _given(source: Mapping[str, str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for variable, value in source.items():
        if not variable.startswith(PREFIX) or _is_somebody_elses(variable, value):
            continue
        if variable.endswith("_FILE"):
            if source.get(variable.removesuffix("_FILE"), "").strip():
                raise SettingInvalid(f"{variable}: the variable without _FILE is set as well")
            given[variable.removesuffix("_FILE")] = _content(variable, value)
        else:
            given.setdefault(variable, value.strip())
    return given


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingInvalid(f"{variable}: {error.strerror}: {path}") from None
    except ValueError:
        raise SettingInvalid(f"{variable}: {path} is not a text file") from None


def _is_somebody_elses(variable: str, value: str) -> bool:
    """Whether a variable with our prefix is none of our settings.

    KINETOSCOPE_KEY is the client's. The rest is what Kubernetes sets for a service of our name:
    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    name = variable.removeprefix(PREFIX)
    return (
        name == "KEY"
        or name.startswith("SERVICE_")
        or re.fullmatch(r"PORT_[0-9]+_.*", name) is not None
        or (name == "PORT" and "://" in value)
    )


def _default_data_dir() -> Path:
    # As root the database runs as another user, who could not reach root's own home.
    if os.geteuid() == 0:
        return Path("/var/lib/kinetoscope")
    return Path(platformdirs.user_data_dir("kinetoscope"))


def _reachable(host: str) -> str:
    """Return a host that a client on this machine can use."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _number(text: str, smallest: int, largest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None
    if not smallest <= number <= largest:
        raise ValueError(f"{number} does not lie between {smallest} and {largest}")
    return number


def _port(text: str) -> int:
    return _number(text, 1, 65535)


def _positive(text: str) -> int:
    return _number(text, 1, 2**40)


def _pace(text: str) -> int:
    return _number(text, 0, 1_000_000)


def _burst(text: str) -> int:
    return _number(text, 1, 1_000_000)


def _days(text: str) -> timedelta:
    return timedelta(days=_number(text, 1, 36500))


def _hours(text: str) -> timedelta:
    return timedelta(hours=_number(text, 1, 876000))


def _minutes(text: str) -> timedelta:
    return timedelta(minutes=_number(text, 1, 525600))


def _demo_key(text: str) -> str:
    if text.lower() == "off":
        return ""
    if DEMO_KEY_SHAPE.fullmatch(text) is None:
        raise ValueError("is neither `off` nor kino_demo_readonly_ and 24 hexadecimal digits")
    return text


def _flag(text: str) -> bool:
    if text.lower() not in {"0", "1", "false", "true"}:
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return text.lower() in {"1", "true"}


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("what it says is not an http or https address")  # it may hold a password
    return text.rstrip("/")


def _media_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if scheme not in MEDIA_SCHEMES or not separator or not rest:
        raise ValueError("what it says does not begin with file://, s3://, gs:// or az://")
    return text


def _grant(text: str) -> Credits:
    # Looked at before it is multiplied: Decimal's exponents reach further than any arithmetic.
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,2})?", text):
        raise ValueError(f"{text!r} is not an amount such as 10000 or 142.57")
    return parse_credits(text)


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(","))


def _log_level(text: str) -> str:
    if text.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError(f"{text!r} is none of debug, info, warning, error")
    return text.upper()


def child_environment(conninfo: str) -> dict[str, str]:
    """Return the environment of a process we start: ours, and the database we already opened."""
    environment = dict(os.environ)  # noqa: TID251 - the one reader
    environment.pop("KINETOSCOPE_DATABASE_URL_FILE", None)
    return {**environment, "KINETOSCOPE_DATABASE_URL": conninfo}
