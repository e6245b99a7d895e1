"""`kinetoscope providers` and `kinetoscope models check`, and that neither ever shows a key."""

import base64
import json
import logging
import secrets
from pathlib import Path

import psycopg
import pytest
from tests.unit.test_catalog_load import GOOD
from typer.testing import CliRunner, Result

from kinetoscope.catalog.spec import builtin
from kinetoscope.cli.main import app

KEY = f"sk-PLANTED-{secrets.token_hex(12)}"


@pytest.fixture(autouse=True)
def deployment(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Commands bring the schema forward, and the test's database is somebody else's copy.
    admin = psycopg.conninfo.make_conninfo(conninfo, user="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("grant create on schema public to public")
    monkeypatch.setenv("KINETOSCOPE_DATABASE_URL", conninfo)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("KINETOSCOPE_DATA_DIR", str(tmp_path))
    for folder in ("models", "providers"):
        (tmp_path / "config" / folder).mkdir(parents=True)


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=given)


def listed() -> list[dict[str, object]]:
    shown = run("providers", "list", "--json")
    assert shown.exit_code == 0, shown.output
    found: list[dict[str, object]] = json.loads(shown.stdout)
    return found


def test_a_key_is_stored_and_shown_by_its_end_alone(tmp_path: Path):
    file = tmp_path / "config/providers/ark.toml"
    file.write_text('adapter = "byteplus"\nqueue = "eu"\n[models.seedance-20]\nupstream = "x"\n')
    done = run("providers", "set-key", "ark", given=f"{KEY}\n")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"ark: the key …{KEY[-4:]} is stored\n"
    (ark,) = listed()
    key = ark.pop("key")
    assert ark == {
        "provider": "ark",
        "callbacks": None,
        "models": ["seedance-20"],
        "file": {
            "path": str(file),
            "adapter": "byteplus",
            "baseUrl": None,
            "queue": "eu",
            "order": None,
            "weight": 1,
        },
    }
    assert isinstance(key, dict)
    assert (key["name"], key["where"], key["hint"]) == ("ark", "stored", KEY[-4:])
    assert key["problem"] is None
    assert f"ark, stored …{KEY[-4:]}, 20" in run("providers", "list").stdout
    assert run("providers", "delete-key", "ark").stdout == "ark: the key is deleted\n"
    assert listed()[0]["key"] is None
    assert "NONE" in run("providers", "list").stdout
    again = run("providers", "delete-key", "ark")
    assert (again.exit_code, "no stored key of 'ark'" in again.stderr) == (1, True)


def test_a_secret_of_callbacks_is_shown_beside_its_providers_key(tmp_path: Path):
    (tmp_path / "config/providers/replicate.toml").write_text('adapter = "replicate"\n')
    (tmp_path / "config/providers/fal.toml").write_text('adapter = "fal"\n')
    done = run("providers", "set-key", "replicate-callbacks", given=f"{KEY}\n")
    assert done.stdout == f"replicate-callbacks: the key …{KEY[-4:]} is stored\n"
    fal, replicate = listed()
    assert (fal["callbacks"], replicate["key"]) == (None, None)
    secret = replicate["callbacks"]
    assert isinstance(secret, dict)
    assert (secret["name"], secret["hint"]) == ("replicate-callbacks", KEY[-4:])
    assert f"replicate-callbacks, stored …{KEY[-4:]}" in run("providers", "list").stdout
    done = run("providers", "set-key", "fal-callbacks", given=f"{KEY}\n")
    assert "fal is no provider that signs with a secret" in done.stdout
    assert not (tmp_path / "config/providers/fal-callbacks.toml").exists()


def test_a_key_that_nobody_uses_is_said_to_be_idle(tmp_path: Path):
    done = run("providers", "set-key", "ark", given=KEY)
    file = tmp_path / "config/providers/ark.toml"
    assert f"No provider uses it yet: {file}" in done.stdout
    (idle,) = listed()
    assert (idle["provider"], idle["file"], idle["models"]) == ("ark", None, [])
    assert "NO FILE" in run("providers", "list").stdout


def test_a_provider_falls_back_on_the_key_of_its_adapter(tmp_path: Path, conninfo: str):
    (tmp_path / "config/providers/ark.toml").write_text('adapter = "byteplus"')
    assert "No provider" not in run("providers", "set-key", "byteplus", given=KEY).stdout
    (ark,) = listed()
    key = ark["key"]
    assert isinstance(key, dict)
    assert (key["name"], key["where"]) == ("byteplus", "stored")
    run("providers", "set-key", "ark", given=f"{KEY}-own")
    key = listed()[0]["key"]
    assert isinstance(key, dict)
    assert (key["name"], key["hint"]) == ("ark", "-own")
    with psycopg.connect(conninfo) as connection:
        connection.execute("update provider_key set sealed = '\\x01' where provider = 'ark'")
    key = listed()[0]["key"]
    assert isinstance(key, dict)
    assert (key["name"], "is damaged" in key["problem"]) == ("ark", True)


def test_a_key_of_an_adapter_is_not_shown_for_another_place(tmp_path: Path):
    text = 'adapter = "byteplus"\nbase_url = "https://proxy.example/v3"\n'
    (tmp_path / "config/providers/proxy.toml").write_text(text)
    assert "No provider uses it yet" not in run("providers", "set-key", "proxy", given=KEY).stdout
    run("providers", "delete-key", "proxy")
    run("providers", "set-key", "byteplus", given=KEY)
    shown = {str(each["provider"]): each for each in listed()}
    assert shown["proxy"]["key"] is None, "it does not go there"
    named = f'{text}key_name = "byteplus"\n'
    (tmp_path / "config/providers/proxy.toml").write_text(named)
    key = {str(each["provider"]): each for each in listed()}["proxy"]["key"]
    assert isinstance(key, dict)
    assert key["name"] == "byteplus"


def test_a_key_of_the_settings_wins_and_is_said_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "config/providers/my-ark.toml").write_text('adapter = "byteplus"')
    monkeypatch.setenv("KINETOSCOPE_PROVIDER_MY_ARK_KEY", KEY)
    done = run("providers", "set-key", "my-ark", given="the stored one, of some length")
    assert done.stdout.endswith("KINETOSCOPE_PROVIDER_MY_ARK_KEY is set too, and wins\n")
    assert listed()[0]["key"] == {
        "name": "my-ark",
        "where": "settings",
        "hint": KEY[-4:],
        "updatedAt": None,
        "problem": None,
    }


