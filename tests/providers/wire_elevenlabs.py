"""The wire shape of ElevenLabs, as its pages and its SDK show it."""

from aiohttp import web
from tests.providers.case import Case, Payload
from tests.providers.upstream import KEY, Upstream, Verb, media_of, payload, unauthorised

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.contract import Kind
from kinetoscope.providers.elevenlabs import ELEVENLABS


def wire(upstream: Upstream) -> None:
    """Serve it."""

    def refused(request: web.Request) -> web.Response | None:
        if unauthorised(request, KEY, "xi-api-key"):
            return web.json_response(payload("elevenlabs_key.json"), status=401)
        return None

    async def speak(request: web.Request) -> web.Response:
        if (answer := refused(request)) is not None:
            return answer
        body = await request.json()
        if not body.get("text"):
            return web.json_response(payload("elevenlabs_invalid.json"), status=422)
        if request.match_info.get("voice") == "nobody":
            return web.json_response(payload("elevenlabs_voice.json"), status=404)
        upstream.new_job(body, MediaKind.AUDIO)
        media_type, made = media_of(MediaKind.AUDIO)
        told = {"character-cost": str(len(body["text"])), "request-id": "request-1"}
        return web.Response(body=made, content_type=media_type, headers=told)

    async def user(request: web.Request) -> web.Response:
        return refused(request) or web.json_response({"user_id": "us"})

    upstream.route(Verb.SUBMIT, "POST", "/v1/text-to-speech/{voice}", speak)
    upstream.route(Verb.SUBMIT, "POST", "/v1/sound-generation", speak)
    upstream.route(Verb.CHECK, "GET", "/v1/user", user)


REFUSALS = (
    Payload(403, "elevenlabs_moderated.json", Kind.MODERATION),
    Payload(422, "elevenlabs_invalid.json", Kind.PERMANENT),
    Payload(401, "elevenlabs_quota.json", Kind.ACCOUNT),
    Payload(404, "elevenlabs_voice.json", Kind.UNSUPPORTED),
)

CASES = (
    Case(
        name="elevenlabs-speech",
        adapter=ELEVENLABS,
        wire=wire,
        path="",
        model="kinetoscope-soundscape",
        upstream_model="eleven_multilingual_v2",
        options={"voice": "JBFqnCBsd6RMkjVDRZzb"},
        inputs={"prompt": "A fox in the snow"},
        refusals=REFUSALS,
        at_once=True,
    ),
    Case(
        name="elevenlabs-sound",
        adapter=ELEVENLABS,
        wire=wire,
        path="",
        model="kinetoscope-soundscape",
        inputs={"prompt": "Steps in the snow", "duration": 5},
        refusals=REFUSALS,
        at_once=True,
    ),
)
