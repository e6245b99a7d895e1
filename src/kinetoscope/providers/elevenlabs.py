"""ElevenLabs: speech and sounds, made while one waits.

https://elevenlabs.io/docs/api-reference/text-to-speech/convert

The route's `upstream` is a model such as eleven_multilingual_v2; which voice speaks, the
operator's file says: `[models."x".options] voice = "…"`. Without a voice it makes a sound.
https://elevenlabs.io/docs/api-reference/text-to-sound-effects/convert
"""

from collections.abc import Mapping
from urllib.parse import quote

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Usage
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
    items_at,
    refusal_by_status,
    text_at,
)
from kinetoscope.providers.contract import Idempotency, Job, Kind, Refused

MODERATION_CODES = frozenset({"content_against_policy"})
"""A 403."""
NO_QUOTA = "quota_exceeded"
UNSUPPORTED_CODES = frozenset(
    {
        # https://elevenlabs.io/docs/eleven-api/resources/errors, where the status does not tell:
        "text_too_long",  # for this model
        "unsupported_model",
        "invalid_voice_id",
        "invalid_voice_settings",
        "invalid_output_format",
        # Older names: https://help.elevenlabs.io/hc/en-us/articles/19572237925521
        "max_character_limit_exceeded",
        "voice_not_found",
        "model_not_found",
    }
)
"""All but the text is the operator's choice; another route may have chosen better."""
QUERY = ("enable_logging", "optimize_streaming_latency")
"""Options that belong in the address."""
BARE_FORMATS = ("pcm_", "ulaw_", "alaw_")
"""Samples without a file around them, which nobody could open."""
SOUND_MODELS = "eleven_text_to_sound"
SOUND_S_MAX = 30
"""https://elevenlabs.io/docs/api-reference/text-to-sound-effects/convert (duration_seconds)"""
COST_HEADERS = ("character-cost", "x-character-count")
"""As answers have it, and as the page does."""
AUDIO_BYTES_MAX = 256 * MEBIBYTE
TIMEOUT_S = 300.0


def headers(site: Site) -> Mapping[str, str]:
    """Not a bearer's: https://elevenlabs.io/docs/api-reference/authentication."""
    return {"xi-api-key": site.key}


def submit(ask: Ask) -> Call | Refused:
    """Speak, or make a sound."""
    order = ask.job.order
    if order.kind is not MediaKind.AUDIO or ask.attached:
        return _unsupported("It makes audio from text.")
    options = dict(ask.job.options)
    voice = options.pop("voice", None)
    output_format = str(options.pop("output_format", "mp3_44100_128"))
    if output_format.startswith(BARE_FORMATS):
        return _unsupported(f"{output_format} is no file.")
    query = [("output_format", output_format)]
    query += [(name, _word(options.pop(name))) for name in QUERY if name in options]
    if isinstance(voice, str):
        url, body = f"v1/text-to-speech/{quote(voice, safe='')}", _speech(ask)
    elif order.duration_s > SOUND_S_MAX:
        return _unsupported(f"It makes sounds of up to {SOUND_S_MAX} seconds.")
    else:
        url, body = "v1/sound-generation", _sound(ask)
    return Call(
        method="POST",
        url=url,
        query=tuple(query),
        json={**body, **options},
        timeout_s=TIMEOUT_S,
        bytes_max=AUDIO_BYTES_MAX,
    )


def _speech(ask: Ask) -> dict[str, JSON]:
    return {
        "text": ask.job.order.prompt,
        "model_id": ask.job.upstream_model,
        "seed": ask.job.seed,
    }


def _sound(ask: Ask) -> dict[str, JSON]:
    """There is no seed; of models only those for sounds are named."""
    body: dict[str, JSON] = {"text": ask.job.order.prompt}
    if ask.job.upstream_model.startswith(SOUND_MODELS):
        body["model_id"] = ask.job.upstream_model
    if ask.job.order.duration_s:
        body["duration_seconds"] = ask.job.order.duration_s
    return body


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def _word(value: JSON) -> str:
    """Write an option for an address: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def accepted(answer: Answer, job: Job) -> Reading:
    """The answer is the file."""
    return read(answer, job)


def read(answer: Answer, job: Job) -> Reading:
    """Take the file; raises Malformed where the answer is not said to be one.

    What it cost is in a header, in credits, about one a character; they count as text that goes
    in. https://elevenlabs.io/docs/api-reference/introduction#tracking-generation-costs
    """
    del job
    if not answer.headers.get("content-type", "").startswith("audio/") or not answer.body:
        raise Malformed("The answer is no audio")
    told = [answer.headers[name] for name in COST_HEADERS if name in answer.headers]
    costs = [int(cost) for cost in told if cost.isdecimal()]
    usage = Usage(tokens_text_in=costs[0] if costs else 0)
    return Reading(word="completed", outputs=(Output(data=answer.body),), usage=usage)


def refusal(answer: Answer) -> Refused:
    """`{"detail": {"type", "code", "status", "message"}}`, or a list of what is wrong.

    `status` is the older name of `code`: https://elevenlabs.io/docs/eleven-api/resources/errors
    """
    try:
        table = answer.table()
    except Malformed:
        table = {}
    codes = {text_at(table, "detail", "code"), text_at(table, "detail", "status")}
    kind = None
    if codes & UNSUPPORTED_CODES:
        kind = Kind.UNSUPPORTED
    if NO_QUOTA in codes:
        kind = Kind.ACCOUNT
    if codes & MODERATION_CODES:
        kind = Kind.MODERATION
    message = text_at(table, "detail", "message") or text_at(table, "detail")
    for problem in items_at(table, "detail")[:1]:
        where = ".".join(map(str, items_at(problem, "loc")))
        message = f"{where}: {text_at(problem, 'msg')}".removeprefix(": ")
    return refusal_by_status(answer, message, kind)


def check(site: Site) -> Call:
    """Whose key it is: https://elevenlabs.io/docs/api-reference/user/get."""
    del site
    return Call(method="GET", url="v1/user")


ELEVENLABS = Adapter(
    name="elevenlabs",
    docs="https://elevenlabs.io/docs/api-reference/text-to-speech/convert",
    base_url="https://api.elevenlabs.io",
    key_name="elevenlabs",
    # No idempotency is documented; the history of what was made has no names of ours.
    idempotency=Idempotency.NEITHER,
    submit_timeout_s=TIMEOUT_S,
    polling=None,
    models={},
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    read=read,
    check=check,
)
