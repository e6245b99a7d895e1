"""fal: any model of its queue, by the path that its page names.

https://docs.fal.ai/model-apis/model-endpoints/queue

Every model there has inputs of its own. We send those that most share; the operator's file says
the rest: `[models."x".options]` are inputs as they are, `rename` among them gives ours new names.
"""

from collections.abc import Mapping

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
    at,
    failed,
    items_at,
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

MODERATION_TYPES = frozenset({"content_policy_violation", "nsfw_content_detected"})
"""https://docs.fal.ai/model-apis/errors: `type` of a model error."""
TEMPORARY_TYPES = frozenset(
    {
        "request_timeout",
        "startup_timeout",
        "runner_scheduling_failure",
        "runner_connection_timeout",
        "runner_connection_refused",
        "runner_connection_error",
        "runner_disconnected",
        "runner_incomplete_response",
        "runner_server_error",
        "internal_error",
        "downstream_service_unavailable",
        "downstream_service_error",
        "internal_server_error",
    }
)
"""`error_type` of the queue's own failures, and what a model says of the services behind it."""
OUTPUT_NAMES = ("video", "videos", "image", "images", "audio", "audio_file", "audio_url")


def headers(site: Site) -> Mapping[str, str]:
    """Not a bearer's."""
    return {"Authorization": f"Key {site.key}"}


def submit(ask: Ask) -> Call:
    """Put a request into the queue."""
    query: tuple[tuple[str, str], ...] = ()
    if ask.job.callback_url is not None:
        query = (("fal_webhook", ask.job.callback_url),)
    return Call(method="POST", url=ask.job.upstream_model, query=query, json=inputs_of(ask))


def inputs_of(ask: Ask) -> dict[str, JSON]:
    """Return the inputs, under the names that the operator gave them."""
    order = ask.job.order
    options = dict(ask.job.options)
    rename = options.pop("rename", None)
    inputs: dict[str, JSON] = {"prompt": order.prompt, "seed": ask.job.seed}
    ratio = order.inputs.get("aspectRatio")
    if isinstance(ratio, str) and ":" in ratio:
        inputs["aspect_ratio"] = ratio
    if order.kind is MediaKind.VIDEO:
        inputs["generate_audio"] = order.audio
        if order.duration_s:
            inputs["duration"] = str(order.duration_s)
        if order.resolution:
            inputs["resolution"] = order.resolution
    if order.kind is MediaKind.IMAGE:
        inputs["num_images"] = order.count
        inputs["output_format"] = order.file_format
        if order.size is not None:
            inputs["image_size"] = {"width": order.size.width, "height": order.size.height}
    inputs |= references_of(ask)
    names = rename if isinstance(rename, dict) else {}
    named = {str(names.get(name, name)): value for name, value in inputs.items()}
    return {name: value for name, value in {**named, **options}.items() if name}


def references_of(ask: Ask) -> dict[str, JSON]:
    """First and last frame have names of their own; all else is lists."""
    found: dict[str, JSON] = {}
    lists: dict[str, list[JSON]] = {}
    for attached in ask.attached:
        reference = attached.fetched.reference
        match reference.kind, reference.role:
            case MediaKind.IMAGE, Role.FIRST_FRAME:
                found["image_url"] = attached.url
            case MediaKind.IMAGE, Role.LAST_FRAME:
                found["end_image_url"] = attached.url
            case MediaKind.VIDEO, Role.SOURCE:
                found["video_url"] = attached.url
            case kind, _:
                lists.setdefault(f"{kind}_urls", []).append(attached.url)
    return {**found, **lists}


def accepted(answer: Answer, job: Job) -> Accepted:
    """`{"request_id", "status_url", …}`; the path of later calls is the app's, two names long."""
    app = "/".join(job.upstream_model.split("/")[:2])
    return Accepted(upstream_id=f"{app}/requests/{required_text(answer.table(), 'request_id')}")


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Ask for the status, without logs."""
    del site, job
    return Call(method="GET", url=f"{upstream_id}/status")


def result(site: Site, upstream_id: str, job: Job) -> Call:
    """Ask for what a completed request answered."""
    del site, job
    return Call(method="GET", url=upstream_id)


def read(answer: Answer, job: Job) -> Reading:
    """Read a status, which has a `status`, or a result, which has outputs.

    There is no word for failure: a request that failed is COMPLETED with an `error`.
    """
    del job
    table = answer.table()
    outputs = tuple(Output(url=url) for name in OUTPUT_NAMES for url in _urls(table.get(name)))
    if outputs:
        return Reading(word="COMPLETED", outputs=outputs)
    word = text_at(table, "status")
    if not word:
        return Reading(word="failed", failure=failed("The model made nothing."))
    error = text_at(table, "error")
    failure = failed(error, kind_of(text_at(table, "error_type"))) if error else None
    return Reading(word=word, failure=failure)


def _urls(value: JSON) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [url for item in value for url in _urls(item)]
        case dict():
            return _urls(value.get("url"))
        case _:
            return []


def kind_of(error_type: str) -> Kind:
    """Tell moderation and passing trouble by the type of an error."""
    if error_type in MODERATION_TYPES:
        return Kind.MODERATION
    return Kind.TEMPORARY if error_type in TEMPORARY_TYPES else Kind.PERMANENT


def refusal(answer: Answer) -> Refused:
    """`{"detail": text}` of the queue, or `{"detail": [{"loc", "msg", "type"}]}` of a model."""
    try:
        table = answer.table()
    except Malformed:
        return refusal_by_status(answer)
    details = items_at(table, "detail")
    if not details:
        return refusal_by_status(answer, text_at(table, "detail"))
    kind = kind_of(text_at(details[0], "type"))
    place = at(details[0], "loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    message = f"{where}: {text_at(details[0], 'msg')}".removeprefix(": ")
    return refusal_by_status(answer, message, kind)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """https://docs.fal.ai/model-apis/model-endpoints/queue#cancelling-a-request."""
    del site, job
    return Call(method="PUT", url=f"{upstream_id}/cancel")


def cancelled(answer: Answer) -> CancelOutcome:
    """What was only asked for may still be done; its status tells."""
    word = text_at(answer.table(), "status")
    if word == "CANCELLATION_REQUESTED":
        return CancelOutcome.UNKNOWN
    return CancelOutcome.STOPPED if word == "OK" else CancelOutcome.GOES_ON


def check(site: Site) -> Call:
    """Ask for a request that cannot be: a good key gets a 404 or 422, a bad one a 401."""
    del site
    nobody = "00000000-0000-0000-0000-000000000000"
    return Call(method="GET", url=f"fal-ai/flux/requests/{nobody}/status")


def claim(body: Mapping[str, JSON]) -> str | None:
    """A webhook names its request, not its app: it wakes, and no more."""
    del body
    return None


FAL = Adapter(
    name="fal",
    docs="https://docs.fal.ai/model-apis/model-endpoints/queue",
    base_url="https://queue.fal.run",
    key_name="fal",
    # No idempotency key is documented, and requests bear no mark of ours.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=1.0, delay_s_max=10.0),
    models={},
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    result=result,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    check=check,
    knows_the_key=frozenset({400, 404, 405, 422}),
    claim=claim,
)