@pytest.mark.parametrize("arguments", [[KEY], ["--key", KEY], [f"--key={KEY}"], ["-k", KEY]])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(arguments: list[str]):
    refused = run("providers", "set-key", "fal", *arguments, given="")
    assert refused.exit_code == 1
    assert "a key is no argument" in refused.stderr
    assert KEY not in refused.output
    assert listed() == []


@pytest.mark.parametrize(
    "given",
    ["", "\n", f"{KEY}\n{KEY}", f"{KEY}ä"],
    ids=["nothing", "an empty line", "two lines", "not ASCII"],
)
def test_what_is_no_key_is_refused_and_not_repeated(given: str):
    refused = run("providers", "set-key", "fal", given=given)
    assert refused.exit_code == 1
    assert KEY not in refused.output
    assert listed() == []


def test_rotation_of_the_master_key(monkeypatch: pytest.MonkeyPatch):
    """From the signing key's own to a first and to a second; then the first is thrown away."""
    first, second = secrets.token_hex(32), base64.b64encode(secrets.token_bytes(32)).decode()
    assert run("providers", "set-key", "fal", given=KEY).exit_code == 0
    monkeypatch.setenv("KINETOSCOPE_SECRETS_KEY", first)
    assert run("providers", "rekey").stdout.startswith("1 of 1 stored keys")
    assert run("providers", "rekey").stdout.startswith("0 of 1 stored keys")
    monkeypatch.setenv("KINETOSCOPE_SECRETS_KEY", f"{second},{first}")
    assert run("providers", "set-key", "kie", given=f"{KEY}2").exit_code == 0
    assert run("providers", "rekey").stdout.startswith("1 of 2 stored keys")
    monkeypatch.setenv("KINETOSCOPE_SECRETS_KEY", second)
    assert "DOES NOT OPEN" not in run("providers", "list").stdout
    monkeypatch.setenv("KINETOSCOPE_SECRETS_KEY", first)
    shown = run("providers", "list").stdout
    assert shown.count("DOES NOT OPEN: The stored key of") == 2
    assert "KINETOSCOPE_SECRETS_KEY" in shown
    refused = run("providers", "rekey")
    assert refused.exit_code == 1
    assert "kinetoscope providers set-key fal" in refused.stderr
    assert run("providers", "set-key", "fal", given=KEY).exit_code == 0
    assert run("providers", "list").stdout.count("DOES NOT OPEN") == 1


