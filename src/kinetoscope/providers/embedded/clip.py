"""Makes clips: frame by frame from painter to encoder, never holding more than one."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL.PngImagePlugin import PngInfo

from kinetoscope.kernel.order import MediaKind, Role, Size
from kinetoscope.providers.embedded.camera import Move, cut, move_of, needs_lens
from kinetoscope.providers.embedded.cards import lay_prints, prints, screens
from kinetoscope.providers.embedded.compose import moments, scene_of, set_stage
from kinetoscope.providers.embedded.encode import FrameMaker, write_clip
from kinetoscope.providers.embedded.ends import ends_of
from kinetoscope.providers.embedded.finish import finisher
from kinetoscope.providers.embedded.grade import grade_of, grader
from kinetoscope.providers.embedded.living import air_of, living_frames
from kinetoscope.providers.embedded.mark import COMMENT, mark_for, mark_frame
from kinetoscope.providers.embedded.pictures import clip_frames, picked, planes_of, shown_by
from kinetoscope.providers.embedded.prompt import read
from kinetoscope.providers.embedded.sounding import sound_of
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.work import FRAMES_PER_S, Progress, Rendered, Work

_MEDIA_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime"}
_PAINTED_PIXELS = 640 * 360
_FRAMES_PER_REPORT = 12


def frame_count(work: Work) -> int:
    """Whole frames, exactly."""
    return max(1, round(work.duration_s * FRAMES_PER_S))


def paint_size(size: Size) -> Size:
    """Soft scenes are painted small and scaled up; large pictures are painted a little larger."""
    pixels = size.width * size.height
    wanted = min(pixels, max(_PAINTED_PIXELS, pixels // 16))
    scale = (wanted / pixels) ** 0.5
    return Size(
        width=max(2, round(size.width * scale / 2) * 2),
        height=max(2, round(size.height * scale / 2) * 2),
    )


def frames_of(work: Work) -> Iterator[av.VideoFrame]:
    """The clip's frames as they go to the encoder."""
    paint = paint_size(work.size)
    frames = frame_count(work)
    reading = read(work.prompt)
    move = move_of(reading, work.duration_s)
    stage = set_stage(reading, work.prompt, work.seed, paint, moments(move, frames))
    mark = mark_for(work.size.width, work.size.height)
    ends = ends_of(work)
    if ends is not None:
        made = living_frames(stage, ends, work.size, frames)
    elif source := picked(work, Role.SOURCE, MediaKind.VIDEO):
        made = _played(stage, source[0], work.size, frames)
    else:
        made = _painted(work, stage, move)
    for frame in made:
        mark_frame(frame, mark)
        yield frame


def _painted(work: Work, stage: Stage, move: Move) -> Iterator[av.VideoFrame]:
    """The procedural scene, and the references in it."""
    scene = scene_of(stage)
    lens = scene.lens or needs_lens(stage.reading)
    finish = finisher(stage, (stage.height, stage.width))
    maker = FrameMaker(work.size, stage.width, stage.height)
    cards, playing = prints(work, work.seed, colour_planes=False), screens(work)
    light = np.empty((3, stage.height, stage.width), dtype=np.float32)
    seen = np.empty_like(light) if lens else light
    frames = frame_count(work)
    for number in range(frames):
        moment = stage.moment_at(number)
        scene.paint(moment, light)
        if lens:
            cut(light, move.view(number / max(frames - 1, 1)), seen)
        frame = maker.frame(finish(seen, number))
        for screen in playing:
            screen.lay(planes_of(frame))
        if cards:
            lay_prints(planes_of(frame), cards, moment.time_s, moment.pan)
        yield frame


def _played(stage: Stage, source: Path, size: Size, frames: int) -> Iterator[av.VideoFrame]:
    """A given clip under the prompt's light; it rests on its last frame when it is over."""
    apply, air = grader(grade_of(stage.reading)), air_of(stage)
    given = clip_frames(source, size, FRAMES_PER_S)
    last: av.VideoFrame | None = None
    for number in range(frames):
        last = next(given, last)
        if last is None:
            raise ValueError("A reference video has no frames.")
        frame = av.VideoFrame(size.width, size.height, "yuv420p")
        planes = planes_of(frame)
        for plane, shown in zip(planes, planes_of(last), strict=True):
            plane[...] = shown
        apply(planes)
        air(number, 1.0, planes)
        yield frame


def make_clip(work: Work, folder: Path, progress: Progress) -> Rendered:
    """One video file, its sound, and its last frame where it is wanted."""
    path = folder / f"video.{work.file_format}"
    last: list[av.VideoFrame] = []
    sound = sound_of(work) if work.audio else None
    write_clip(path, work.size, _watched(work, progress, last), sound)
    last_path = folder / "last_frame.png" if work.last_frame else None
    if last_path is not None:
        text = PngInfo()
        text.add_text("Comment", COMMENT)
        # Level 2: a third of the time of the default for a quarter more bytes.
        shown_by(last[0]).save(last_path, "PNG", pnginfo=text, compress_level=2)
    return Rendered(
        path=path,
        media_type=_MEDIA_TYPES[work.file_format],
        seed=work.seed,
        last_frame=last_path,
    )


def _watched(work: Work, progress: Progress, last: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    frames = frame_count(work)
    for number, frame in enumerate(frames_of(work), start=1):
        if number % _FRAMES_PER_REPORT == 0:
            progress(number / frames)
        last[:] = [frame]
        yield frame
