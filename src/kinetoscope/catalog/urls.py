"""Whether a reference may be what its URL says: scheme, length and ending, without a fetch."""

import re

from kinetoscope.catalog import issues
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.kernel.order import MediaKind

URL_CHARACTERS_MAX = 2048
DATA_URI_CHARACTERS_MAX = 20 * 1024 * 1024

ENDINGS: dict[MediaKind, tuple[str, ...]] = {
    MediaKind.IMAGE: ("jpg", "jpeg", "png", "webp"),
    MediaKind.VIDEO: ("mp4", "mov", "webm"),
    MediaKind.AUDIO: ("mp3", "wav", "m4a", "aac", "ogg", "flac"),
}
"""The endings the contract names for each kind (kinovi-ai/kinovi-models, seedance-20)."""

_KINDS = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}

_UNUSABLE_ENDINGS = frozenset(
    {"gif", "bmp", "svg", "tif", "tiff", "heic", "heif", "avif", "ico", "psd", "pdf"}
    | {"mkv", "avi", "wmv", "flv", "m4v", "mpg", "mpeg", "3gp"}
    | {"wma", "aiff", "aif", "mid", "midi", "opus", "amr"}
    | {"zip", "txt", "json"}
)
"""Endings that are certainly wrong; any other unknown one is found out when the file is fetched."""

_SUBTYPES: dict[MediaKind, frozenset[str]] = {
    MediaKind.IMAGE: frozenset({"jpeg", "jpg", "png", "webp"}),
    MediaKind.VIDEO: frozenset({"mp4", "quicktime", "webm"}),
    MediaKind.AUDIO: frozenset(
        {"mpeg", "mp3", "wav", "x-wav", "wave", "vnd.wave", "mp4", "m4a", "x-m4a", "aac", "ogg"}
        | {"flac", "x-flac"}
    ),
}

_HTTP = re.compile(
    r"https?://[^\x00-\x20\x7f/?#\\]+(?P<path>/[^\x00-\x20\x7f?#]*)?(?:[?#][^\x00-\x20\x7f]*)?",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"data:(?P<kind>[a-z]{1,20})/(?P<subtype>[a-z0-9.+-]{1,40})(?:;[a-z0-9=._+-]{1,60}){0,3};base64,",
    re.IGNORECASE,
)
_DATA_HEAD_CHARACTERS = 300


def media_kind(url: str) -> MediaKind | None:
    """Return the kind of media the URL's ending or media type tells, None where it does not."""
    if _is_data(url):
        head = _DATA.match(url[:_DATA_HEAD_CHARACTERS])
        word = head["kind"].lower() if head else ""
        return MediaKind(word) if word in {kind.value for kind in MediaKind} else None
    matched = _HTTP.fullmatch(url[:URL_CHARACTERS_MAX])
    return _KINDS.get(_ending(matched)) if matched else None


def problem(kind: MediaKind, url: object, *path: str | int) -> InputIssue | None:
    """Return what is wrong with one reference of this kind, None if nothing is.

    Accepted are http and https URLs of at most 2,048 characters and base64 data URIs of at most
    20 MiB of text. Whether an http URL may be reached at all is decided where it is fetched.
    """
    if type(url) is not str:
        return issues.wrong_type("string", url, *path)
    return _data_problem(kind, url, path) if _is_data(url) else _http_problem(kind, url, path)


def _http_problem(kind: MediaKind, url: str, path: tuple[str | int, ...]) -> InputIssue | None:
    if len(url) > URL_CHARACTERS_MAX:
        return issues.too_big(f"URL must contain at most {URL_CHARACTERS_MAX} characters", *path)
    matched = _HTTP.fullmatch(url)
    if matched is None:
        return InputIssue("invalid_string", "Invalid url", path)
    if not issues.storable(url):
        return issues.unstorable(*path)
    ending = _ending(matched)
    if ending in _UNUSABLE_ENDINGS or _KINDS.get(ending, kind) is not kind:
        return _wrong_format(kind, f".{ending}", path)
    return None


def _data_problem(kind: MediaKind, uri: str, path: tuple[str | int, ...]) -> InputIssue | None:
    if len(uri) > DATA_URI_CHARACTERS_MAX:
        return issues.too_big("Data URI must be at most 20 MiB", *path)
    head = _DATA.match(uri[:_DATA_HEAD_CHARACTERS])
    if head is None or head.end() == len(uri) or not uri.isascii() or "\0" in uri:
        return InputIssue("invalid_string", "Invalid data URI: expected data:<type>;base64,", path)
    if head["kind"].lower() != kind or head["subtype"].lower() not in _SUBTYPES[kind]:
        return _wrong_format(kind, f"{head['kind']}/{head['subtype']}", path)
    return None


def _is_data(url: str) -> bool:
    return url[:5].lower() == "data:"


def _ending(matched: re.Match[str]) -> str:
    last_part = (matched["path"] or "").rpartition("/")[2]
    return last_part.rpartition(".")[2].lower() if "." in last_part else ""


def _wrong_format(kind: MediaKind, found: str, path: tuple[str | int, ...]) -> InputIssue:
    *others, last = (f".{ending}" for ending in ENDINGS[kind])
    return issues.custom(
        f"Unsupported {kind} format '{found}'. Use {', '.join(others)} or {last}.", *path
    )
