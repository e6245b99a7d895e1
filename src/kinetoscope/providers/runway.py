"""Runway: clips and pictures of its own models and of others that it fronts.

https://docs.dev.runwayml.com/api. Fields that a model does not know are refused there, so that
only those are sent that every model of a route has; the operator's `options` add the rest.
"""

from decimal import Decimal

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role, Size
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
    failed,
    items_at,
    number_at,
    refusal_by_status,
    required_text,
    text_at,
)
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.states import State

VERSION = "2024-11-06"
CREDIT_USD_MICROS = 10_000
"""A credit costs one cent: https://docs.dev.runwayml.com/guides/pricing"""
MODERATION_PREFIX = "SAFETY."
TEMPORARY_PREFIXES = ("INTERNAL", "THIRD_PARTY")
"""https://docs.dev.runwayml.com/errors/task-failures"""
POSITIONS = {Role.FIRST_FRAME: "first", Role.LAST_FRAME: "last"}


def headers(site: Site) -> dict[str, str]:
    """Every request names the version of the API."""
    return {"Authorization": f"Bearer {site.key}", "X-Runway-Version": VERSION}


def submit(ask: Ask) -> Call | Refused:
    """The route follows from what goes in and what comes out."""
    order = ask.job.order
    kinds = {attached.fetched.reference.kind for attached in ask.attached}
    if order.kind is MediaKind.AUDIO or MediaKind.AUDIO in kinds:
        return Refused(code="500", message="It makes clips and pictures.", kind=Kind.UNSUPPORTED)
    body: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "promptText": order.prompt,
        "ratio": ratio_of(order.size),
        "seed": ask.job.seed,
    }
    if order.kind is MediaKind.IMAGE:
        route = "text_to_image"
        body["referenceImages"] = [{"uri": attached.url} for attached in ask.attached] or None
    elif MediaKind.VIDEO in kinds:
        route = "video_to_video"
        body |= _videos(ask)
    else:
        route = "image_to_video" if ask.attached else "text_to_video"
        body["duration"] = order.duration_s or None
        body["promptImage"] = _pictures(ask) or None
    given: dict[str, JSON] = {name: value for name, value in body.items() if value is not None}
    return Call(method="POST", url=route, json={**given, **ask.job.options}, timeout_s=120)


def ratio_of(size: Size | None) -> str | None:
    """Pixels, with a colon."""
    return None if size is None else f"{size.width}:{size.height}"


def _pictures(ask: Ask) -> list[JSON]:
    return [
        {
            "uri": attached.url,
            "position": POSITIONS.get(attached.fetched.reference.role, "first"),
        }
        for attached in ask.attached
    ]


def _videos(ask: Ask) -> dict[str, JSON]:
    videos = [each for each in ask.attached if each.fetched.reference.kind is MediaKind.VIDEO]
    references: list[JSON] = [
        {"type": "image", "uri": each.url} for each in ask.attached if each not in videos
    ]
    return {"videoUri": videos[0].url, "references": references or None}


def accepted(answer: Answer, job: Job) -> Accepted:
    """`{"id"}`."""
    del job
    return Accepted(upstream_id=required_text(answer.table(), "id"))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Retrieve a task."""
    del site, job
    return Call(method="GET", url=f"tasks/{upstream_id}")


def read(answer: Answer, job: Job) -> Reading:
    """PENDING, THROTTLED, RUNNING, SUCCEEDED, FAILED or CANCELLED; addresses last a day."""
    del job
    table = answer.table()
    word = required_text(table, "status")
    outputs = tuple(Output(url=url) for url in items_at(table, "output") if isinstance(url, str))
    failure = None
    if word in {"FAILED", "CANCELLED"}:
        message = text_at(table, "failure") or f"The task was {word.lower()}."
        failure = failed(message, kind_of(text_at(table, "failureCode")))
    credits_taken = number_at(table, "cost", "credits")
    cost = None
    if credits_taken is not None:
        cost = int(Decimal(str(credits_taken)) * CREDIT_USD_MICROS)
    return Reading(
        word=word,
        progress=number_at(table, "progress"),
        outputs=outputs,
        failure=failure,
        cost_usd_micros=cost,
    )


def kind_of(code: str) -> Kind:
    """Tell moderation and passing trouble by a failure's code."""
    if code.startswith(MODERATION_PREFIX):
        return Kind.MODERATION
    return Kind.TEMPORARY if code.startswith(TEMPORARY_PREFIXES) else Kind.PERMANENT


def refusal(answer: Answer) -> Refused:
    """`{"error"}`, with `issues` where the input is wrong."""
    try:
        table = answer.table()
    except Malformed:
        return refusal_by_status(answer)
    message = text_at(table, "error")
    kind = None
    if "credits" in message.lower():  # a 400 here
        kind = Kind.UNSUPPORTED
    if "moderation" in message.lower() or "safety" in message.lower():
        kind = Kind.MODERATION
    return refusal_by_status(answer, message, kind)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Cancels a task that is open and deletes one that is over."""
    del site, job
    return Call(method="DELETE", url=f"tasks/{upstream_id}")


def cancelled(answer: Answer) -> CancelOutcome:
    """An empty answer."""
    return CancelOutcome.STOPPED if answer.is_fine else CancelOutcome.GOES_ON


def check(site: Site) -> Call:
    """Whose key it is, and how many credits are left."""
    del site
    return Call(method="GET", url="organization")


RUNWAY = Adapter(
    name="runway",
    docs="https://docs.dev.runwayml.com/api",
    base_url="https://api.dev.runwayml.com/v1",
    key_name="runway",
    # No idempotency is documented, and tasks cannot be listed.
    idempotency=Idempotency.NEITHER,
    # "Poll every five seconds or more": https://docs.dev.runwayml.com/guides/using-the-api
    polling=Polling(delay_s=6.0, delay_s_max=15.0),
    models={},
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    cancellable=frozenset({State.WAITING}),
    check=check,
)
