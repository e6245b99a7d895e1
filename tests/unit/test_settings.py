"""Settings: each is read, each is checked, and whatever stops the start is named."""

import base64
import re
from dataclasses import fields, replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.people_settings import Pack
from kinetoscope.settings import PREFIX, Settings, load_settings, variable_of

VARIABLES = {field.name: variable_of(field) for field in fields(Settings)}


def test_nothing_needs_to_be_set():
    settings = load_settings({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.database_url, settings.api_processes) == ("", 1)
    assert settings.first_grant == Credits(10_000_00)
    assert settings.body_bytes_max == 24 * 1024 * 1024
    assert settings.media_lifetime == timedelta(days=14)
    assert settings.task_lifetime == timedelta(days=60)
    assert settings.upload_lifetime == timedelta(hours=24)
    assert settings.task_deadline == timedelta(minutes=60)
    assert settings.unknown_deadline == timedelta(minutes=30)
    assert (settings.upstream_callbacks, settings.hosted_tasks) == (False, 5000)
    assert (settings.adapters, settings.credit_usd_micros) == ((), 5000)
    assert settings.config_dir == settings.data_dir / "config"
    assert (settings.signing_key, settings.secrets_key) == (b"", ())
    assert settings.provider_keys == {}
    assert settings.allowed_networks == ()
    assert settings.egress_ports == ()
    assert settings.trusted_proxies == ()
    assert (settings.requests_per_second, settings.requests_burst) == (50, 100)
    assert (settings.requests_per_address, settings.uploads_max) == (100, 1000)
    assert (settings.log_json, settings.log_level) == (False, "INFO")
    assert settings.media_url == f"file://{settings.data_dir}/media"
    assert settings.is_local
    assert (settings.sign_up, settings.sign_up_grant) == ("open", Credits(500_00))
    assert (settings.stripe_key, settings.oidc_issuer, settings.passkeys) == ("", "", False)
    assert settings.render_processes >= 1


GOOD = [
    ("host", "0.0.0.0", "0.0.0.0"),  # noqa: S104 - read, not bound
    ("port", "1", 1),
    ("port", "65535", 65535),
    ("data_dir", "/srv/kinetoscope", Path("/srv/kinetoscope")),
    ("config_dir", "/etc/kinetoscope", Path("/etc/kinetoscope")),
    ("signing_key", "AB" * 32, b"\xab" * 32),
    ("signing_key", base64.b64encode(b"\xfb\xef" * 16).decode(), b"\xfb\xef" * 16),
    ("signing_key", base64.urlsafe_b64encode(b"\xfb\xef" * 16).decode(), b"\xfb\xef" * 16),
    ("signing_key", base64.b64encode(b"k" * 32).decode().rstrip("="), b"k" * 32),
    ("secrets_key", "ab" * 32, (b"\xab" * 32,)),
    (
        "secrets_key",
        "ab" * 32 + ", " + base64.b64encode(b"k" * 32).decode(),
        (b"\xab" * 32, b"k" * 32),
    ),
    ("database_url", "postgresql://kino@db/kino", "postgresql://kino@db/kino"),
    ("public_url", "https://media.example.com/", "https://media.example.com"),
    ("public_url", "https://example.com/kino", "https://example.com/kino"),
    ("api_processes", "4", 4),
    ("worker_processes", "2", 2),
    ("render_processes", "2", 2),
    ("media_url", "s3://bucket/prefix", "s3://bucket/prefix"),
    ("media_url", "file:///srv/media", "file:///srv/media"),
    ("media_url", "gs://bucket", "gs://bucket"),
    ("media_url", "az://container", "az://container"),
    ("first_grant", "142.57", Credits(142_57)),
    ("first_grant", "0", Credits(0)),
    ("body_bytes_max", "1024", 1024),
    ("uploads_max", "5", 5),
    ("requests_per_address", "0", 0),
    ("media_lifetime", "1", timedelta(days=1)),
    ("task_lifetime", "30", timedelta(days=30)),
    ("upload_lifetime", "2", timedelta(hours=2)),
    ("task_deadline", "90", timedelta(minutes=90)),
    ("unknown_deadline", "90", timedelta(seconds=90)),
    ("upstream_callbacks", "1", True),
    ("hosted_tasks", "10", 10),
    ("credit_usd_micros", "0.0123", 12300),
    ("adapters", "ours.adapters, theirs", ("ours.adapters", "theirs")),
    ("allowed_networks", "10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
    ("egress_ports", "3000, 9443", (3000, 9443)),
    (
        "allowed_networks",
        "10.0.0.0/8, fd00::/8",
        (ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
    ),
    ("requests_per_second", "0", 0),
    ("requests_per_second", "1000000", 1_000_000),
    ("requests_burst", "1", 1),
    ("trusted_proxies", "127.0.0.1", (ip_network("127.0.0.1/32"),)),
    ("trusted_proxies", "10.0.0.0/8,::1", (ip_network("10.0.0.0/8"), ip_network("::1/128"))),
    ("sign_up", "invited", "invited"),
    ("sign_up_grant", "12.5", Credits(12_50)),
    ("sign_ups_per_hour", "3", 3),
    ("operator_email", "ops@example.com", "ops@example.com"),
    ("passkeys", "1", True),
    ("oidc_issuer", "https://id.example.com/realm", "https://id.example.com/realm"),
    ("oidc_name", "Example", "Example"),
    ("currency", "eur", "eur"),
    ("credit_packs", "10=1", (Pack(credits=Credits(10_00), price_minor=100),)),
    (
        "credit_packs",
        "1000=4.99, 2.5=0.10",
        (
            Pack(credits=Credits(1000_00), price_minor=499),
            Pack(credits=Credits(250), price_minor=10),
        ),
    ),
    ("log_json", "1", True),
    ("log_json", "false", False),
    ("log_level", "debug", "DEBUG"),
    ("port", " 8001\n", 8001),
    ("port", "", 8000),
    ("media_lifetime", "", timedelta(days=14)),
]


NEEDS = {
    "passkeys": {"KINETOSCOPE_PUBLIC_URL": "https://kinetoscope.example"},
    "oidc_issuer": {"KINETOSCOPE_OIDC_CLIENT_ID": "kinetoscope"},
}
"""What cannot be set without something else."""


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_good_value_is_taken_and_changes_nothing_else(name: str, text: str, value: object):
    needed = NEEDS.get(name, {})
    usual = load_settings(needed)
    changed = load_settings({**needed, VARIABLES[name]: text})
    assert getattr(changed, name) == value
    follow = (
        {"public_url", "media_url", "config_dir"} if name in {"host", "port", "data_dir"} else set()
    )
    if name in {"host", "public_url"}:  # strangers can come
        follow |= {"sign_up", "sign_up_grant"}
    for field in fields(Settings):
        if field.name != name and field.name not in follow:
            assert getattr(changed, field.name) == getattr(usual, field.name), field.name


SECRET_TRIES = ["short", "ab" * 31, "ab" * 33, "xy" * 32, "kä" * 16, "k" * 44]

BAD = {
    "port": ["0", "65536", "-1", "x", "80.5", "1e3"],
    "public_url": [
        "example.com",
        "ftp://example.com",
        "https://",
        "/x",
        "https://example.com?x=1",
        "https://example.com#x",
        "http://[::1",
    ],
    "model_names": ["sora-2", "=seedance-20", "sora-2=", "a=b,a=c", ","],
    "api_processes": ["0", "-1", "many"],
    "worker_processes": ["0", "-1", "many"],
    "render_processes": ["0", "1.5"],
    "media_url": ["media", "/srv/media", "ftp://x/y", "file://", "s3:bucket", "://x"],
    "first_grant": ["x", "-5", "0.001", "NaN", "Infinity", "1e999999999", "1" * 16, "1,5"],
    "body_bytes_max": ["0", "8M"],
    "uploads_max": ["0", "many"],
    "requests_per_address": ["-1", "x"],
    "media_lifetime": ["0", "14d", "36501", "-1"],
    "task_lifetime": ["0", "60d", "36501"],
    "upload_lifetime": ["0", "24h", "876001"],
    "task_deadline": ["0", "1h", "525601"],
    "unknown_deadline": ["0", "30m", "31536001"],
    "upstream_callbacks": ["yes", "2"],
    "hosted_tasks": ["0", "-1", "many"],
    "credit_usd_micros": ["0.0000001", "-1", "1,5", "free"],
    "egress_ports": ["http", "0", "65536", "80,", "80 443"],
    "allowed_networks": ["10.0.0.0/33", "10.0.0.1/8", "intranet", "10.0.0.0/8,,", "10.0.0.0/8 x"],
    "demo_key": ["on", "kino_demo_readonly_", "kino_demo_readonly_" + "0" * 23, "kino_live_x"],
    "requests_per_second": ["-1", "1000001", "5/s"],
    "requests_burst": ["0", "many", "1000001"],
    "trusted_proxies": ["10.0.0.1/8", "proxy", "10.0.0.0/8,"],
    "c2pa_key": ["x", "/etc/key.pem", "MIGHAgEA"],
    "c2pa_certificate": ["x", "/etc/certificate.pem"],
    "signing_key": SECRET_TRIES,
    "secrets_key": [*SECRET_TRIES, "ab" * 32 + ",", "ab" * 32 + " " + "cd" * 32],
    "sign_up": ["yes", "everybody"],
    "sign_up_grant": ["x", "-5", "0.001"],
    "sign_ups_per_hour": ["0", "many"],
    "operator_email": ["nobody", "a b@example.com", "<x>@example.com"],
    "passkeys": ["yes", "2"],
    "oidc_issuer": ["id.example.com", "ftp://id.example.com"],
    "oidc_client_secret": ["über"],
    "stripe_key": ["über"],
    "stripe_webhook_secret": ["über"],
    "stripe_url": ["api.stripe.com", "ftp://api.stripe.com"],
    "currency": ["US", "dollars", "USD"],
    "credit_packs": ["1000", "1000=x", "=5", "0=5", "10=0", "10=1,", "10=1.5", "1e3=5", "1=2.3.4"],
    "log_json": ["yes", "2"],
    "log_level": ["loud", "10"],
}

UNCHECKED = {"queues", "host", "data_dir", "config_dir", "database_url", "adapters"}
UNCHECKED |= {"oidc_name", "oidc_client_id"}
"""Only the network, the disk, the database and the import can tell whether these are good."""


def test_every_setting_is_known_to_the_tests():
    assert set(BAD) | UNCHECKED | {"provider_keys"} == set(VARIABLES)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in BAD for text in BAD[name]])
def test_a_bad_value_stops_the_start_and_names_its_variable(name: str, text: str):
    variable = VARIABLES[name]
    with pytest.raises(SettingInvalid) as stopped:
        load_settings({variable: text})
    message = str(stopped.value)
    assert message.startswith(f"{variable}: ")
    assert "\n" not in message
    assert len(message) > len(variable) + 12


@pytest.mark.parametrize(
    "variable", ["KINETOSCOPE_PROT", "KINETOSCOPE_", "KINETOSCOPE_port", "KINETOSCOPE_IS_LOCAL"]
)
def test_a_setting_that_does_not_exist_stops_the_start(variable: str):
    with pytest.raises(SettingInvalid, match=re.escape(f"{variable}: there is no such setting")):
        load_settings({variable: "1"})


@pytest.mark.parametrize("name", ["signing_key", "secrets_key"])
@pytest.mark.parametrize("text", ["ab" * 31, "x" * 33, "kä" * 16])
def test_a_bad_secret_is_not_repeated(name: str, text: str):
    with pytest.raises(SettingInvalid) as stopped:
        load_settings({PREFIX + name.upper(): text})
    assert text not in str(stopped.value)
    assert text[:8] not in str(stopped.value)


def test_each_provider_has_a_variable_for_its_key(tmp_path: Path):
    file = tmp_path / "key"
    file.write_text("kie-secret\n")
    settings = load_settings(
        {
            "KINETOSCOPE_PROVIDER_FAL_KEY": " fal-secret ",
            "KINETOSCOPE_PROVIDER_OPENAI_MEDIA_KEY": "",
            "KINETOSCOPE_PROVIDER_MY_KIE_2_KEY_FILE": str(file),
        }
    )
    assert settings.provider_keys == {"FAL": "fal-secret", "MY_KIE_2": "kie-secret"}
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "variable",
    ["PROVIDER_KEYS", "PROVIDER_KEY", "PROVIDER__KEYS", "PROVIDER_fal_KEY", "PROVIDER_FAL_TOKEN"],
)
def test_what_only_resembles_the_variable_of_a_key_stops_the_start(variable: str):
    with pytest.raises(SettingInvalid, match=f"^KINETOSCOPE_{variable}: there is no such setting"):
        load_settings({f"KINETOSCOPE_{variable}": "SECRET"})


