"""The guide for those who move here: each of its programs runs as it stands, each address leads on.

Real clients, over TLS, with nothing set but what the page's own shell lines set.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from PIL import Image
from tests.clients.installed import node_modules
from tests.clients.stack import Keys, Stack, stack
from tests.conftest import World
from tests.story.deployment import SURROUNDINGS

from kinetoscope.api.guides import LOCAL_URL
from kinetoscope.catalog.spec import builtin
from kinetoscope.dialects.names import find, names_of
from kinetoscope.settings import load_settings
from kinetoscope.webhooks import sign

pytestmark = pytest.mark.anyio

TEXT = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

PROGRAMS = [
    ("OpenAI", "python", "kite.mp4"),
    ("OpenAI", "js", "kite.png"),
    ("Replicate", "python", "kite.png"),
    ("Replicate", "js", "kite.png"),
    ("fal", "python", "kite.png"),
    ("fal", "js", "kite.png"),
    ("kie.ai", "python", "kite.png"),
]
"""What is run: section, language, and the file that comes of it."""


def sections() -> dict[str, str]:
    """Return the page's sections by their headings; what stands before the first has none."""
    head, *others = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    return {"": head} | {part.partition("\n")[0]: part for part in others}


def blocks(section: str, language: str) -> list[str]:
    found = FENCE.findall(sections()[section])
    return [code for name, code in found if name == language]


def exported(url: str, key: str, section: str) -> dict[str, str]:
    """Run the page's shell lines, and return what they leave in the environment."""
    head = blocks("", "sh")[0].replace(LOCAL_URL, url).replace("kino_live_…", key)
    lines = [head, *(block for block in blocks(section, "sh") if "export" in block)]
    done = subprocess.run(
        ["sh", "-euc", "\n".join([*lines, "env -0"])],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.partition("=") for line in done.stdout.split("\0") if line)
    return {name: value for name, _, value in pairs if name not in {"PATH", "PWD"}}


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program."""

    file: Path
    keys: Keys


def run(made: Stack, section: str, language: str, file: str) -> Ran:
    keys = made.keys("1000")
    folder = made.folder / f"{section}-{language}"
    folder.mkdir()
    code = blocks(section, language)[0]
    authority = str(made.folder / "authority.pem")
    environment = {
        **{name: value for name, value in SURROUNDINGS.items() if "KINETOSCOPE" not in name},
        **exported(made.proxy.url, keys.live, section),
        "SSL_CERT_FILE": authority,
        "NODE_EXTRA_CA_CERTS": authority,
    }
    if language == "python":
        command = [sys.executable, "-c", code]
    else:
        modules, node = node_modules()
        program = modules / f"{section}-guide.mjs"
        program.write_text(code)
        command = [str(node), str(program)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{section} {language}: {done.stdout}{done.stderr}"
    return Ran(folder / file, keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("guide")) as running:
        yield running


def test_every_program_of_the_page_makes_one_file_and_is_charged_once(made: Stack):
    node_modules()
    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda program: run(made, *program), PROGRAMS))
    for each in ran:
        (task_id,) = made.tasks(each.keys.account_id)
        assert made.charges(task_id) == ["hold", "capture"]
        if each.file.suffix == ".mp4":
            with av.open(str(each.file)) as container:
                assert container.streams.video[0].width == 864
        else:
            with Image.open(each.file) as image:
                image.load()
    _require_curl(made)


def _require_curl(made: Stack) -> None:
    """Kinovi's lines are a request, which any client makes."""
    keys = made.keys("1000")
    environment = exported(made.proxy.url, keys.live, "Kinovi")
    environment |= {"PATH": os.defpath, "CURL_CA_BUNDLE": str(made.folder / "authority.pem")}
    done = subprocess.run(
        ["sh", "-euc", blocks("Kinovi", "sh")[0]],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.tasks(keys.account_id) == [json.loads(done.stdout)["taskId"]]


def test_no_program_of_the_page_is_left_out():
    written = [
        (section, language)
        for section, text in sections().items()
        for language, _ in FENCE.findall(text)
        if language != "sh"
    ]
    run = [(section, language) for section, language, _ in PROGRAMS]
    # And two pieces: names for requests, and the verifier, below.
    assert sorted(written) == sorted([*run, ("Replicate", "js"), ("kie.ai", "python")])


def test_the_verifier_for_callbacks_believes_what_is_signed():
    space: dict[str, object] = {}
    exec(compile(blocks("kie.ai", "python")[1], "migrating.md", "exec"), space)  # noqa: S102
    is_genuine = space["is_genuine"]
    assert callable(is_genuine)
    key, body = "whsec_" + base64.b64encode(b"0" * 24).decode(), {"data": {"task_id": "task_1"}}
    headers = sign.kie_headers("task_1", key, datetime(2026, 11, 23, tzinfo=UTC))
    assert is_genuine(headers, body, key)
    assert not is_genuine(headers, {"data": {"task_id": "task_2"}}, key)
    # The vector of contract §9, which was computed apart from any of this.
    digest = hmac.new(b"test-key", b"task_12345678.1700000000", hashlib.sha256).digest()
    assert base64.b64encode(digest).decode() == "jbMgurgLr0V63NX8fJ+ppGz5LFMZr+rnsNqqZfri4DA="
    known = {
        "X-Webhook-Timestamp": "1700000000",
        "X-Webhook-Signature": "jbMgurgLr0V63NX8fJ+ppGz5LFMZr+rnsNqqZfri4DA=",
    }
    assert is_genuine(known, {"data": {"task_id": "task_12345678"}}, "test-key")


def test_the_names_that_an_operator_may_give_are_read_and_lead_to_models():
    (line,) = blocks("What is the same for all", "sh")
    name, _, value = line.strip().removeprefix("export ").partition("=")
    settings = load_settings({name: value})
    names = names_of(builtin(), settings.model_names)
    assert {stated: find(names, stated).id for stated in settings.model_names} == {
        "sora-2": "seedance2.0-mini",
        "fal-ai/veo3": "seedance-20",
        "google/nano-banana": "nanobanana2",
    }
    rows = re.findall(r"^\| `([^`…]+)` \| (.+) \|$", sections()["Names of models"], re.MULTILINE)
    told = {model_id: tuple(re.findall(r"`([^`]+)`", text)) for model_id, text in rows}
    assert told == {model.id: model.known_as for model in builtin().models if model.known_as}


async def test_every_address_of_the_page_begins_a_route(world: World):
    paths = [route.path for route in world.app.state.declared]
    for address in re.findall(rf"{LOCAL_URL}(/[\w/]+)", TEXT):
        assert any(path.startswith(f"{address}/") for path in paths), address
    assert "/fal/.well-known/jwks.json" in paths
    for scheme in ("Bearer", "Token", "Key"):
        person = await world.person("alice")
        response = await world.client.get(
            "/kie/api/v1/chat/credit", headers={"Authorization": f"{scheme} {person.key}"}
        )
        assert response.json()["code"] == 200


async def test_what_the_page_says_is_not_supported_is_answered_with_501(world: World):
    asked = re.findall(r"`(GET|POST) (/[^`]+)`", sections()["Answered with 501"])
    assert len(asked) > 10
    for method, path in asked:
        response = await world.client.request(method, path, json={})
        assert response.status_code == 501, (path, response.text)
