"""JSON and forms say the same, and what is too much or contradicts itself is refused."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.conftest import World

from kinetoscope.api.envelope import answer_error
from kinetoscope.api.intake import intake_of
from kinetoscope.dialects import forms
from kinetoscope.dialects.forms import read_form
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.ids import AccountId

pytestmark = pytest.mark.anyio


def echo(world: World) -> httpx.AsyncClient:
    """Return a client of a server that tells what it has read."""
    intake = intake_of(world.runtime)

    async def tell(request: Request) -> Response:
        async with read_form(request, intake, AccountId("acc")) as form:
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


async def test_what_is_no_form_is_refused(world: World):
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        body = await told(world, content=b"--y\r\nnonsense", headers={"Content-Type": kind})
        assert body["status"] in {200, 400}
        assert body.get("values", {}) == {}
    body = await told(world, content=b"{", headers={"Content-Type": "application/json"})
    assert body["status"] == 400


async def test_a_long_form_is_refused_before_it_was_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forms, "FORM_BYTES_MAX", 1000)
    body = await told(world, files={"file": ("a.png", b"1" * 2000, "image/png")})
    assert body["status"] == 413


async def test_too_many_files_are_refused(world: World):
    sent = [("file", (f"{number}.png", b"1", "image/png")) for number in range(40)]
    assert (await told(world, files=sent))["status"] == 400
