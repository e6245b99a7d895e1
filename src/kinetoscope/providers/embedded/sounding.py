"""Hands what was read from a prompt to the sound maker, and mixes given sound in."""

from pathlib import Path

import av
import numpy as np

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.embedded.encode import Sound
from kinetoscope.providers.embedded.pictures import CLIP_OPTIONS
from kinetoscope.providers.embedded.prompt import read
from kinetoscope.providers.embedded.sound import SoundCues, synthesise
from kinetoscope.providers.embedded.work import SAMPLES_PER_S, Work

_GIVEN_SHARE = 0.6
_OWN_SHARE = 0.5


def sound_of(work: Work) -> Sound:
    """The sound that belongs to the picture, as long as the work; under given sound, quieter."""
    reading = read(work.prompt)
    cues = SoundCues(
        scene=reading.scene,
        time=reading.time,
        weather=reading.weather,
        mood=reading.mood,
        words=reading.words,
    )
    sound = synthesise(cues, work.duration_s, work.seed)
    given = [picture.path for picture in work.pictures if picture.kind is MediaKind.AUDIO]
    if not given:
        return sound
    mixed = sound * np.float32(_OWN_SHARE)
    for path in given:
        heard = _heard(path, len(sound))
        mixed[: len(heard)] += heard * np.float32(_GIVEN_SHARE / len(given))
    return np.asarray(np.clip(mixed, -1, 1), dtype=np.float32)


def _heard(path: Path, most_samples: int) -> Sound:
    """The beginning of a sound file as our own kind of samples."""
    parts: list[Sound] = []
    count = 0
    try:
        with av.open(str(path), options=CLIP_OPTIONS) as container:
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLES_PER_S)
            for frame in container.decode(container.streams.audio[0]):
                for ready in resampler.resample(frame):
                    part = np.asarray(ready.to_ndarray().T, dtype=np.float32)
                    parts.append(part)
                    count += len(part)
                if count >= most_samples:
                    break
    except (av.FFmpegError, IndexError) as cause:
        raise ValueError("A reference sound could not be read.") from cause
    if not parts:
        return np.zeros((0, 2), dtype=np.float32)
    return np.concatenate(parts)[:most_samples]
