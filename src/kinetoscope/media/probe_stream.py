"""How the inspecting child opens video and audio; imported only where some is at hand."""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, NoReturn

import av
from av.audio import codeccontext as audio_codec
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles import codeccontext as subtitle_codec
from av.subtitles import stream as subtitle_stream
from av.video import codeccontext as video_codec
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kinetoscope.media.formats import MP4_DEMUXER, Finding, Signature, Unacceptable

# PyAV loads these only when a file asks for them, and by then the child opens no files at all.
LOADED_EARLY = (audio_codec, subtitle_codec, subtitle_stream, video_codec)

# FFmpeg has hundreds of decoders; the rarely used ones are where the holes are.
_CODECS = frozenset({"h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "mpeg4", "prores"}) | {
    *("aac", "mp3", "mp3float", "opus", "vorbis", "flac", "alac"),
}
_PCM = "pcm_"
_PICTURE_TYPES = frozenset({"video/mp4", "video/quicktime", "video/webm"})

_STREAMS_MAX = 16
# A stream that gives no frame after this many packets is not going to.
_SILENT_PACKETS_MAX = 600
# Encoders pad the end; a container that says so is believed by no more than this.
_PADDING_S = Fraction(1, 10)
# How much less than it promises a container may hold before it counts as cut short.
_SHORT_S = Fraction(1, 2)
# Their headers carry exact lengths; the others estimate from the bit rate.
_EXACT_DEMUXERS = frozenset({MP4_DEMUXER, "matroska,webm", "flac"})


class _Nameless:
    """A file without a name: FFmpeg takes names for URLs."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


@dataclass(slots=True)
class _Track:
    """One stream as measured from its packets; times in seconds."""

    packets: int = 0
    start_s: Fraction | None = None
    last_s: Fraction = Fraction(0)
    end_s: Fraction = Fraction(0)

    def add(self, packet: "Packet[Stream]", stamp: int) -> None:
        """Count one packet that is to be shown."""
        moment_s = stamp * packet.time_base
        self.packets += 1
        self.start_s = moment_s if self.start_s is None else min(self.start_s, moment_s)
        self.last_s = max(self.last_s, moment_s)
        self.end_s = max(self.end_s, moment_s + (packet.duration or 0) * packet.time_base)

    @property
    def length_s(self) -> Fraction:
        """The time it plays: what lies before zero is the encoder's run-up."""
        start_s = max(self.start_s or Fraction(0), Fraction(0))
        step_s = Fraction(0)
        if self.end_s <= self.last_s and self.packets > 1:
            # Some containers do not say how long the last frame stays; the others tell.
            step_s = (self.last_s - start_s) / (self.packets - 1)
        return max(max(self.end_s, self.last_s) - start_s + step_s, Fraction(0))


def open_stream(file: BinaryIO, signature: Signature, pixels_max: int, packets_max: int) -> Finding:
    """Read a container to its end and decode the first frame of its picture and of its sound.

    Raises Unacceptable, or whatever FFmpeg raises where the file is damaged. Width and height
    are those a viewer sees, after the display matrix; the sample aspect ratio is left out. The
    length is that of the picture, or of the sound where there is none, counted from packets:
    headers may lie.
    """
    with opened_container(file, signature, pixels_max) as container:
        if len(container.streams) > _STREAMS_MAX:
            raise Unacceptable(f"holds more than {_STREAMS_MAX} streams")
        picture = _picture(container, pixels_max)
        sound = _sound(container)
        main = picture or sound
        if main is None:
            raise Unacceptable("holds neither picture nor sound")
        tracks, frames = _read_through(container, packets_max, _openable(picture, sound))
        duration_ms = round(_length_s(container, main, tracks, signature) * 1000)
        if picture is None:
            media_type = _sound_type(signature)
            return Finding(media_type, 0, 0, duration_ms, frames=0, has_audio=True)
        if signature.media_type not in _PICTURE_TYPES:
            raise Unacceptable("holds a picture where only sound belongs")
        width, height = _shown_size(frames[picture.index])
        coded = tracks[picture.index].packets
        return Finding(signature.media_type, width, height, duration_ms, coded, sound is not None)


def opened_container(file: BinaryIO, signature: Signature, pixels_max: int) -> InputContainer:
    """Open a container by the one demuxer its first bytes name, and nothing besides it."""
    return av.open(
        _Nameless(file),
        mode="r",
        format=signature.demuxer.partition(",")[0],
        options={
            "format_whitelist": signature.demuxer,
            "protocol_whitelist": "none",
            "max_pixels": str(pixels_max),
        },
        io_open=_refuse_opening,
    )


def first_picture(container: InputContainer, pixels_max: int) -> VideoStream:
    """Return the stream that a viewer sees, ready to be decoded; raises Unacceptable."""
    picture = _picture(container, pixels_max)
    if picture is None:
        raise Unacceptable("holds no picture")
    _openable(picture)
    return picture


def _refuse_opening(url: str, _flags: int, _options: object) -> NoReturn:
    raise PermissionError(f"a container named another resource of {len(url)} characters")


def _picture(container: InputContainer, pixels_max: int) -> VideoStream | None:
    for stream in container.streams.video:
        if Disposition.attached_pic in stream.disposition:
            continue
        if stream.codec_context.width * stream.codec_context.height > pixels_max:
            raise Unacceptable(f"is larger than {pixels_max} pixels")
        stream.codec_context.options = {"max_pixels": str(pixels_max)}
        return stream
    return None


def _sound(container: InputContainer) -> AudioStream | None:
    return container.streams.audio[0] if container.streams.audio else None


def _openable(*streams: VideoStream | AudioStream | None) -> frozenset[int]:
    """Return the indexes of the streams to decode, all of them in codecs we trust."""
    present = [stream for stream in streams if stream is not None]
    for stream in present:
        codec = stream.codec_context.codec.name
        if codec not in _CODECS and not codec.startswith(_PCM):
            raise Unacceptable("is in a codec that is not accepted")
        # Threads would each claim address space, and one frame needs no second one.
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
    return frozenset(stream.index for stream in present)


def _read_through(
    container: InputContainer, packets_max: int, wanted: frozenset[int]
) -> tuple[dict[int, _Track], dict[int, object]]:
    """Count every packet and decode each wanted stream up to its first frame."""
    tracks: defaultdict[int, _Track] = defaultdict(_Track)
    frames: dict[int, object] = {}
    for number, packet in enumerate(container.demux()):
        if number > packets_max:
            raise Unacceptable(f"holds more than {packets_max} packets")
        if packet.is_corrupt:
            raise Unacceptable("is cut short or damaged")
        index = packet.stream_index
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None and not packet.is_discard:
            tracks[index].add(packet, stamp)
        if index in wanted and index not in frames:
            frames.update((index, frame) for frame in packet.decode()[:1])
            if index not in frames and tracks[index].packets > _SILENT_PACKETS_MAX:
                break
    if wanted - frames.keys():
        raise Unacceptable("gives no frame")
    return tracks, frames


def _length_s(
    container: InputContainer, main: Stream, tracks: dict[int, _Track], signature: Signature
) -> Fraction:
    measured_s = tracks[main.index].length_s
    stated_s = measured_s
    if main.duration is not None and main.time_base is not None:
        stated_s = main.duration * main.time_base
        present_s = measured_s
    elif container.duration is not None:
        stated_s = Fraction(container.duration, av.time_base)
        present_s = max(track.length_s for track in tracks.values())
    else:
        return measured_s
    if signature.demuxer in _EXACT_DEMUXERS and stated_s - present_s > _SHORT_S:
        raise Unacceptable("is cut short")
    is_padded = main.duration is not None and measured_s - _PADDING_S <= stated_s
    return min(stated_s, measured_s) if is_padded else measured_s


def _sound_type(signature: Signature) -> str:
    if signature.media_type == "video/webm":
        raise Unacceptable("holds no picture")
    return "audio/mp4" if signature.demuxer == MP4_DEMUXER else signature.media_type


def _shown_size(frame: object) -> tuple[int, int]:
    if not isinstance(frame, VideoFrame):
        raise Unacceptable("gives no picture")
    quarters = round(frame.rotation / 90)
    return (frame.height, frame.width) if quarters % 2 else (frame.width, frame.height)