@pytest.mark.parametrize(
    ("currency", "text", "prices"),
    [
        ("jpy", "1000=500, 5000=2400", (500, 2400)),
        ("kwd", "1000=1.500", (1500,)),
        ("isk", "1000=700", (70000,)),
        ("eur", "1000=5", (500,)),
    ],
)
def test_packs_are_priced_with_the_decimals_of_their_currency(
    currency: str, text: str, prices: tuple[int, ...]
):
    given = {"KINETOSCOPE_CURRENCY": currency, "KINETOSCOPE_CREDIT_PACKS": text}
    assert tuple(pack.price_minor for pack in load_settings(given).credit_packs) == prices


@pytest.mark.parametrize(
    ("currency", "text"), [("jpy", "1000=5.00"), ("kwd", "1=1.50"), ("jpy", "")]
)
def test_packs_that_their_currency_cannot_pay_stop_the_start(currency: str, text: str):
    with pytest.raises(SettingInvalid, match=rf"^KINETOSCOPE_CREDIT_PACKS: .*{currency}"):
        load_settings({"KINETOSCOPE_CURRENCY": currency, "KINETOSCOPE_CREDIT_PACKS": text})


@pytest.mark.parametrize("text", ["two\nlines", "a\tb", "schlüssel", "x" * 4097])
def test_a_key_that_no_header_can_carry_stops_the_start_and_is_not_repeated(text: str):
    with pytest.raises(SettingInvalid, match=r"^KINETOSCOPE_PROVIDER_FAL_KEY: ") as stopped:
        load_settings({"KINETOSCOPE_PROVIDER_FAL_KEY": text})
    assert text not in str(stopped.value)


