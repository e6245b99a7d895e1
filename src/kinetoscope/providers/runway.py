"""Runway: clips and pictures of its own models and of others that it fronts.

https://docs.dev.runwayml.com/api. Fields that a model does not know are refused there:
`runway_models` says what each has, and the operator's `options` add the rest.
"""

from decimal import Decimal

from kinetoscope.kernel.calling import Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Attached,
    Output,
    Place,
    Reading,
    Site,
    at,
    failed,
    items_at,
    number_at,
    refusal_by_status,
    required_text,
    segment,
    text_at,
)
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    FetchedReference,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.runway_models import MADE, OTHER, Made, ratio_of
from kinetoscope.providers.states import State

VERSION = "2024-11-06"
CREDIT_USD_MICROS = 10_000
"""A credit costs one cent: https://docs.dev.runwayml.com/guides/pricing"""
TEMPORARY_PREFIXES = ("INTERNAL", "INPUT_PREPROCESSING.INTERNAL", "THIRD_PARTY")
"""https://docs.dev.runwayml.com/errors/task-failures: these "may be retried"."""
SHEDDING_LOAD = frozenset({502, 503})
"""Both answered when Runway turns requests away: https://docs.dev.runwayml.com/errors/errors"""
POSITIONS = {Role.FIRST_FRAME: "first", Role.LAST_FRAME: "last"}


def headers(site: Site) -> dict[str, str]:
    """Every request names the version of the API."""
    return {"Authorization": f"Bearer {site.key}", "X-Runway-Version": VERSION}


def submit(ask: Ask) -> Call | Refused:
    """The route follows from what goes in and what comes out."""
    order = ask.job.order
    made = MADE.get(ask.job.upstream_model, OTHER)
    frames = [each for each in ask.attached if each.fetched.reference.role in POSITIONS]
    ratio = ratio_of(made, order, ask.job.references, has_frames=bool(frames))
    if ratio == "":
        return _unsupported("It makes nothing of that size and shape.")
    shared: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "promptText": order.prompt,
        "ratio": ratio,
        "seed": ask.job.seed if made.seed else None,
    }
    routed = _picture(ask, made) if order.kind is MediaKind.IMAGE else _clip(ask, made, frames)
    if isinstance(routed, Refused):
        return routed
    route, body = routed
    given = {name: value for name, value in {**shared, **body}.items() if value is not None}
    return Call(method="POST", url=route, json={**given, **ask.job.options})


Routed = tuple[str, dict[str, JSON]]


def _picture(ask: Ask, made: Made) -> Routed | Refused:
    order = ask.job.order
    if {each.fetched.reference.kind for each in ask.attached} - {MediaKind.IMAGE}:
        return _unsupported("It makes pictures of pictures only.")
    if order.count > 1 and not made.count:
        return _unsupported("It makes one picture at a time.")
    return "text_to_image", {
        "referenceImages": _uris(ask.attached),
        "outputCount": order.count if order.count > 1 else None,
        "outputFormat": order.file_format if made.file_format else None,
        "quality": order.quality if order.quality in made.qualities else None,
    }


def _clip(ask: Ask, made: Made, frames: list[Attached]) -> Routed | Refused:
    order = ask.job.order
    if order.kind is not MediaKind.VIDEO:
        return _unsupported("It makes clips and pictures.")
    sources = [each for each in ask.attached if each.fetched.reference.role is Role.SOURCE]
    if sources:
        # Without a ratio nobody can say the resolution, and an edit of Seedance takes no ratio.
        if made.omni or len(ask.attached) > 1:
            return _unsupported("It cannot edit clips in a given resolution.")
        return "video_to_video", {"videoUri": sources[0].url}
    body: dict[str, JSON] = {
        "duration": order.duration_s or None,
        "audio": order.audio if made.audio else None,
        "outputFormat": "mov" if made.mov and order.file_format == "mov" else None,
    }
    if frames:
        return "image_to_video", {**body, "promptImage": [_frame(each) for each in frames]}
    if ask.attached and not made.omni:
        return _unsupported("It takes pictures as frames only.")
    return "text_to_video", {**body, **_references(ask.attached)}


def _frame(attached: Attached) -> JSON:
    return {"uri": attached.url, "position": POSITIONS[attached.fetched.reference.role]}


def _references(attached: tuple[Attached, ...]) -> dict[str, JSON]:
    """Pictures are bare; clips and sounds say what they are."""
    found: dict[str, list[JSON]] = {}
    for each in attached:
        kind = each.fetched.reference.kind
        if kind is MediaKind.IMAGE:
            found.setdefault("references", []).append({"uri": each.url})
        else:
            name = "referenceVideos" if kind is MediaKind.VIDEO else "referenceAudio"
            found.setdefault(name, []).append({"type": str(kind), "uri": each.url})
    return {**found}


