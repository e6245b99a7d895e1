"""BytePlus ModelArk: Seedance video and Seedream pictures. Volcengine Ark speaks the same.

https://docs.byteplus.com/en/docs/ModelArk/1520757 (create), /1521309 (retrieve), /1541523 (images)
"""

from collections.abc import Mapping
from dataclasses import replace

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Usage
from kinetoscope.providers.adapter import (
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
    segment,
    text_at,
)
from kinetoscope.providers.byteplus_requests import PICTURES_TIMEOUT_S, TASKS, submit
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Failed,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.states import State

MODERATION_WORDS = ("SensitiveContentDetected", "PolicyViolation", "RiskDetection")
"""Parts of error codes: InputImageSensitiveContentDetected.PrivacyInformation, …
https://docs.byteplus.com/en/docs/ModelArk/1299023"""
ACCOUNT_CODES = frozenset(
    {
        "AuthenticationError",  # a bad or missing key
        "AccountOverdueError",  # no funds
        "AccessDenied",
        "OperationDenied",  # .ServiceNotOpen, .ServiceOverdue …
    }
)
UNSUPPORTED_CODES = frozenset(
    {
        "ModelNotOpen",  # the account has not activated the model
        "InvalidEndpointOrModel",  # no such model, or not for this account
        "InvalidEndpoint",  # the account's endpoint is closed
        "UnsupportedModel",
    }
)
"""What stands before the first dot of a code."""
TEMPORARY_CODES = frozenset(
    {
        "InternalServiceError",
        "ServerOverloaded",
        "RateLimitExceeded",
        "ContentSecurityDetectionError",  # a 400: their own checker broke
    }
)


def accepted(answer: Answer, job: Job) -> Accepted | Reading:
    """A task's id, or the pictures."""
    table = answer.table()
    if job.order.kind is not MediaKind.IMAGE:
        return Accepted(upstream_id=required_text(table, "id"))
    data = items_at(table, "data")
    urls = [url for url in (text_at(item, "url") for item in data) if url]
    if urls:
        return Reading(word="succeeded", outputs=tuple(Output(url=url) for url in urls))
    # A picture that moderation held back stands in the list as an error, under a status of 200.
    errors = [error for error in (at(item, "error") for item in (*data, table)) if error]
    code, message = _code_and_message(errors[0]) if errors else ("", "")
    return Reading(word="failed", failure=failed(message, _kind(code) or Kind.PERMANENT))


def refusal(answer: Answer) -> Refused:
    """`{"error": {"code", "message"}}`."""
    code, message = _error(answer)
    return refusal_by_status(answer, message, _kind(code))


def _error(answer: Answer) -> tuple[str, str]:
    try:
        return _code_and_message(answer.table().get("error"))
    except Malformed:
        return "", ""


def _code_and_message(error: JSON) -> tuple[str, str]:
    return text_at(error, "code"), text_at(error, "message")


def _kind(code: str) -> Kind | None:
    if any(word in code for word in MODERATION_WORDS):
        return Kind.MODERATION
    family = code.partition(".")[0]
    if family in TEMPORARY_CODES:
        return Kind.TEMPORARY
    if family in ACCOUNT_CODES:
        return Kind.ACCOUNT
    return Kind.UNSUPPORTED if family in UNSUPPORTED_CODES else None


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Retrieve a task."""
    del site, job
    return Call(method="GET", url=f"{TASKS}/{segment(upstream_id)}")


def read(answer: Answer, job: Job) -> Reading:
    """Read a retrieved task."""
    del job
    table = answer.table()
    word = required_text(table, "status")
    content = at(table, "content")
    outputs = [Output(url=url) for url in [text_at(content, "video_url")] if url]
    last_frame = text_at(content, "last_frame_url")
    if outputs and last_frame:
        outputs.append(Output(url=last_frame, is_last_frame=True))
    tokens = number_at(table, "usage", "completion_tokens") or 0
    return Reading(
        word=word,
        outputs=tuple(outputs),
        failure=_failure(table, word),
        usage=Usage(tokens_image_out=int(tokens)),
    )


def _failure(table: Mapping[str, JSON], word: str) -> Failed | None:
    code, message = _code_and_message(at(table, "error"))
    if not code and word in {"cancelled", "expired"}:
        return failed(f"The provider's task was {word}.")
    if not code:
        return None
    return failed(message, _kind(code) or Kind.PERMANENT)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Only a queued task can be cancelled; the same call forgets a finished one.

    https://docs.byteplus.com/en/docs/ModelArk/1521720
    """
    del site, job
    return Call(method="DELETE", url=f"{TASKS}/{segment(upstream_id)}")


def cancelled(answer: Answer) -> CancelOutcome:
    """A running task answers with InvalidAction.RunningTaskDeletion, and goes on."""
    return CancelOutcome.STOPPED if answer.is_fine else CancelOutcome.GOES_ON


def check(site: Site) -> Call:
    """List one task."""
    del site
    return Call(method="GET", url=TASKS, query=(("page_num", "1"), ("page_size", "1")))


def claim(body: Mapping[str, JSON]) -> str | None:
    """A callback carries the task as it would be retrieved."""
    return text_at(body, "id") or None


BYTEPLUS = Adapter(
    name="byteplus",
    docs="https://docs.byteplus.com/en/docs/ModelArk/1520757",
    base_url="https://ark.ap-southeast.bytepluses.com/api/v3",
    key_name="byteplus",
    # No client token and no search by a name of ours is documented.
    idempotency=Idempotency.NEITHER,
    submit_timeout_s=PICTURES_TIMEOUT_S,
    at_once=lambda job: job.order.kind is MediaKind.IMAGE,
    polling=Polling(delay_s=3.0, delay_s_max=15.0),
    models={
        "seedance-20": "dreamina-seedance-2-0-260128",
        "seedance2-fast": "dreamina-seedance-2-0-fast-260128",
        "seedance2.0-mini": "dreamina-seedance-2-0-mini-260615",
        "seedance2-5": "dreamina-seedance-2-5-260628",
        "seedream-5.0-pro": "dola-seedream-5-0-pro-260628",
    },
    headers=bearer,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    cancellable=frozenset({State.WAITING}),
    check=check,
    claim=claim,
)

VOLCENGINE = replace(
    BYTEPLUS,
    name="volcengine",
    docs="https://www.volcengine.com/docs/82379/1520757",
    base_url="https://ark.cn-beijing.volces.com/api/v3",
    key_name="volcengine",
    models={
        "seedance-20": "doubao-seedance-2-0-260128",
        "seedance2-fast": "doubao-seedance-2-0-fast-260128",
        "seedance2.0-mini": "doubao-seedance-2-0-mini-260615",
        "seedance2-5": "doubao-seedance-2-5-260628",
        "seedream-5.0-pro": "doubao-seedream-5-0-pro-260628",
    },
)
