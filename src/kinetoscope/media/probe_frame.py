"""How the inspecting child finds a frame that shows something; imported only for video."""

import time
from collections.abc import Mapping
from typing import BinaryIO

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video import reformatter
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from kinetoscope.media.formats import Signature, Unacceptable
from kinetoscope.media.probe_stream import first_picture, open_stream, opened_container
from kinetoscope.media.probe_thumbnail import told

# PyAV loads it only when a frame is scaled, and by then the child opens no files at all.
LOADED_EARLY = (reformatter,)

_FRAMES_MAX = 150
_LOOK_CPU_S = 3.0
"""How far, and for how long, to look for something brighter."""

_BRIGHT = 20
"""The mean, of 0 to 255, from which a frame is not black."""

_GLANCE = (32, 32)


def video_thumbnail(
    file: BinaryIO, signature: Signature, limits: Mapping[str, int], bounds: Mapping[str, int]
) -> dict[str, object]:
    """Inspect a container, then tell the first frame that is not black, or the brightest, small.

    Raises as an inspection does. What holds only sound has no picture: `jpeg` is empty then.
    """
    pixels_max, packets_max = limits["video_pixels_max"], limits["packets_max"]
    found = open_stream(file, signature, pixels_max, packets_max)
    if not found.frames:
        return {"media_type": found.media_type, "width": 0, "height": 0, "jpeg": ""}
    file.seek(0)
    with opened_container(file, signature, pixels_max) as container:
        frame = _frame(container, pixels_max, packets_max)
        return told(found.media_type, _picture(frame, bounds["side_max"]), bounds)


def _frame(container: InputContainer, pixels_max: int, packets_max: int) -> VideoFrame:
    stream = first_picture(container, pixels_max)
    best: VideoFrame | None = None
    best_brightness = -1.0
    looked = 0
    until_s = time.process_time() + _LOOK_CPU_S
    for number, packet in enumerate(container.demux(stream)):
        for frame in _decoded(packet, whatever=best is not None):
            looked += 1
            brightness = _brightness(frame)
            if brightness > best_brightness:
                best, best_brightness = frame, brightness
        enough = best_brightness >= _BRIGHT or looked >= _FRAMES_MAX
        if best is not None and (enough or time.process_time() > until_s):
            return best
        if number > packets_max:
            break
    if best is None:
        raise Unacceptable("gives no frame")
    return best


def _decoded(packet: "Packet[VideoStream]", *, whatever: bool) -> list[VideoFrame]:
    """Return a packet's frames; none if it is damaged and `whatever` there is will do."""
    try:
        return packet.decode()
    except FFmpegError:
        if whatever:
            return []
        raise


def _brightness(frame: VideoFrame) -> float:
    pixels = _rgb(frame, *_GLANCE).convert("L").tobytes()
    return sum(pixels) / len(pixels)


def _picture(frame: VideoFrame, side_max: int) -> Image.Image:
    """Return a frame as a viewer sees it, at most so large."""
    scale = min(1.0, side_max / max(frame.width, frame.height))
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    picture = _rgb(frame, width, height)
    quarters = round(frame.rotation / 90) % 4
    turn = {
        1: Image.Transpose.ROTATE_90,
        2: Image.Transpose.ROTATE_180,
        3: Image.Transpose.ROTATE_270,
    }.get(quarters)
    return picture if turn is None else picture.transpose(turn)


def _rgb(frame: VideoFrame, width: int, height: int) -> Image.Image:
    small = frame.reformat(width=width, height=height, format="rgb24")
    plane = small.planes[0]
    return Image.frombuffer(
        "RGB", (width, height), bytes(plane), "raw", "RGB", plane.line_size, 1
    ).copy()
