"""Reading what clients send: JSON, or forms with files, whose bracketed names mean the same."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from typing_extensions import override

from kinetoscope.api.body import invalid, issue, parse_object, read_body
from kinetoscope.api.intake import Intake, arriving
from kinetoscope.kernel.errors import BodyTooLarge
from kinetoscope.kernel.ids import AccountId
from kinetoscope.media.uploads import BYTES_MAX

FORM_BYTES_MAX = max(BYTES_MAX.values()) + 1024 * 1024
FILES_MAX = 32
FIELDS_MAX = 200
FIELD_BYTES_MAX = 32 * 1024 * 1024
"""A field may be a data URI."""

NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
PART = re.compile(r"\[([^\[\]]*)\]")
DEPTH_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was sent: values as JSON has them, those of a form as texts, and files by name."""

    values: dict[str, Any]
    files: dict[str, list[UploadFile]] = field(default_factory=dict)
    is_form: bool = False


@asynccontextmanager
async def read_form(request: Request, intake: Intake, account_id: AccountId) -> AsyncIterator[Form]:
    """Read a request of either kind; its files are there as long as the context is.

    Raises InvalidRequest, BodyTooLarge, BodyTooSlow, IntakeFull or ClientDisconnect.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        body = await read_body(request, intake.runtime.settings.body_bytes_max)
        yield Form(values=parse_object(body) if body else {})
        return
    async with intake.places.place(account_id):
        parser = _Parser(
            _utf8(request.headers.get("content-type", "")),
            arriving(request, FORM_BYTES_MAX),  # type: ignore[arg-type]  # it only iterates
            texts_bytes_max=intake.runtime.settings.body_bytes_max,
            max_files=FILES_MAX,
            max_fields=FIELDS_MAX,
            max_part_size=FIELD_BYTES_MAX,
        )
        try:
            parsed = await parser.parse()
        except (MultiPartException, KeyError, UnicodeError) as error:
            raise invalid(issue("invalid_form", f"The form cannot be read: {error}")) from None
        try:
            yield _form(parsed.multi_items())
        finally:
            await parsed.close()


class _Parser(MultiPartParser):
    """Bounds all texts of a form together, as a body of JSON is bounded."""

    def __init__(
        self,
        headers: Headers,
        stream: AsyncGenerator[bytes, None],
        *,
        texts_bytes_max: int,
        max_files: int,
        max_fields: int,
        max_part_size: int,
    ) -> None:
        super().__init__(
            headers,
            stream,
            max_files=max_files,
            max_fields=max_fields,
            max_part_size=max_part_size,
        )
        self.texts_bytes_max = self.texts_bytes_left = texts_bytes_max

    @override
    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Take in what has come of a part."""
        if self._current_part.file is None:
            self.texts_bytes_left -= end - start
            if self.texts_bytes_left < 0:
                raise BodyTooLarge(self.texts_bytes_max)
        super().on_part_data(data, start, end)


def _utf8(content_type: str) -> Headers:
    """Return the header with its boundary alone.

    A form is UTF-8, whatever it says: some encodings take minutes to read a few kilobytes.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"").decode("latin-1").replace('"', "")
    named = f'; boundary="{boundary}"' if boundary else ""
    return Headers({"content-type": f"multipart/form-data{named}"})


def _form(items: list[tuple[str, UploadFile | str]]) -> Form:
    values: dict[str, Any] = {}
    files: dict[str, list[UploadFile]] = {}
    for name, value in items:
        if isinstance(value, UploadFile):
            files.setdefault(name.partition("[")[0], []).append(value)
        else:
            _put(values, name, value)
    return Form(values=values, files=files, is_form=True)


def _put(values: dict[str, Any], name: str, value: str) -> None:
    """Put `a[b][]` where it belongs; raises InvalidRequest for a name that contradicts another."""
    match = NAME.fullmatch(name)
    path = [name] if match is None else [match[1], *PART.findall(match[2])]
    if len(path) > DEPTH_MAX:
        raise invalid(issue("invalid_form", "The name is nested too deeply", name))
    place: Any = values
    for part, following in pairwise(path):
        fresh: Any = [] if following == "" else {}
        if isinstance(place, list):
            place.append(fresh)
            place = fresh
        else:
            place = place.setdefault(part, fresh)
        if not isinstance(place, type(fresh)):
            raise invalid(issue("invalid_form", "The name contradicts another one", name))
    if isinstance(place, list):
        place.append(value)
    elif path[-1] in place:
        # The same name again: some clients repeat it for a list.
        known = place[path[-1]]
        place[path[-1]] = [*(known if isinstance(known, list) else [known]), value]
    else:
        place[path[-1]] = value
