"""JSON and forms say the same, and what is too much or contradicts itself is refused."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.conftest import World

from kinetoscope.api import intake
from kinetoscope.api.envelope import answer_error
from kinetoscope.api.intake import intake_of
from kinetoscope.dialects import forms
from kinetoscope.dialects.forms import read_form
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.ids import AccountId

pytestmark = pytest.mark.anyio


def echo(world: World) -> httpx.AsyncClient:
    """Return a client of a server that tells what it has read."""
    taking = intake_of(world.runtime)

    async def tell(request: Request) -> Response:
        async with read_form(request, taking, AccountId("acc")) as form:
            files = {
                name: [(each.filename, len(await each.read())) for each in sent]
                for name, sent in form.files.items()
            }
            return JSONResponse({"values": form.values, "files": files, "form": form.is_form})

    app = Starlette(
        routes=[Route("/", tell, methods=["POST"])],
        exception_handlers={KinetoscopeError: answer_error},
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://echo.test")


async def told(world: World, **sent: Any) -> dict[str, Any]:  # noqa: ANN401 - as httpx takes it
    async with echo(world) as client:
        response = await client.post("/", **sent)
    body: dict[str, Any] = {"status": response.status_code, **response.json()}
    return body


async def test_json_is_read_as_it_is(world: World):
    body = await told(world, json={"a": {"b": [1, True]}})
    assert body["values"] == {"a": {"b": [1, True]}}
    assert not body["form"]


async def test_bracketed_names_nest(world: World):
    form: Mapping[str, object] = {
        "prompt": "a fox",
        "input_reference[image_url]": "https://a/1.png",
        "references[]": ["one", "two"],
        "tag": ["x", "y"],
    }
    body = await told(world, data=form, files={"file": ("a.png", b"12345", "image/png")})
    assert body["values"] == {
        "prompt": "a fox",
        "input_reference": {"image_url": "https://a/1.png"},
        "references": ["one", "two"],
        "tag": ["x", "y"],
    }
    assert body["files"] == {"file": [["a.png", 5]]}


async def test_several_files_of_one_name_are_a_list(world: World):
    sent = [("image[]", ("1.png", b"1", "image/png")), ("image[]", ("2.png", b"22", "image/png"))]
    assert (await told(world, files=sent))["files"] == {"image": [["1.png", 1], ["2.png", 2]]}


@pytest.mark.parametrize(
    "form",
    [
        {"a": "1", "a[b]": "2"},
        {"a[]": "1", "a[b]": "2"},
        {"a[b]": "1", "a[]": "2"},
        {"a[b][c][d][e]": "1"},
    ],
)
async def test_names_that_contradict_each_other_are_refused(world: World, form: dict[str, str]):
    body = await told(world, data=form, files={"f": ("a", b"", "image/png")})
    assert body["status"] == 400


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_what_is_no_form_is_refused(world: World, kind: str):
    body = await told(world, content=b"--y\r\nnonsense", headers={"Content-Type": kind})
    assert body["status"] == 400


async def test_what_is_no_json_is_refused(world: World):
    body = await told(world, content=b"{", headers={"Content-Type": "application/json"})
    assert body["status"] == 400


@pytest.mark.parametrize("charset", ["punycode", "undefined", "utf-16", "rot13"])
async def test_a_form_is_utf_8_whatever_it_says(world: World, charset: str):
    """Some encodings take minutes for a few kilobytes: reading them would stop the process."""
    form = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nf\xc3\xbcr\r\n--x--\r\n'
    kind = f"multipart/form-data; charset={charset}; boundary=x"
    body = await told(world, content=form, headers={"Content-Type": kind})
    assert (body["status"], body["values"]) == (200, {"prompt": "für"})


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """Send without saying how long it is."""
    for start in range(0, len(content), 500):
        yield content[start : start + 500]


async def test_a_long_form_is_refused_before_it_was_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forms, "FORM_BYTES_MAX", 1000)
    sent = {"file": ("a.png", b"1" * 2000, "image/png")}
    assert (await told(world, files=sent))["status"] == 413
    request = httpx.Request("POST", "http://echo.test/", files=sent)
    kind = {"Content-Type": request.headers["content-type"]}
    assert (await told(world, content=in_pieces(request.read()), headers=kind))["status"] == 413


async def test_texts_are_bounded_as_json_is(world: World):
    bound = replace(world.runtime.settings, body_bytes_max=3000)
    small = replace(world, runtime=replace(world.runtime, settings=bound))
    file = {"file": ("a.png", b"1" * 5000, "image/png")}
    form = {f"name{number}": "x" * 500 for number in range(5)}
    assert (await told(small, data=form, files=file))["status"] == 200
    form |= {"one": "x" * 600}
    assert (await told(small, data=form, files=file))["status"] == 413


async def test_too_many_files_or_fields_are_refused(world: World):
    sent = [("file", (f"{number}.png", b"1", "image/png")) for number in range(40)]
    assert (await told(world, files=sent))["status"] == 400
    form = {f"name{number}": "x" for number in range(300)}
    assert (await told(world, data=form, files=sent[:1]))["status"] == 400


async def test_a_form_takes_a_place(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(intake, "PLACES_PER_ACCOUNT_MAX", 0)
    monkeypatch.setattr(intake, "PATIENCE_S", 0.01)
    sent = {"file": ("a.png", b"1", "image/png")}
    assert (await told(world, files=sent))["status"] == 503
