"""A good request to each route of OpenAI's dialect, which is spoken at two places."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.dialects.examples import Example, Make, Things
from tests.scripted import paint

PREFIXES = ("/openai/v1", "/v1")

MAKES = {"model": "seedance2.0-mini", "prompt": "a kite"}
PAINTS = {"model": "gpt-image-2", "prompt": "a kite"}
SOUNDS = {"model": "kinetoscope-soundscape", "input": "rain on a roof", "voice": "alloy"}


def picture() -> bytes:
    with TemporaryDirectory() as folder:
        return paint(Path(folder) / "a.png", 320, 320).read_bytes()


PICTURE = ("a.png", picture(), "image/png")


def _at(path: str) -> Example:
    return Example(path=path)


def _of_clip(path: str, things: Things, json: object = None) -> Example:
    clip = path.replace("{video_id}", things.clip)
    return Example(path=clip, json=json, names_something=True)


def _of_file(path: str, things: Things) -> Example:
    return Example(path=path.replace("{file_id}", things.upload), names_something=True)


def _derived(path: str, things: Things, **further: object) -> Example:
    json = {"prompt": "in winter", "video": {"id": things.clip}, **further}
    return Example(path=path, json=json, names_something=True)


def _routes(prefix: str) -> dict[tuple[str, str], Make]:
    video, file = f"{prefix}/videos/{{video_id}}", f"{prefix}/files/{{file_id}}"
    edits, extensions = f"{prefix}/videos/edits", f"{prefix}/videos/extensions"
    return {
        ("POST", f"{prefix}/videos"): lambda _things: Example(json=MAKES),
        ("GET", f"{prefix}/videos"): lambda _things: Example(),
        ("GET", video): lambda things: _of_clip(video, things),
        ("DELETE", video): lambda things: _of_clip(video, things),
        ("GET", f"{video}/content"): lambda things: _of_clip(f"{video}/content", things),
        ("POST", f"{video}/remix"): lambda things: _of_clip(
            f"{video}/remix", things, {"prompt": "a red kite"}
        ),
        ("POST", edits): lambda things: _derived(edits, things),
        ("POST", extensions): lambda things: _derived(extensions, things, seconds="4"),
        ("POST", f"{prefix}/images/generations"): lambda _things: Example(json=PAINTS),
        ("POST", f"{prefix}/images/edits"): lambda things: Example(
            json={**PAINTS, "image": {"file_id": things.upload}}, names_something=True
        ),
        ("POST", f"{prefix}/audio/speech"): lambda _things: Example(json=SOUNDS),
        ("GET", f"{prefix}/models"): lambda _things: Example(),
        ("GET", f"{prefix}/models/{{model:path}}"): lambda _things: _at(
            f"{prefix}/models/kinetoscope/seedance-20"
        ),
        ("POST", f"{prefix}/files"): lambda _things: Example(
            form={"purpose": "vision"}, files={"file": PICTURE}
        ),
        ("GET", f"{prefix}/files"): lambda _things: Example(),
        ("GET", file): lambda things: _of_file(file, things),
        ("DELETE", file): lambda things: _of_file(file, things),
        ("GET", f"{file}/content"): lambda things: _of_file(f"{file}/content", things),
    }


EXAMPLES: dict[tuple[str, str], Make] = {
    route: make for prefix in PREFIXES for route, make in _routes(prefix).items()
}
