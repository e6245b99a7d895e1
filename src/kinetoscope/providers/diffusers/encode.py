"""Writes pictures, clips and sounds: the one place here that knows codecs and their settings."""

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video import VideoStream
from numpy.typing import NDArray
from PIL import Image

BT709 = 1
LIMITED_RANGE = 1
SAMPLES_PER_S = 48_000
SAMPLES_PER_PACKET = 1024
SOUND_BITS_PER_S = 192_000
RATE_DENOMINATOR_MAX = 1001

ENCODER = {"preset": "fast", "crf": "18", "x264-params": "mbtree=0"}
"""Without macroblock-tree the same frames give the same bytes every time."""
ENCODER_THREADS = 2

Pixels = NDArray[np.uint8]
Sound = NDArray[np.float32]
"""Channels by samples."""


def write_picture(path: Path, picture: Pixels, file_format: str) -> None:
    """Write a PNG, JPEG or WebP."""
    quality = {"jpeg": {"quality": 95}, "webp": {"quality": 92}}.get(file_format, {})
    Image.fromarray(picture).save(path, file_format, **quality)


def write_sound(path: Path, sound: Sound, rate: int) -> None:
    """Write a plain 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(sound.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(sound.T * np.float32(32767)).astype("<i2").tobytes())


def write_clip(
    path: Path, frames: Iterator[Pixels], fps: float, sound: tuple[Sound, int] | None
) -> None:
    """Write H.264 and, with sound, AAC, so that playing can begin before all of it is there."""
    rate = Fraction(fps).limit_denominator(RATE_DENOMINATOR_MAX)
    first = next(frames, None)
    if first is None:
        return
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        picture = _picture_stream(container, first.shape[1], first.shape[0], rate)
        voice = None if sound is None else _sound_stream(container)
        packets = list(_encoded(picture, first, frames, rate))
        if sound is not None and voice is not None:
            packets += _voiced(voice, *sound)
        packets.sort(key=_moment)
        for packet in packets:
            container.mux(packet)


def _moment(packet: "Packet[Any]") -> Fraction:
    return (packet.dts or 0) * (packet.time_base or Fraction(1))


def _encoded(
    stream: VideoStream, first: Pixels, frames: Iterator[Pixels], rate: Fraction
) -> Iterator["Packet[Any]"]:
    number = 0
    shown: Pixels | None = first
    while shown is not None:
        frame = av.VideoFrame.from_ndarray(shown, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=BT709, interpolation="BICUBIC"
        )
        frame.pts = number
        frame.time_base = 1 / rate
        yield from stream.encode(frame)
        number += 1
        shown = next(frames, None)
    yield from stream.encode(None)


def _voiced(stream: AudioStream, sound: Sound, rate: int) -> Iterator["Packet[Any]"]:
    layout = "mono" if sound.shape[0] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout=layout)
    frame.sample_rate = rate
    frame.pts = 0
    frame.time_base = Fraction(1, rate)
    resampler = av.AudioResampler("fltp", "stereo", SAMPLES_PER_S, SAMPLES_PER_PACKET)
    for part in (*resampler.resample(frame), *resampler.resample(None)):
        yield from stream.encode(part)
    yield from stream.encode(None)


def _picture_stream(
    container: OutputContainer, width: int, height: int, rate: Fraction
) -> VideoStream:
    stream = container.add_stream("libx264", rate=rate, options=dict(ENCODER))
    context = stream.codec_context
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.thread_count = ENCODER_THREADS
    context.color_primaries = BT709
    context.color_trc = BT709
    context.colorspace = BT709
    context.color_range = LIMITED_RANGE
    return stream


def _sound_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=SAMPLES_PER_S, layout="stereo")
    stream.codec_context.bit_rate = SOUND_BITS_PER_S
    return stream