def _uris(attached: tuple[Attached, ...]) -> JSON:
    uris: list[JSON] = [{"uri": each.url} for each in attached]
    return uris or None


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def accepted(answer: Answer, job: Job) -> Accepted:
    """`{"id"}`."""
    del job
    return Accepted(upstream_id=required_text(answer.table(), "id"))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Retrieve a task."""
    del site, job
    return Call(method="GET", url=f"tasks/{segment(upstream_id)}")


def read(answer: Answer, job: Job) -> Reading:
    """PENDING, THROTTLED, RUNNING, SUCCEEDED, FAILED or CANCELLED; addresses last a day."""
    del job
    table = answer.table()
    word = required_text(table, "status")
    outputs = tuple(Output(url=url) for url in items_at(table, "output") if isinstance(url, str))
    failure = None
    if word == "FAILED":
        kind = kind_of(text_at(table, "failureCode"))
        # "We do not recommend returning this to users directly": moderation has words of ours.
        failure = failed("" if kind is Kind.MODERATION else text_at(table, "failure"), kind)
    if word == "CANCELLED":
        failure = failed("The provider's task was cancelled.")
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
    """Tell moderation and passing trouble by a failure's code.

    SAFETY.INPUT.TEXT, SAFETY.OUTPUT.VIDEO, INPUT_PREPROCESSING.SAFETY.TEXT and the like are
    moderation. No code at all means what INTERNAL does.
    """
    if "SAFETY" in code.split("."):
        return Kind.MODERATION
    is_passing = not code or code.startswith(TEMPORARY_PREFIXES)
    return Kind.TEMPORARY if is_passing else Kind.PERMANENT


def refusal(answer: Answer) -> Refused:
    """`{"error"}`, with `issues` where the input is wrong."""
    try:
        table = answer.table()
    except Malformed:
        return refusal_by_status(answer)
    message = text_at(table, "error")
    # "You do not have enough credits to run this task." comes with a 400.
    kind = Kind.ACCOUNT if "enough credits" in message else None
    problems = [
        f"{'.'.join(map(str, items_at(issue, 'path')))}: {text_at(issue, 'message')}"
        for issue in items_at(table, "issues")
    ]
    return refusal_by_status(answer, " ".join([message, *problems]), kind)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Cancels a task that is open and deletes one that is over.

    Only one that does not run yet is paid back: https://docs.dev.runwayml.com/api (DELETE tasks).
    """
    del site, job
    return Call(method="DELETE", url=f"tasks/{segment(upstream_id)}")


def cancelled(answer: Answer) -> CancelOutcome:
    """An empty answer."""
    return CancelOutcome.STOPPED if answer.is_fine else CancelOutcome.GOES_ON


def upload(site: Site, fetched: FetchedReference) -> Call:
    """https://docs.dev.runwayml.com/assets/uploads: 200 MB, where data URIs end at 5 and 16."""
    del site
    reference = fetched.reference
    name = f"{reference.kind}-{reference.number}.{fetched.media_type.partition('/')[2]}"
    return Call(method="POST", url="uploads", json={"filename": name, "type": "ephemeral"})


def uploaded(answer: Answer, fetched: FetchedReference) -> Place:
    """`{"uploadUrl", "fields", "runwayUri"}`: the form's file comes after its fields."""
    table = answer.table()
    fields = at(table, "fields")
    names = fields.items() if isinstance(fields, dict) else ()
    put = Call(
        method="POST",
        url=required_text(table, "uploadUrl"),
        fields=tuple((name, str(value)) for name, value in names),
        files=(
            FilePart(
                name="file",
                filename=fetched.path.name,
                media_type=fetched.media_type,
                source=fetched.path,
            ),
        ),
        timeout_s=300,
    )
    return Place(put=put, url=required_text(table, "runwayUri"))


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
    models={
        "seedance-20": "seedance2",
        "seedance2-fast": "seedance2_fast",
        "seedance2.0-mini": "seedance2_mini",
        "seedance2-5": "seedance2_5",
        "wan3.0-text-to-video": "wan3",
        "wan3.0-image-to-video": "wan3",
        "wan3.0-ref-to-video": "wan3",
        "wan3.0-prime-text-to-video": "wan3_prime",
        "wan3.0-prime-image-to-video": "wan3_prime",
        "wan3.0-prime-ref-to-video": "wan3_prime",
        "seedream-5.0-pro": "seedream5_pro",
        "gpt-image-2": "gpt_image_2",
        "gpt-image-2.5-flare": "gpt_image_2_5_flare",
        "gpt-image-2.5-sunburst": "gpt_image_2_5_sunburst",
        "nanobanana2": "gemini_image3.1_flash",
        "nanobanana-pro": "gemini_image3_pro",
    },
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    cancellable=frozenset({State.WAITING}),
    upload=upload,
    uploaded=uploaded,
    check=check,
    refusals=SHEDDING_LOAD,
)
