"""kie.ai: many models behind one queue; its codes stand in the body of answers that say 200.

https://docs.kie.ai/market/quickstart. References must have addresses there, so they are uploaded
first (https://docs.kie.ai/file-upload-api/quickstart), to a host of its own: `upload_url` in the
provider's `[options]`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

import orjson

from kinetoscope.kernel.calling import Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.adapter import (
    KINDS_BY_STATUS,
    Adapter,
    Output,
    Reading,
    Site,
    at,
    bearer,
    failed,
    items_at,
    number_at,
    refusal_by_status,
    required_text,
    text_at,
)
from kinetoscope.providers.contract import (
    Accepted,
    Failed,
    FetchedReference,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.kie_requests import submit
from kinetoscope.providers.signatures import of_kie

UPLOAD_URL = "https://kieai.redpandaai.co"
CREDIT_USD_MICROS = 5_000
"""A credit costs half a cent, and less in large packages: https://kie.ai/pricing"""
FINE = 200
GENERATION_FAILED = 501
KINDS_BY_CODE = {
    401: Kind.ACCOUNT,  # a bad key
    402: Kind.ACCOUNT,  # no credits
    404: Kind.UNSUPPORTED,
    422: Kind.PERMANENT,
    429: Kind.TEMPORARY,
    433: Kind.ACCOUNT,  # the key's own limit
    455: Kind.TEMPORARY,  # maintenance
    GENERATION_FAILED: Kind.TEMPORARY,
    505: Kind.UNSUPPORTED,  # the feature is off
}
"""https://docs.kie.ai/market/quickstart#status-codes. Not 500, "an unexpected error while
processing", nor 408, "no result for over 10 minutes": these leave open what became of a task."""
FAILED_FOR_NOW = frozenset({"408", "429", "455", "500"})
"""`failCode` of a task: https://docs.kie.ai/market/common/get-task-detail"""
MODERATION = re.compile(
    r"sensitive|nsfw|policy|policies|violat|flagged|moderation|prohibited|copyright|inappropriate",
    re.IGNORECASE,
)
"""Content has no code of its own; the words tell."""
PERCENT = 100
ENDINGS = {"audio/mpeg": "mp3", "image/jpeg": "jpg", "video/quicktime": "mov"}
"""Where the media type does not say it already."""


def accepted(answer: Answer, job: Job) -> Accepted | Refused:
    """`{"code": 200, "msg", "data": {"taskId"}}`, or the code of a refusal."""
    del job
    table = answer.table()
    code = number_at(table, "code")
    if code == FINE:
        return Accepted(upstream_id=required_text(table, "data", "taskId"))
    if code is None or not _is_verdict(int(code)):
        raise Malformed(f"The answer's code is {code}")
    return _refused(answer, int(code), _message(table))


def _is_verdict(code: int) -> bool:
    return code in KINDS_BY_CODE or (code in range(400, 500) and code != 408)  # noqa: PLR2004


def _message(table: Mapping[str, JSON]) -> str:
    """Creating says `msg`, asking says `message`."""
    return text_at(table, "msg") or text_at(table, "message")


def _refused(answer: Answer, code: int, message: str) -> Refused:
    kind = KINDS_BY_CODE.get(code) or KINDS_BY_STATUS.get(code, Kind.PERMANENT)
    if (kind is Kind.PERMANENT or code == GENERATION_FAILED) and MODERATION.search(message):
        kind = Kind.MODERATION
    return refusal_by_status(answer, message, kind)