def test_no_secret_is_in_what_settings_look_like():
    settings = load_settings(
        {"KINETOSCOPE_SIGNING_KEY": "ab" * 32, "KINETOSCOPE_SECRETS_KEY": "cd" * 32}
    )
    assert "\\xab" not in repr(settings)
    assert "\\xcd" not in repr(settings)


def test_variables_of_others_are_none_of_ours():
    assert load_settings({"PORT": "x", "kinetoscope_port": "x"}) == load_settings({})


def test_a_value_can_be_kept_in_a_file(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("postgresql://kino:word@db/kino\n")
    settings = load_settings({"KINETOSCOPE_DATABASE_URL_FILE": str(file)})
    assert settings.database_url == "postgresql://kino:word@db/kino"
    file.write_text("65536")
    with pytest.raises(SettingInvalid, match=r"^KINETOSCOPE_PORT: "):
        load_settings({"KINETOSCOPE_PORT_FILE": str(file)})
    with pytest.raises(SettingInvalid, match=r"^KINETOSCOPE_PROT: there is no such setting"):
        load_settings({"KINETOSCOPE_PROT_FILE": str(file)})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(SettingInvalid, match=r"^KINETOSCOPE_PORT_FILE: .*" + path.name):
            load_settings({"KINETOSCOPE_PORT_FILE": str(path)})
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingInvalid, match=r"^KINETOSCOPE_PORT_FILE: .*binary is not a text"):
        load_settings({"KINETOSCOPE_PORT_FILE": str(binary)})