def test_a_planted_key_comes_out_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, conninfo: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KINETOSCOPE_LOG_LEVEL", "debug")
    (tmp_path / "config/providers/bad.toml").write_text(f'adapter = "fal"\nkey = "{KEY}"\n')
    told = []
    monkeypatch.setenv("KINETOSCOPE_PROVIDER_KIE_KEY", KEY)
    told.append(run("providers", "set-key", "fal", given=KEY))
    told += [run("providers", word) for word in ("list", "check", "rekey")]
    told.append(run("providers", "list", "--json"))
    monkeypatch.setenv("KINETOSCOPE_SECRETS_KEY", KEY)
    told.append(run("providers", "list"))
    assert "KINETOSCOPE_SECRETS_KEY: " in told[-1].stderr
    monkeypatch.setenv("KINETOSCOPE_SECRETS_KEY", secrets.token_hex(32))
    told += [run("providers", "rekey"), run("providers", "delete-key", "kie")]
    text = "".join(result.output + repr(result.exception) for result in told) + caplog.text
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public'"
        ).fetchall()
        for (table,) in tables:
            text += str(connection.execute(f'select t::text from "{table}" t'.encode()).fetchall())
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "bad.toml"]
    text += "".join(path.read_bytes().decode("latin-1") for path in files)
    for spelling in (KEY, KEY.encode().hex(), base64.b64encode(KEY.encode()).decode().rstrip("=")):
        assert spelling not in text
    assert "bad.toml:2: key: does not belong here" in text


def test_providers_are_checked(tmp_path: Path):
    folder = tmp_path / "config/providers"
    assert run("providers", "check").stdout == f"{folder}: no problems\n"
    (folder / "a.toml").write_text('adapter = "byteplus"\n\n[models."suno"]\nupstream = "x"\n')
    (folder / "b.toml").write_text('adapter = "byteplus"\nordr = 1\n')
    (folder / "c.toml").write_text('order = 1\nadapter = "suno"\n')
    (folder / "own.toml").write_text('adapter = "byteplus"\n[models.test-video]\nupstream = "x"')
    (tmp_path / "config/models/own.toml").write_text(GOOD)
    checked = run("providers", "check")
    assert checked.exit_code == 1
    a, b, c = sorted(checked.stdout.splitlines())
    assert a.startswith(f"{folder}/a.toml:3: models.suno: there is no model 'suno'")
    assert b == f"{folder}/b.toml:2: ordr: unknown key"
    assert c.startswith(f"{folder}/c.toml:2: adapter: 'suno' is none of ")
    assert run("providers", "check", str(tmp_path / "config")).stdout == checked.stdout
    assert run("providers", "check", str(tmp_path / "nowhere")).exit_code == 1
    shown = run("providers", "list")
    assert shown.exit_code == 0
    assert "b.toml:2: ordr: unknown key" in shown.stderr
    assert [provider["provider"] for provider in listed()] == ["own"]


def test_models_are_checked_and_shown(tmp_path: Path):
    folder = tmp_path / "config/models"
    assert (
        run("models", "check").stdout
        == f"{folder}: no problems; 0 of {len(builtin().models)} models are yours\n"
    )
    (folder / "own.toml").write_text(GOOD)
    price = '[[price]]\nmodel = "kinetoscope-soundscape"\nunit = "second"\nrates = "{}"\n'
    (folder / "prices.toml").write_text(price.format("3"))
    assert (
        run("models", "check").stdout
        == f"{folder}: no problems; 2 of {len(builtin().models) + 1} models are yours\n"
    )
    assert "test-video" in run("models").stdout
    assert "2.17 per second" in run("models", "test-video").stdout
    assert "3 per second" in run("models", "kinetoscope-soundscape").stdout
    described = json.loads(run("models", "test-video", "--json").stdout)
    assert described["title"] == "Test"
    (folder / "prices.toml").write_text(price.format("3.001"))
    checked = run("models", "check")
    assert checked.exit_code == 1
    assert checked.stdout == (
        f"{folder}/prices.toml:4: price[kinetoscope-soundscape].rates: '3.001' credits is finer "
        "than 1/100 credit\n"
    )
    shown = run("models")
    assert (shown.exit_code, "test-video" in shown.stdout) == (0, True)
    assert "not used: " in shown.stderr
    assert run("models", "check", str(folder / "nowhere")).exit_code == 1
    missing = run("models", "suno")
    assert (missing.exit_code, "there is no model 'suno'" in missing.stderr) == (1, True)
