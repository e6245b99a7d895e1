"""GET /media: the address is the permission, and it is as strict as a key."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from tests.conftest import START, World

from kinetoscope.api.media import parse_range
from kinetoscope.kernel.errors import RangeUnsatisfiable
from kinetoscope.kernel.ids import new_media_name
from kinetoscope.media.signing import Signer

pytestmark = pytest.mark.anyio

LIFETIME = timedelta(days=14)
CONTENT = bytes(range(256)) * 4
NOT_VALID = {"message": "This media address is not valid"}
HAS_EXPIRED = {"message": "This media address has expired"}


@dataclass(frozen=True)
class Shelf:
    """A stored file and its address."""

    world: World
    name: str
    url: str

    async def get(self, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.world.client.get(self.url, headers=sent)


async def put(world: World, name: str, content: bytes = CONTENT) -> Shelf:
    path = world.runtime.settings.data_dir / "to-store"
    path.write_bytes(content)
    await world.runtime.store.put(name, path)
    return Shelf(world, name, world.runtime.signer.url(name, START + LIFETIME))


@pytest.fixture
async def shelf(world: World) -> Shelf:
    return await put(world, f"{new_media_name()}-1.mp4")


async def test_a_signed_address_gives_the_file_without_any_key(shelf: Shelf):
    response = await shelf.get()
    assert (response.status_code, response.content) == (200, CONTENT)
    headers = response.headers
    etag = headers["etag"]
    assert etag.startswith('"')
    assert etag.endswith('"')
    assert "set-cookie" not in headers
    del headers["etag"]
    assert dict(headers) == {
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=1209600, immutable",
        "content-disposition": f'inline; filename="{shelf.name}"',
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "cross-origin",
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
        "content-length": "1024",
        "content-type": "video/mp4",
    }


async def test_head_tells_the_same_without_the_bytes(shelf: Shelf):
    got, head = await shelf.get(), await shelf.world.client.head(shelf.url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == got.headers
    part = await shelf.world.client.head(shelf.url, headers={"range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (206, "10")
    assert part.content == b""


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-199", 100, 200),
        ("bytes=1000-", 1000, 1024),
        ("bytes=0-", 0, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-1", 1023, 1024),
        ("bytes=-5000", 0, 1024),
        ("bytes=1023-5000", 1023, 1024),
        ("bytes=1000-999999999999999999", 1000, 1024),
        (" bytes=5-9 ", 5, 10),
    ],
)
def test_a_range_means_these_bytes(asked: str, start: int, end: int):
    assert parse_range(asked, 1024) == (start, end)


RANGES_UNSATISFIABLE = ["bytes=1024-", "bytes=1024-2000", "bytes=999999999999999999-", "bytes=-0"]

RANGES_IGNORED = [
    "bytes=0-9,20-29",
    "bytes=9-5",
    "bytes=-",
    "bytes=",
    "bytes",
    "bytes=a-b",
    "bytes=0 - 9",
    "items=0-9",
    "bytes=1.5-9",
    "bytes=--9",
    "bytes=" + "9" * 5000 + "-",
    "bytes=0-" + "9" * 5000,
    "bytes=\u0660-\u0669",
    "",
]


def test_ranges_that_we_do_not_serve_count_as_none():
    assert parse_range(None, 1024) is None
    for asked in RANGES_IGNORED:
        assert parse_range(asked, 1024) is None, asked


def test_no_byte_of_the_file_is_an_error_that_knows_its_size():
    for asked in RANGES_UNSATISFIABLE:
        with pytest.raises(RangeUnsatisfiable) as error:
            parse_range(asked, 1024)
        assert error.value.bytes_size == 1024
    with pytest.raises(RangeUnsatisfiable):
        parse_range("bytes=0-", 0)


async def test_parts_are_sent_as_206_with_their_place(shelf: Shelf):
    for asked, start, end in [("bytes=0-99", 0, 100), ("bytes=-24", 1000, 1024)]:
        response = await shelf.get(range=asked)
        assert (response.status_code, response.content) == (206, CONTENT[start:end])
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/1024"
        assert response.headers["content-length"] == str(end - start)
        assert response.headers["content-type"] == "video/mp4"
    for asked in RANGES_UNSATISFIABLE:
        response = await shelf.get(range=asked)
        assert (response.status_code, response.headers["content-range"]) == (416, "bytes */1024")
        assert response.json() == {"message": "The file has 1024 bytes"}
    for asked in RANGES_IGNORED:
        if asked.isascii():
            response = await shelf.get(range=asked)
            assert (response.status_code, response.content) == (200, CONTENT), asked[:20]
            assert "content-range" not in response.headers


async def test_a_file_larger_than_a_piece_arrives_whole_and_in_parts(world: World):
    content = bytes(n % 251 for n in range(600_000))
    shelf = await put(world, f"{new_media_name()}-1.mp4", content)
    assert (await shelf.get()).content == content
    assert (await shelf.get(range="bytes=262143-524289")).content == content[262143:524290]


async def test_an_empty_file_is_sent_and_has_no_parts(world: World):
    shelf = await put(world, f"{new_media_name()}-1.png", b"")
    response = await shelf.get()
    assert (response.status_code, response.content) == (200, b"")
    assert (await shelf.get(range="bytes=0-")).status_code == 416


async def test_what_the_client_has_is_not_sent_again(shelf: Shelf):
    etag = (await shelf.get()).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = await shelf.get(if_none_match=known)
        assert (response.status_code, response.content) == (304, b""), known
        assert response.headers["etag"] == etag
        assert "content-type" not in response.headers
    for unknown in ('"other"', etag.strip('"'), ""):
        assert (await shelf.get(if_none_match=unknown)).status_code == 200


async def test_a_part_is_only_sent_of_the_version_that_is_meant(shelf: Shelf):
    etag = (await shelf.get()).headers["etag"]
    assert (await shelf.get(range="bytes=0-9", if_range=etag)).content == CONTENT[:10]
    for other in ('"other"', f"W/{etag}", "Mon, 23 Nov 2026 12:00:00 GMT"):
        response = await shelf.get(range="bytes=0-9", if_range=other)
        assert (response.status_code, response.content) == (200, CONTENT)


async def test_an_address_opens_until_its_last_second_and_not_after(shelf: Shelf):
    clock = shelf.world.clock
    clock.move(LIFETIME - timedelta(microseconds=1))
    response = await shelf.get()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "private, max-age=0, immutable"
    clock.move(timedelta(microseconds=1))
    for sent in ({}, {"range": "bytes=0-9"}, {"if_none_match": response.headers["etag"]}):
        refused = await shelf.get(**sent)
        assert (refused.status_code, refused.json()) == (403, HAS_EXPIRED)
    head = await shelf.world.client.head(shelf.url)
    assert (head.status_code, head.headers["content-type"]) == (403, "application/json")


async def test_an_address_that_was_changed_anywhere_opens_nothing(shelf: Shelf):
    world, name = shelf.world, shelf.name
    other = await put(world, f"{new_media_name()}-1.mp4", b"another's")
    query = {key: values[0] for key, values in parse_qs(urlsplit(shelf.url).query).items()}
    expires, signature = query["expires"], query["signature"]
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    later = str(int(expires) + 1)
    for path, asked in [
        (other.name, query),
        (name.replace("-1.mp4", "-2.mp4"), query),
        (name.replace(".mp4", ".png"), query),
        (name, {}),
        (name, {"expires": expires}),
        (name, {"signature": signature}),
        (name, {"expires": "", "signature": ""}),
        (name, {"expires": later, "signature": signature}),
        (name, {"expires": f"0{expires}", "signature": flipped}),
        (name, {"expires": f"+{expires}", "signature": signature}),
        (name, {"expires": "9" * 400, "signature": signature}),
        (name, {"expires": "-1", "signature": signature}),
        (name, {"expires": f"{expires}.0", "signature": signature}),
        (name, {"expires": expires, "signature": flipped}),
        (name, {"expires": expires, "signature": signature[:-1]}),
        (name, {"expires": expires, "signature": signature + "A"}),
        (name, {"expires": expires, "signature": signature.lower()}),
        (name, {"expires": expires, "signature": "é\ud7ff" * 9}),
    ]:
        response = await world.client.get(f"/media/{path}", params=asked)
        assert (response.status_code, response.json()) == (403, NOT_VALID), (path, asked)
    elsewhere = Signer(b"another key" * 3, "http://kinetoscope.test").url(name, START + LIFETIME)
    assert (await world.client.get(elsewhere)).json() == NOT_VALID


async def test_only_media_is_ever_reached(shelf: Shelf):
    """Not even with a good signature: a name that media cannot have is refused before the store."""
    world = shelf.world
    for name in (
        "signing-key",
        ".mp4",
        "x.mp4",
        f"-{shelf.name}",
        f"{shelf.name}.mp4",
        shelf.name.replace("-", "_"),
        shelf.name.upper(),
        f"{shelf.name}%00",
        f"{shelf.name}%0a",
        f"{shelf.name}.html",
        "%ff%fe.mp4",
        "a" * 5000 + ".mp4",
        "..%5c..%5csigning-key.mp4",
    ):
        signed = world.runtime.signer.url(unquote(name), START + LIFETIME)
        response = await world.client.get(signed.replace(unquote(name), name))
        assert (response.status_code, response.json()) == (403, NOT_VALID), name
    for name in (
        "../nothing",
        "..%2f..%2fsigning-key",
        "..%2fsigning-key",
        "%2e%2e%2fsigning-key",
        f"..%2f{shelf.name}",
        f"{shelf.name[:2]}%2f{shelf.name}",
        f"%2f{shelf.name}",
    ):
        signed = world.runtime.signer.url(unquote(name), START + LIFETIME)
        response = await world.client.get(signed.replace(unquote(name), name))
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"}), name
    assert (await world.client.get("/media/")).status_code == 404


async def test_a_file_of_a_kind_we_do_not_keep_or_that_is_gone_is_not_found(shelf: Shelf):
    world = shelf.world
    gone = {"message": "Media not found"}
    for ending in ("html", "svg", "js", "zip"):
        name = f"{new_media_name()}-1.{ending}"
        response = await (await put(world, name, b"<script>")).get()
        assert (response.status_code, response.json()) == (404, gone)
    await world.runtime.store.delete([shelf.name, "aa" * 13 + "-1.mp4"])
    response = await shelf.get()
    assert (response.status_code, response.json()) == (404, gone)


async def test_the_type_follows_from_the_name_that_we_gave(world: World):
    for ending, media_type in [
        ("mp4", "video/mp4"),
        ("mov", "video/quicktime"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
        ("wav", "audio/wav"),
    ]:
        shelf = await put(world, f"{new_media_name()}-1.{ending}", b"<html>")
        response = await shelf.get()
        assert response.headers["content-type"] == media_type
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_media_is_only_read(shelf: Shelf):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        response = await shelf.world.client.request(method, shelf.url)
        assert (response.status_code, response.json()) == (405, {"message": "Method Not Allowed"})
    assert (await shelf.get()).content == CONTENT


async def test_an_address_of_ours_is_known_as_a_reference_and_others_are_not(shelf: Shelf):
    signer = shelf.world.runtime.signer
    assert signer.own_name(shelf.url, START) == shelf.name
    for url in (
        shelf.url.replace("http://", "https://"),
        shelf.url.replace("kinetoscope.test", "kinetoscope.test.example"),
        "http://kinetoscope.test/mediafile",
        "https://example.com/media/x.mp4",
    ):
        assert signer.own_name(url, START) is None
