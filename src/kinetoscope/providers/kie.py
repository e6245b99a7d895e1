"""kie.ai: many models behind one queue; its codes stand in the body of answers that say 200.

https://docs.kie.ai/market/quickstart. References must have addresses there, so they are uploaded
first (https://docs.kie.ai/file-upload-api/quickstart), to a host of its own: `upload_url` in the
provider's `[options]`.
"""

from collections.abc import Mapping

import orjson

from kinetoscope.kernel.calling import Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
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
    FetchedReference,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)

UPLOAD_URL = "https://kieai.redpandaai.co"
FINE = 200
KINDS_BY_CODE = {
    401: Kind.UNSUPPORTED,  # a bad key
    402: Kind.UNSUPPORTED,  # no credits
    404: Kind.UNSUPPORTED,
    422: Kind.PERMANENT,
    429: Kind.TEMPORARY,
    433: Kind.UNSUPPORTED,  # the key's own limit
    455: Kind.TEMPORARY,  # maintenance
    500: Kind.TEMPORARY,
    501: Kind.TEMPORARY,
    505: Kind.UNSUPPORTED,  # the feature is off
}
"""https://docs.kie.ai/market/quickstart#status-codes"""
MODERATION_WORDS = ("sensitive", "nsfw", "policy", "violat", "flagged", "moderation")
"""Failures have codes without a list; the words tell."""
PERCENT = 100


def submit(ask: Ask) -> Call:
    """One route for all models; what a model calls otherwise, the operator's `rename` says."""
    order = ask.job.order
    options = dict(ask.job.options)
    rename = options.pop("rename", None)
    inputs: dict[str, JSON] = {"prompt": order.prompt, "seed": ask.job.seed}
    ratio = order.inputs.get("aspectRatio")
    if isinstance(ratio, str) and ":" in ratio:
        inputs["aspect_ratio"] = ratio
    if order.kind is MediaKind.VIDEO:
        inputs["duration"] = str(order.duration_s) if order.duration_s else None
        inputs["resolution"] = order.resolution or None
        inputs["generate_audio"] = order.audio
    inputs |= _references(ask)
    names = rename if isinstance(rename, dict) else {}
    named = {str(names.get(name, name)): value for name, value in inputs.items()}
    given = {name: value for name, value in named.items() if name and value is not None}
    body: dict[str, JSON] = {"model": ask.job.upstream_model, "input": {**given, **options}}
    if ask.job.callback_url is not None:
        body["callBackUrl"] = ask.job.callback_url
    return Call(method="POST", url="jobs/createTask", json=body)


def _references(ask: Ask) -> dict[str, JSON]:
    """https://docs.kie.ai/market/bytedance/seedance-2."""
    found: dict[str, JSON] = {}
    lists: dict[str, list[JSON]] = {}
    for attached in ask.attached:
        reference = attached.fetched.reference
        match reference.kind, reference.role:
            case MediaKind.IMAGE, Role.FIRST_FRAME:
                found["first_frame_url"] = attached.url
            case MediaKind.IMAGE, Role.LAST_FRAME:
                found["last_frame_url"] = attached.url
            case kind, _:
                lists.setdefault(f"reference_{kind}_urls", []).append(attached.url)
    return {**found, **lists}


def accepted(answer: Answer, job: Job) -> Accepted | Refused:
    """`{"code": 200, "msg", "data": {"taskId"}}`, or the code of a refusal."""
    del job
    table = answer.table()
    code = number_at(table, "code")
    if code is None:
        raise Malformed("The answer has no code")
    if code != FINE:
        return _refused(answer, int(code), text_at(table, "msg"))
    return Accepted(upstream_id=required_text(table, "data", "taskId"))


def _refused(answer: Answer, code: int, message: str) -> Refused:
    kind = KINDS_BY_CODE.get(code, Kind.PERMANENT)
    if kind is Kind.PERMANENT and _is_moderation(message):
        kind = Kind.MODERATION
    return refusal_by_status(answer, message, kind)


def _is_moderation(message: str) -> bool:
    return any(word in message.lower() for word in MODERATION_WORDS)


def refusal(answer: Answer) -> Refused:
    """The same codes, as a status."""
    try:
        message = text_at(answer.table(), "msg")
    except Malformed:
        message = ""
    return _refused(answer, answer.status, message)


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Ask for its record."""
    del site, job
    return Call(method="GET", url="jobs/recordInfo", query=(("taskId", upstream_id),))


def read(answer: Answer, job: Job) -> Reading:
    """`data.state`, and `data.resultJson`: JSON in a text, `{"resultUrls"}`."""
    del job
    table = answer.table()
    if number_at(table, "code") != FINE:
        raise Malformed(f"code {number_at(table, 'code')}")
    word = required_text(table, "data", "state")
    percent = number_at(table, "data", "progress")
    failure = None
    if word == "fail":
        message = text_at(table, "data", "failMsg")
        kind = Kind.MODERATION if _is_moderation(message) else Kind.PERMANENT
        failure = failed(message, kind)
    return Reading(
        word=word,
        progress=None if percent is None else percent / PERCENT,
        outputs=_outputs(text_at(table, "data", "resultJson")) if word == "success" else (),
        failure=failure,
    )


def _outputs(text: str) -> tuple[Output, ...]:
    try:
        result: JSON = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Malformed("resultJson is not JSON") from None
    return tuple(Output(url=url) for url in items_at(result, "resultUrls") if isinstance(url, str))


def upload(site: Site, fetched: FetchedReference) -> Call:
    """https://docs.kie.ai/file-upload-api/upload-file-stream."""
    base = site.options.get("upload_url")
    reference = fetched.reference
    ending = fetched.media_type.partition("/")[2]
    part = FilePart(
        name="file",
        filename=f"{reference.kind}-{reference.number}.{ending}",
        media_type=fetched.media_type,
        source=fetched.path,
    )
    return Call(
        method="POST",
        url=f"{base if isinstance(base, str) else UPLOAD_URL}/api/file-stream-upload",
        fields=(("uploadPath", "kinetoscope"),),
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
    return text_at(table, "msg") or "answers with an unknown code"


def claim(body: Mapping[str, JSON]) -> str | None:
    """A callback's body is the record."""
    return text_at(body, "data", "taskId") or text_at(body, "data", "task_id") or None


KIE = Adapter(
    name="kie",
    docs="https://docs.kie.ai/market/quickstart",
    base_url="https://api.kie.ai/api/v1",
    key_name="kie",
    # No idempotency is documented, and tasks cannot be looked for by a name of ours.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=3.0, delay_s_max=15.0),
    models={"seedance-20": "bytedance/seedance-2"},
    headers=bearer,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    upload=upload,
    uploaded=uploaded,
    check=check,
    checked=checked,
    claim=claim,
)
