"""fal: any model of its queue, by the path that its page names.

https://fal.ai/docs/documentation/model-apis/inference/queue
"""

from collections.abc import Mapping

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.adapter import (
    Adapter,
    Output,
    Place,
    Reading,
    Site,
    at,
    failed,
    items_at,
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
from kinetoscope.providers.fal_requests import submit

MODERATION_TYPES = frozenset({"content_policy_violation", "nsfw_content_detected"})
"""`type` of a model's error: https://fal.ai/docs/documentation/model-apis/errors"""
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
"""`error_type` of the queue's own failures, and what a model says of the services behind it.
https://fal.ai/docs/documentation/model-apis/request-errors"""
NAMESPACES = frozenset({"workflows", "comfy"})
"""What may stand before an app's two names: fal-client 1.0.3, APP_NAMESPACES."""
REST_URL = "https://rest.fal.ai"
KEPT_S = 24 * 3600
"""How long fal keeps a reference."""
OUTPUT_NAMES = ("video", "videos", "image", "images", "audio", "audio_file", "audio_url")


def headers(site: Site) -> Mapping[str, str]:
    """Not a bearer's."""
    return {"Authorization": f"Key {site.key}"}


def accepted(answer: Answer, job: Job) -> Accepted:
    """`{"request_id", "status_url", …}`; a webhook names the same id."""
    del job
    return Accepted(upstream_id=required_text(answer.table(), "request_id"))


def _request(upstream_id: str, job: Job) -> str:
    """Return where a request is: under its app, without the rest of the endpoint's path."""
    names = job.upstream_model.split("/")
    app = names[: 3 if names[0] in NAMESPACES else 2]
    return "/".join([*app, "requests", segment(upstream_id)])


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Ask for the status, without logs."""
    del site
    return Call(method="GET", url=f"{_request(upstream_id, job)}/status")


def result(site: Site, upstream_id: str, job: Job) -> Call:
    """Ask for what a completed request answered."""
    del site
    return Call(method="GET", url=_request(upstream_id, job))


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
    """https://fal.ai/docs/inference-api/queue/cancel."""
    del site
    return Call(method="PUT", url=f"{_request(upstream_id, job)}/cancel")


def cancelled(answer: Answer) -> CancelOutcome:
    """What was only asked for may still be done; its status tells."""
    word = text_at(answer.table(), "status")
    if word == "CANCELLATION_REQUESTED":
        return CancelOutcome.UNKNOWN
    return CancelOutcome.STOPPED if word == "OK" else CancelOutcome.GOES_ON


def upload(site: Site, fetched: FetchedReference) -> Call:
    """Ask for a place: addresses work with every model, data URIs only with some.

    https://fal.ai/docs/documentation/model-apis/fal-cdn; the steps are those of its clients.
    """
    base = site.options.get("upload_url")
    reference = fetched.reference
    return Call(
        method="POST",
        url=f"{base if isinstance(base, str) else REST_URL}/storage/upload/initiate",
        query=(("storage_type", "fal-cdn-v3"),),
        headers={"X-Fal-Object-Lifecycle": f'{{"expiration_duration_seconds": {KEPT_S}}}'},
        json={
            "content_type": fetched.media_type,
            "file_name": f"{reference.kind}-{reference.number}",
        },
    )


def uploaded(answer: Answer, fetched: FetchedReference) -> Place:
    """`{"upload_url", "file_url"}`."""
    table = answer.table()
    put = Call(
        method="PUT",
        url=required_text(table, "upload_url"),
        headers={"Content-Type": fetched.media_type},
        content=fetched.path,
        timeout_s=300,
    )
    return Place(put=put, url=required_text(table, "file_url"))


def check(site: Site) -> Call:
    """Ask for a request that cannot be: a good key gets a 404 or 422, a bad one a 401."""
    del site
    nobody = "00000000-0000-0000-0000-000000000000"
    return Call(method="GET", url=f"fal-ai/flux/requests/{nobody}/status")


def claim(body: Mapping[str, JSON]) -> str | None:
    """`{"request_id", "gateway_request_id", "status", "payload"}`."""
    return text_at(body, "request_id") or None


FAL = Adapter(
    name="fal",
    docs="https://fal.ai/docs/documentation/model-apis/inference/queue",
    base_url="https://queue.fal.run",
    key_name="fal",
    # No idempotency key is documented, and requests bear no mark of ours.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=1.0, delay_s_max=10.0),
    models={
        "seedance-20": "bytedance/seedance-2.0",
        "seedance2-fast": "bytedance/seedance-2.0/fast",
        "seedance2.0-mini": "bytedance/seedance-2.0/mini",
        "seedance2-5": "bytedance/seedance-2.5",
        "nanobanana2": "fal-ai/nano-banana-2",
        "gpt-image-2": "openai/gpt-image-2",
    },
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
    upload=upload,
    uploaded=uploaded,
    upload_url=REST_URL,
    knows_the_key=frozenset({400, 404, 405, 422}),
    claim=claim,
)