def test_a_setting_given_twice_stops_the_start_in_either_order(tmp_path: Path):
    file = tmp_path / "port"
    file.write_text("8001")
    both = {"KINETOSCOPE_PORT": "8002", "KINETOSCOPE_PORT_FILE": str(file)}
    for given in (both, dict(reversed(both.items()))):
        with pytest.raises(SettingInvalid, match=r"^KINETOSCOPE_PORT_FILE: "):
            load_settings(given)
    for given in (
        {"KINETOSCOPE_PORT": "", "KINETOSCOPE_PORT_FILE": str(file)},
        {"KINETOSCOPE_PORT_FILE": str(file), "KINETOSCOPE_PORT": ""},
    ):
        assert load_settings(given).port == 8001


@pytest.mark.parametrize(
    ("host", "url", "is_local"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", True),
        ("localhost", "http://localhost:8000", True),
        ("::1", "http://[::1]:8000", True),
        ("0.0.0.0", "http://127.0.0.1:8000", False),  # noqa: S104 - read, not bound
        ("::", "http://127.0.0.1:8000", False),
        ("media.example.com", "http://media.example.com:8000", False),
    ],
)
def test_the_public_address_follows_the_host(host: str, url: str, is_local: bool):  # noqa: FBT001
    settings = load_settings({"KINETOSCOPE_HOST": host})
    assert (settings.public_url, settings.is_local) == (url, is_local)
    assert replace(settings, port=1).port == 1


def test_the_data_folder_holds_media_and_scratch(tmp_path: Path):
    settings = load_settings({"KINETOSCOPE_DATA_DIR": str(tmp_path)})
    assert settings.media_url == f"file://{tmp_path}/media"
    assert settings.work_dir == tmp_path / "work"
    assert settings.config_dir == tmp_path / "config"
    home = load_settings({"KINETOSCOPE_DATA_DIR": "~/kinetoscope"})
    assert home.data_dir == Path.home() / "kinetoscope"
    assert load_settings({"KINETOSCOPE_DATA_DIR": "here"}).data_dir.is_absolute()
