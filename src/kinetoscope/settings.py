"""Every setting, read once from the environment and checked; nobody else reads it.

Each variable `KINETOSCOPE_X` may instead be given as `KINETOSCOPE_X_FILE`, a path to a file that
holds the value. A setting that is unknown or cannot be used stops the start and is named.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import platformdirs

from kinetoscope.kernel import setting_values as values
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.media.credentials import read_pem
from kinetoscope.people_settings import PeopleSettings, read_people, require_usable
from kinetoscope.providers.cost import parse_usd

Value = TypeVar("Value")

PREFIX = "KINETOSCOPE_"

PROVIDER_KEY = re.compile(r"KINETOSCOPE_PROVIDER_([A-Z0-9_]+)_KEY")

DEMO_KEY = "kino_demo_readonly_5f0c1e8a9b3d4c7e2a6f1b0d"
"""Public by design: documentation and new clients may carry it."""

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(PeopleSettings):
    """What an operator decides. Each field is the variable of the same name in capitals."""

    host: str
    """Address to listen on."""
    port: int
    """Port to listen on."""
    data_dir: Path
    """Folder for the embedded database, media and the signing key."""
    config_dir: Path
    """Folder of the operator's files: `models/*.toml` and `providers/*.toml`."""
    database_url: str
    """libpq address of another PostgreSQL; empty for the embedded one."""
    public_url: str
    """Where clients reach this server; media addresses begin with it."""
    api_processes: int
    """How many processes answer requests."""
    worker_processes: int
    """How many workers `serve` keeps."""
    render_processes: int
    """How many processes render at once in each worker."""
    media_url: str
    """Where media is stored: file://, s3://, gs:// or az://; empty for the data folder."""
    model_names: Mapping[str, str]
    """Further names of models for the clients of other services: `theirs=ours`, with commas."""
    adapters: tuple[str, ...]
    """Python modules whose `ADAPTERS` provider files may name besides ours, comma-separated."""
    credit_usd_micros: int = field(metadata={"variable": "KINETOSCOPE_CREDIT_USD"})
    """What a credit counts in margins, in dollars (KINETOSCOPE_CREDIT_USD)."""
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
    uploads_max: int
    """How many uploads an account may have at once."""
    upstream_callbacks: bool
    """Whether upstreams are given addresses to call back (1) although ours is not https."""
    task_deadline: timedelta
    """How long a task may stay open before it fails (KINETOSCOPE_TASK_DEADLINE in minutes)."""
    unknown_deadline: timedelta
    """How long a hold waits for a lost answer (KINETOSCOPE_UNKNOWN_DEADLINE in seconds)."""
    allowed_networks: tuple[values.Network, ...]
    """Private networks that references may be fetched from, comma-separated; none by default."""
    queues: tuple[str, ...]
    """Queues that `serve`'s own worker serves, comma-separated; all if empty, `none` for none."""
    egress_ports: tuple[int, ...]
    """Ports besides 80, 443, 8080 and 8443 that fetches and webhooks may go to, comma-separated."""
    hosted_tasks: int
    """How many tasks of distant providers a worker follows at once, in each queue."""
    requests_per_second: int
    """Requests that an account may make in the long run; 0 is no limit for anybody."""
    requests_burst: int
    """Requests that an account may make at once."""
    requests_per_address: int
    """The same for an address that brings the demo key or none, in the long run; 0 is no limit."""
    demo_key: str
    """The public key that reads the sample tasks and nothing else; `off` for none."""
    trusted_proxies: tuple[values.Network, ...]
    """Networks whose X-Forwarded-For is believed, comma-separated; none by default."""
    c2pa_key: str = field(repr=False)
    """Private key that signs finished files, PEM; empty to sign none."""
    c2pa_certificate: str
    """Its certificate and those that vouch for it, PEM, its own first."""
    signing_key: bytes = field(repr=False)
    """32 bytes that all machines of a deployment share; empty for a file in the data folder."""
    secrets_key: tuple[bytes, ...] = field(repr=False)
    """Seals stored provider keys, comma-separated; the first seals, the others only open."""
    provider_keys: Mapping[str, str] = field(
        repr=False, metadata={"variable": "KINETOSCOPE_PROVIDER_<NAME>_KEY"}
    )
    """Providers' keys by name, each in a variable of its own, in capitals and with _ for -."""
    log_json: bool
    """Log lines of JSON (1) instead of text (0)."""
    log_level: str
    """debug, info, warning or error."""

    def __post_init__(self) -> None:
        require_usable(self, self.public_url)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server, as far as its settings tell."""
        return is_local(self.host, self.public_url)

    @property
    def work_dir(self) -> Path:
        """Scratch space of running tasks."""
        return self.data_dir / "work"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting; raises SettingInvalid naming the variable."""
    source = os.environ if environment is None else environment  # noqa: TID251 - the one reader
    read = _Reader(_given(source))
    host, port = read("host", str, "127.0.0.1"), read("port", values.port, 8000)
    data_dir = read("data_dir", values.folder, _default_data_dir())
    public_url = read("public_url", values.url, f"http://{_reachable(host)}:{port}")
    settings = Settings(
        host=host,
        port=port,
        data_dir=data_dir,
        config_dir=read("config_dir", values.folder, data_dir / "config"),
        database_url=read("database_url", str, ""),
        public_url=public_url,
        api_processes=read("api_processes", values.positive, 1),
        worker_processes=read("worker_processes", values.positive, 1),
        render_processes=read("render_processes", values.positive, _spare_cores()),
        media_url=read("media_url", values.media_url, f"file://{data_dir / 'media'}"),
        first_grant=read("first_grant", values.grant, Credits(1_000_000)),
        model_names=read("model_names", values.pairs, {}),
        adapters=read("adapters", values.names, ()),
        credit_usd_micros=read("credit_usd", parse_usd, parse_usd("0.005")),
        body_bytes_max=read("body_bytes_max", values.positive, 24 * 1024 * 1024),
        media_lifetime=read("media_lifetime", values.days, timedelta(days=14)),
        task_lifetime=read("task_lifetime", values.days, timedelta(days=60)),
        upload_lifetime=read("upload_lifetime", values.hours, timedelta(hours=24)),
        uploads_max=read("uploads_max", values.positive, 1000),
        task_deadline=read("task_deadline", values.minutes, timedelta(minutes=60)),
        upstream_callbacks=read("upstream_callbacks", values.flag, False),
        unknown_deadline=read("unknown_deadline", values.seconds, timedelta(minutes=30)),
        allowed_networks=read("allowed_networks", values.networks, ()),
        queues=read("queues", values.names, ()),
        egress_ports=read("egress_ports", values.ports, ()),
        hosted_tasks=read("hosted_tasks", values.positive, 5000),
        requests_per_second=read("requests_per_second", values.pace, 50),
        requests_burst=read("requests_burst", values.burst, 100),
        requests_per_address=read("requests_per_address", values.pace, 100),
        demo_key=read("demo_key", values.demo_key, DEMO_KEY),
        trusted_proxies=read("trusted_proxies", values.networks, ()),
        c2pa_key=read("c2pa_key", read_pem, ""),
        c2pa_certificate=read("c2pa_certificate", read_pem, ""),
        signing_key=read("signing_key", values.key_of_32_bytes, b""),
        secrets_key=read("secrets_key", values.keys_of_32_bytes, ()),
        provider_keys=read.provider_keys(),
        log_json=read("log_json", values.flag, False),
        log_level=read("log_level", values.log_level, "INFO"),
        **read_people(read, is_local=is_local(host, public_url)),
    )
    read.refuse_unknown()
    return settings


