"""Hands what was read from a prompt to the sound maker."""

from kinetoscope.providers.embedded.encode import Sound
from kinetoscope.providers.embedded.prompt import read
from kinetoscope.providers.embedded.sound import SoundCues, synthesise
from kinetoscope.providers.embedded.work import Work


def sound_of(work: Work) -> Sound:
    """The sound that belongs to the picture, as long as the work."""
    reading = read(work.prompt)
    cues = SoundCues(
        scene=reading.scene,
        time=reading.time,
        weather=reading.weather,
        mood=reading.mood,
        words=reading.words,
    )
    return synthesise(cues, work.duration_s, work.seed)
