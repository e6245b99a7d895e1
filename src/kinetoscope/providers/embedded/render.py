"""The embedded renderer's one door: a work goes in, files come out."""

from pathlib import Path

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.embedded.clip import frames_of, make_clip
from kinetoscope.providers.embedded.encode import write_sound
from kinetoscope.providers.embedded.sounding import sound_of
from kinetoscope.providers.embedded.stills import make_stills
from kinetoscope.providers.embedded.work import Progress, Rendered, Work

__all__ = ["frames_of", "render"]


def render(work: Work, folder: Path, progress: Progress) -> tuple[Rendered, ...]:
    """Writes the files of one work into `folder`: the same work, the same bytes.

    Raises ValueError, with a sentence for the person who asked, for what cannot be drawn.
    """
    if work.kind is MediaKind.IMAGE:
        return make_stills(work, folder, progress)
    if work.kind is MediaKind.AUDIO:
        path = folder / "audio.wav"
        write_sound(path, sound_of(work))
        progress(1.0)
        return (Rendered(path=path, media_type="audio/wav", seed=work.seed, last_frame=None),)
    if work.size.width % 2 or work.size.height % 2:
        raise ValueError("A video's width and height must be even numbers of pixels.")
    return (make_clip(work, folder, progress),)