def refusal(answer: Answer) -> Refused:
    """The same codes, as a status."""
    try:
        table = answer.table()
    except Malformed:
        table = {}
    code = int(number_at(table, "code") or 0)
    return _refused(answer, code if _is_verdict(code) else answer.status, _message(table))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Ask for its record."""
    del site, job
    return Call(method="GET", url="jobs/recordInfo", query=(("taskId", upstream_id),))


def read(answer: Answer, job: Job) -> Reading:
    """`data.state`, and `data.resultJson`: JSON in a text, `{"resultUrls"}`.

    A new task may not be there yet: 422, "recordInfo is null".
    https://docs.kie.ai/market/common/get-task-detail
    """
    del job
    table = answer.table()
    if number_at(table, "code") != FINE:
        raise Malformed(f"code {number_at(table, 'code')}")
    word = required_text(table, "data", "state")
    percent = number_at(table, "data", "progress")
    credits_taken = number_at(table, "data", "creditsConsumed")
    cost = None
    if credits_taken:
        cost = int(Decimal(str(credits_taken)) * CREDIT_USD_MICROS)
    return Reading(
        word=word,
        progress=None if percent is None else percent / PERCENT,
        outputs=_outputs(text_at(table, "data", "resultJson")) if word == "success" else (),
        failure=_failure(at(table, "data")) if word == "fail" else None,
        cost_usd_micros=cost,
    )


def _failure(data: JSON) -> Failed:
    code, message = at(data, "failCode"), text_at(data, "failMsg")
    if MODERATION.search(message):
        return failed(message, Kind.MODERATION)
    return failed(message, Kind.TEMPORARY if str(code) in FAILED_FOR_NOW else Kind.PERMANENT)


def _outputs(text: str) -> tuple[Output, ...]:
    try:
        result: JSON = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Malformed("resultJson is not JSON") from None
    return tuple(Output(url=url) for url in items_at(result, "resultUrls") if isinstance(url, str))


def upload(site: Site, fetched: FetchedReference) -> Call:
    """https://docs.kie.ai/file-upload-api/upload-file-stream.

    "Identical filenames will overwrite old files": a task's folder is nobody else's.
    """
    base = site.options.get("upload_url")
    ending = ENDINGS.get(fetched.media_type) or fetched.media_type.partition("/")[2]
    name = f"{sha256(str(fetched.path).encode()).hexdigest()}.{ending}"
    part = FilePart(name="file", filename=name, media_type=fetched.media_type, source=fetched.path)
    return Call(
        method="POST",
        url=f"{base if isinstance(base, str) else UPLOAD_URL}/api/file-stream-upload",
        fields=(("uploadPath", "kinetoscope"), ("fileName", name)),
        files=(part,),
        timeout_s=300,
    )


def uploaded(answer: Answer, fetched: FetchedReference) -> str:
    """The file is there for a day."""
    del fetched
    table = answer.table()
    return text_at(table, "data", "downloadUrl") or required_text(table, "data", "fileUrl")


def check(site: Site) -> Call:
    """How many credits are left."""
    del site
    return Call(method="GET", url="chat/credit")


def checked(answer: Answer) -> str | None:
    """A bad key is a code, too."""
    table = answer.table()
    if number_at(table, "code") == FINE:
        return None
    return _message(table) or "answers with an unknown code"


def claim(body: Mapping[str, JSON]) -> str | None:
    """A callback's body is the record: https://docs.kie.ai/common-api/webhook-verification."""
    return text_at(body, "data", "taskId") or text_at(body, "data", "task_id") or None


def signed(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> bool:
    """Its signature covers the task's id, not the rest of the body."""
    try:
        record: JSON = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    task_id = claim(record) if isinstance(record, dict) else None
    return of_kie(headers, task_id or "", secret, now)


KIE = Adapter(
    name="kie",
    docs="https://docs.kie.ai/market/quickstart",
    base_url="https://api.kie.ai/api/v1",
    key_name="kie",
    # No idempotency is documented, and tasks cannot be looked for by a name of ours.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=3.0, delay_s_max=15.0),
    # Its GPT Image has no quality, which is part of our price; Midjourney has a route of its own.
    models={
        "seedance-20": "bytedance/seedance-2",
        "seedance2-fast": "bytedance/seedance-2-fast",
        "seedance2.0-mini": "bytedance/seedance-2-mini",
        "seedance2-5": "bytedance/seedance-2-5",
        "wan3.0-text-to-video": "wan/3-0-video",
        "wan3.0-image-to-video": "wan/3-0-video",
        "wan3.0-ref-to-video": "wan/3-0-video",
        "wan3.0-prime-text-to-video": "wan/3-0-video-prime",
        "wan3.0-prime-image-to-video": "wan/3-0-video-prime",
        "wan3.0-prime-ref-to-video": "wan/3-0-video-prime",
        "seedream-5.0-pro": "seedream/5-pro",
        "nanobanana2": "nano-banana-2",
        "nanobanana-pro": "nano-banana-pro",
    },
    headers=bearer,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    upload=upload,
    uploaded=uploaded,
    upload_url=UPLOAD_URL,
    check=check,
    checked=checked,
    claim=claim,
    signed=signed,
)
