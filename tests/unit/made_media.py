"""Small media files made on the spot: honest ones."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image

SIZE = (320, 180)
RATE = 24
SECONDS = 2
SOUND_RATE = 48_000


def video(
    path: Path,
    codec: str = "libx264",
    sound_codec: str = "",
    *,
    rotation: int = 0,
    flags: str = "",
) -> Path:
    """Write two seconds of 320 by 180, with stereo silence if asked for."""
    options = {"movflags": flags} if flags else {}
    with _scheduled_as_before(), av.open(str(path), "w", options=options) as container:
        picture = container.add_stream(codec, rate=RATE)
        assert isinstance(picture, VideoStream)
        picture.width, picture.height = SIZE
        picture.options = {"preset": "ultrafast"} if codec.startswith("libx26") else {}
        picture.pix_fmt = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        if rotation:
            picture.set_display_rotation(rotation)
        track = _track(container, sound_codec) if sound_codec else None
        for number in range(RATE * SECONDS):
            frame = av.VideoFrame(*SIZE, picture.pix_fmt)
            for plane in frame.planes:
                plane.update(bytes([number]) * plane.buffer_size)
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        if track is not None:
            _add_silence(container, track)
    return path


@contextmanager
def _scheduled_as_before() -> Iterator[None]:
    """Undo what SVT-AV1 does as root: it makes the thread that opens it a real-time one, for good.

    Whatever that thread starts is one, too, and two busy children leave nothing to anybody else.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def sound(path: Path, codec: str, container_format: str | None = None) -> Path:
    """Write two seconds of stereo silence."""
    with av.open(str(path), "w", format=container_format) as container:
        _add_silence(container, _track(container, codec))
    return path


def image(path: Path, *, frames: int = 1, orientation: int = 0, file_format: str = "") -> Path:
    """Write a picture of 300 by 200, of several frames or lying on its side if asked for."""
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    first, *rest = [Image.new("RGB", (300, 200), (number * 40, 80, 9)) for number in range(frames)]
    options = {"save_all": True, "append_images": rest} if rest else {}
    first.save(path, format=file_format or None, exif=exif, **options)
    return path


def _track(container: OutputContainer, codec: str) -> AudioStream:
    track = container.add_stream(codec, rate=SOUND_RATE, layout="stereo")
    assert isinstance(track, AudioStream)
    return track


def _add_silence(container: OutputContainer, track: AudioStream) -> None:
    step = track.codec_context.frame_size or 1024
    for start in range(0, SOUND_RATE * SECONDS, step):
        count = min(step, SOUND_RATE * SECONDS - start)
        frame = av.AudioFrame(format=track.format.name, layout="stereo", samples=count)
        frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE, Fraction(1, SOUND_RATE), start
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(track.encode(frame))
    container.mux(track.encode())
