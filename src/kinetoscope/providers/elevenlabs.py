"""ElevenLabs: speech and sounds, made while one waits.

https://elevenlabs.io/docs/api-reference/text-to-speech/convert

The route's `upstream` is a model such as eleven_multilingual_v2; which voice speaks, the
operator's file says: `[models."x".options] voice = "…"`. Without a voice it makes a sound.
https://elevenlabs.io/docs/api-reference/text-to-sound-effects/convert
"""

from collections.abc import Mapping

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
    refusal_by_status,
    text_at,
)
from kinetoscope.providers.contract import Idempotency, Job, Kind, Refused

MODERATION_CODES = frozenset({"content_against_policy", "detected_unusual_activity"})
UNSUPPORTED_CODES = frozenset(
    {
        "invalid_api_key",
        "needs_authorization",
        "quota_exceeded",  # no credits left: 401, and waiting does not help
        "voice_not_found",
        "model_not_found",
        "missing_permissions",
    }
)
SOUND_S_MAX = 30
AUDIO_BYTES_MAX = 256 * MEBIBYTE
TIMEOUT_S = 300.0


def headers(site: Site) -> Mapping[str, str]:
    """Not a bearer's."""
    return {"xi-api-key": site.key}


def submit(ask: Ask) -> Call | Refused:
    """Speak, or make a sound."""
    order = ask.job.order
    if order.kind is not MediaKind.AUDIO or ask.attached:
        return Refused(code="500", message="It makes audio from text.", kind=Kind.UNSUPPORTED)
    options = dict(ask.job.options)
    voice = options.pop("voice", None)
    query = (("output_format", str(options.pop("output_format", "mp3_44100_128"))),)
    if isinstance(voice, str):
        body: dict[str, JSON] = {
            "text": order.prompt,
            "model_id": ask.job.upstream_model,
            "seed": ask.job.seed,
            **options,
        }
        url = f"v1/text-to-speech/{voice}"
    else:
        body = {"text": order.prompt, **options}
        if order.duration_s:
            body["duration_seconds"] = min(order.duration_s, SOUND_S_MAX)
        url = "v1/sound-generation"
    return Call(
        method="POST",
        url=url,
        query=query,
        json=body,
        timeout_s=TIMEOUT_S,
        bytes_max=AUDIO_BYTES_MAX,
    )


def accepted(answer: Answer, job: Job) -> Reading:
    """The answer is the file."""
    return read(answer, job)


def read(answer: Answer, job: Job) -> Reading:
    """Take the file; raises Malformed where the answer is not said to be one."""
    del job
    if not answer.headers.get("content-type", "").startswith("audio/") or not answer.body:
        raise Malformed("The answer is no audio")
    return Reading(word="completed", outputs=(Output(data=answer.body),))


def refusal(answer: Answer) -> Refused:
    """`{"detail": {"status", "message"}}`, or FastAPI's list of what is wrong."""
    try:
        detail = answer.table().get("detail")
    except Malformed:
        detail = None
    code = text_at(detail, "status") or text_at(detail, "code")
    kind = None
    if code in MODERATION_CODES:
        kind = Kind.MODERATION
    if code in UNSUPPORTED_CODES:
        kind = Kind.UNSUPPORTED
    message = text_at(detail, "message")
    if isinstance(detail, list) and detail:
        message = text_at(detail[0], "msg")
    return refusal_by_status(answer, message, kind)


def check(site: Site) -> Call:
    """Whose key it is."""
    del site
    return Call(method="GET", url="v1/user")


ELEVENLABS = Adapter(
    name="elevenlabs",
    docs="https://elevenlabs.io/docs/api-reference/text-to-speech/convert",
    base_url="https://api.elevenlabs.io",
    key_name="elevenlabs",
    idempotency=Idempotency.NEITHER,
    polling=None,
    models={},
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    read=read,
    check=check,
)
