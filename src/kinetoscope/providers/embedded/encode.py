"""Writes clips and sounds: the one place that knows codecs, containers and their settings."""

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio import AudioStream
from av.container import OutputContainer
from av.video import VideoStream
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from kinetoscope.kernel.order import Size
from kinetoscope.providers.embedded.mark import COMMENT
from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.work import FRAMES_PER_S, SAMPLES_PER_S

_BT709 = 1
_LIMITED_RANGE = 1
_SAMPLES_PER_PACKET = 1024
_ENCODER = {"preset": "veryfast", "crf": "22", "x264-params": "mbtree=0"}
"""Without macroblock-tree: with it, x264 gives other bytes from run to run for sizes that are no
multiple of 16 (found by repeated encoding of the same frames).
"""
_ENCODER_THREADS = 2  # fixed: the bytes must not depend on the machine's cores
_SOUND_BITS_PER_S = 128_000

Sound = NDArray[np.float32]
"""Samples by two channels, 48 kHz, -1 to 1."""


class FrameMaker:
    """Turns small display-value planes into full-size frames, scaled and dithered by swscale."""

    def __init__(self, size: Size, paint_width: int, paint_height: int) -> None:
        self._size = size
        self._source = av.VideoFrame(paint_width, paint_height, "gbrp16le")
        self._views = [
            np.frombuffer(plane, dtype=np.uint16).reshape(paint_height, -1)[:, :paint_width]  # type: ignore[call-overload]
            for plane in self._source.planes
        ]
        self._scale = VideoReformatter()

    def frame(self, shown: Planes) -> av.VideoFrame:
        """One yuv420p frame. Sixteen bits go in, so that smooth skies come out without bands."""
        for view, channel in zip(self._views, (1, 2, 0), strict=True):
            np.multiply(shown[channel], np.float32(65535), out=view, casting="unsafe")
        return self._scale.reformat(
            self._source,
            self._size.width,
            self._size.height,
            "yuv420p",
            dst_colorspace=_BT709,
            interpolation="BICUBIC",
        )


def write_clip(
    path: Path, size: Size, frames: Iterator[av.VideoFrame], sound: Sound | None
) -> None:
    """H.264 and, with sound, AAC; made so that playing can begin before all of it is there."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        container.metadata["comment"] = COMMENT
        picture = _picture_stream(container, size)
        voice = _sound_stream(container) if sound is not None else None
        written_samples = 0
        for number, frame in enumerate(frames):
            frame.pts = number
            frame.time_base = Fraction(1, FRAMES_PER_S)
            container.mux(picture.encode(frame))
            if sound is not None and voice is not None:
                due_samples = (number + 1) * SAMPLES_PER_S // FRAMES_PER_S
                written_samples = _write_sound(
                    container, voice, sound, written_samples, due_samples
                )
        container.mux(picture.encode(None))
        if sound is not None and voice is not None:
            _write_sound(container, voice, sound, written_samples, len(sound), last=True)
            container.mux(voice.encode(None))


def write_sound(path: Path, sound: Sound) -> None:
    """A plain 16-bit WAV."""
    samples = np.clip(np.rint(sound * np.float32(32767)), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLES_PER_S)
        file.writeframes(samples.tobytes())


def _picture_stream(container: OutputContainer, size: Size) -> VideoStream:
    stream = container.add_stream("libx264", rate=FRAMES_PER_S, options=dict(_ENCODER))
    context = stream.codec_context
    context.width, context.height = size.width, size.height
    context.pix_fmt = "yuv420p"
    context.thread_count = _ENCODER_THREADS
    context.color_primaries = _BT709
    context.color_trc = _BT709
    context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def _sound_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=SAMPLES_PER_S, layout="stereo")
    stream.codec_context.bit_rate = _SOUND_BITS_PER_S
    return stream


def _write_sound(
    container: OutputContainer,
    voice: AudioStream,
    sound: Sound,
    start: int,
    due: int,
    *,
    last: bool = False,
) -> int:
    """Encodes whole packets up to the due sample; returns where the next one starts."""
    while start < due and (last or start + _SAMPLES_PER_PACKET <= due):
        part = sound[start : min(start + _SAMPLES_PER_PACKET, len(sound))]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(part.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = SAMPLES_PER_S
        frame.pts = start
        container.mux(voice.encode(frame))
        start += len(part)
    return start