def is_local(host: str, public_url: str) -> bool:
    """Whether a server is for its own machine: one behind a proxy is not, wherever it listens."""
    return host in LOOPBACK_HOSTS and urlsplit(public_url).hostname in LOOPBACK_HOSTS


class _Reader:
    """Takes one variable at a time and remembers which ones were meant."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given

    def __call__(self, name: str, parse: Callable[[str], Value], default: Value) -> Value:
        return self._read(PREFIX + name.upper(), parse, default)

    def _read(self, variable: str, parse: Callable[[str], Value], default: Value) -> Value:
        text = self.given.get(variable, "")
        if text == "":
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise SettingInvalid(f"{variable}: {error}") from None

    def provider_keys(self) -> dict[str, str]:
        """Take every variable that holds a provider's key, by the provider's name in capitals."""
        matches = filter(None, map(PROVIDER_KEY.fullmatch, self.given))
        found = {match[1]: self._read(match[0], values.credential, "") for match in matches}
        return {name: key for name, key in found.items() if key}

    def refuse_unknown(self) -> None:
        known = {variable_of(setting) for setting in fields(Settings)}
        for variable in self.given:
            if variable not in known and not PROVIDER_KEY.fullmatch(variable):
                raise SettingInvalid(f"{variable}: there is no such setting")


def variable_of(setting: "Field[Any]") -> str:
    """Return the variable that a field of Settings is read from."""
    return str(setting.metadata.get("variable", PREFIX + setting.name.upper()))


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

    KINETOSCOPE_KEY and KINETOSCOPE_URL are the client's. The rest is what Kubernetes sets for a
    service of our name:
    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    name = variable.removeprefix(PREFIX)
    return (
        name in {"KEY", "URL"}
        or name.startswith("SERVICE_")
        or re.fullmatch(r"PORT_[0-9]+_.*", name) is not None
        or (name == "PORT" and "://" in value)
    )


def _default_data_dir() -> Path:
    # As root the database runs as another user, who could not reach root's own home.
    if os.geteuid() == 0:
        return Path("/var/lib/kinetoscope")
    return Path(platformdirs.user_data_dir("kinetoscope"))


def _spare_cores() -> int:
    return max(1, (os.cpu_count() or 2) - 1)


def _reachable(host: str) -> str:
    """Return a host that a client on this machine can use."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def child_environment(conninfo: str) -> dict[str, str]:
    """Return the environment of a process we start: ours, and the database we already opened."""
    environment = dict(os.environ)  # noqa: TID251 - the one reader
    environment.pop("KINETOSCOPE_DATABASE_URL_FILE", None)
    return {**environment, "KINETOSCOPE_DATABASE_URL": conninfo}
