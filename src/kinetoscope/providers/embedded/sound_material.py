"""The raw material of the sound track, kept apart so that scenes and music stay short recipes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.work import SAMPLES_PER_S

Samples = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
Curve = NDArray[np.float64]
Random = np.random.Generator

# Long sounds are seamless loops shaped in the frequency domain and played under slow gain curves:
# one inverse FFT then serves both channels and any duration.

ROW = 512
"""Samples between two points of a gain curve."""
ROWS_PER_S = SAMPLES_PER_S / ROW
PAD_TOP_HZ = 5_000
AUDIBLE_DECAYS = 9
"""After so many 1/e a partial is some 80 dB down."""
LOOP_ROWS_MIN = 128
LOOP_ROWS_MAX = 512
# A straight line between two gain points: no clicks, no interpolation search.
RAMP = (np.arange(ROW, dtype=np.float32) / np.float32(ROW))[None, :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a sound track is assembled; the arrays are added to in place.

    `dry` has shape (2, rows, ROW); `send` has shape (rows * ROW,) and goes to the reverb.
    """

    dry: Samples
    send: Samples
    loop_size: int

    @property
    def duration_s(self) -> float:
        """Length of the stage in seconds, rounded up to whole rows."""
        return self.send.size / SAMPLES_PER_S

    @property
    def clock_s(self) -> Curve:
        """Times of the gain points in seconds, shape (rows + 1,)."""
        return np.arange(self.dry.shape[1] + 1) / ROWS_PER_S


def empty_stage(sample_count: int) -> Stage:
    """Return a silent stage of at least `sample_count` samples."""
    rows = -(-sample_count // ROW)
    loop_rows = LOOP_ROWS_MIN
    while loop_rows < min(rows, LOOP_ROWS_MAX):
        loop_rows *= 2
    return Stage(
        dry=np.zeros((2, rows, ROW), np.float32),
        send=np.zeros(rows * ROW, np.float32),
        loop_size=loop_rows * ROW,
    )


def lay(stage: Stage, loop: Samples, left: Curve, right: Curve) -> None:
    """Play a loop over the whole stage under one gain curve a channel, each (rows + 1,).

    The right channel starts half a loop later, which decorrelates it: width for free.
    """
    rows = loop.reshape(-1, ROW)
    span = len(rows)
    for channel, curve in enumerate((left, right)):
        gains = curve.astype(np.float32)[:, None]
        rises = np.diff(gains, axis=0)
        turned = np.roll(rows, channel * span // 2, axis=0)
        for first in range(0, stage.dry.shape[1], span):
            block = stage.dry[channel, first : first + span]
            count = len(block)
            # Pads play one chord at a time: most of their blocks are silent.
            if not gains[first : first + count + 1].any():
                continue
            gain = rises[first : first + count] * RAMP
            gain += gains[first : first + count]
            gain *= turned[:count]
            block += gain


def drop(
    stage: Stage, wave: Samples, at_s: float, *, gain: float, pan: float = 0.0, wet: float = 0.4
) -> None:
    """Add a short sound; `pan` runs from -1 (left) to 1 (right), `wet` is its share of reverb."""
    start = round(at_s * SAMPLES_PER_S)
    if start < 0 or start >= stage.send.size:
        return
    part = wave[: stage.send.size - start]
    flat = stage.dry.reshape(2, -1)
    for channel, side in enumerate((1 - pan, 1 + pan)):
        flat[channel, start : start + part.size] += part * np.float32(gain * (side / 2) ** 0.5)
    stage.send[start : start + part.size] += part * np.float32(gain * wet)


def unit(wave: Samples) -> Samples:
    """Return the wave at an rms of one, so that levels in recipes mean loudness."""
    scale = np.float32(1 / (np.sqrt(np.mean(np.square(wave))) + 1e-9))
    return np.multiply(wave, scale, dtype=np.float32)


def band_gains(size: int, low_hz: float, high_hz: float, slope: int = 1) -> Samples:
    """Return the gains of a band-pass over the bins of a real FFT of `size` samples."""
    # Rational curves rather than powers: cheap, and the same on every machine.
    square = np.square(
        np.arange(size // 2 + 1, dtype=np.float32) * np.float32(SAMPLES_PER_S / size)
    )
    low = square / (square + np.float32(low_hz * low_hz))
    high = np.float32(high_hz * high_hz) / (square + np.float32(high_hz * high_hz))
    gains: Samples = low * high
    for _ in range(slope - 1):
        gains *= low * high
    return gains


def spectrum_of(wave: Samples, size: int) -> Spectrum:
    """Return the real FFT of a wave padded to `size` samples."""
    # Unscaled, numpy computes in double precision whatever the input, at four times the cost.
    spectrum = np.fft.rfft(wave, size, norm="forward")
    return (spectrum * np.float32(size)).astype(np.complex64, copy=False)


def wave_of(spectrum: Spectrum, size: int) -> Samples:
    """Return the inverse real FFT of a spectrum; it stays in single precision."""
    return np.fft.irfft(spectrum, size).astype(np.float32, copy=False)


def noise_loop(random: Random, size: int, gains: Samples) -> Samples:
    """Return a seamless loop of noise with the spectrum `gains`, rms one."""
    # Even odds do for the bins: thousands of them add up to normal noise.
    odds = random.random((gains.size, 2), dtype=np.float32) - np.float32(0.5)
    odds *= gains[:, None]
    return unit(wave_of(odds.view(np.complex64)[:, 0], size))


def grain_loop(
    random: Random, size: int, grains_per_s: float, grain: Samples | Spectrum
) -> Samples:
    """Return a seamless loop of one short sound repeated at random, rms one.

    `grain` is the spectrum of the sound over the bins of a real FFT of `size` samples.
    """
    count = max(1, round(grains_per_s * size / SAMPLES_PER_S))
    clicks = np.zeros(size, np.float32)
    # Loudness spread over decades: near grains stand out of a far wash.
    loudness = random.random(count, dtype=np.float32)
    clicks[random.integers(0, size, count)] = loudness**4 * random.choice((-1, 1), count)
    spectrum = spectrum_of(clicks, size) * grain
    return unit(wave_of(spectrum, size))


def pad_loop(random: Random, size: int, pitches_hz: Sequence[float], rolloff: float) -> Samples:
    """Return a seamless loop of a chord, rms one.

    Each harmonic is a narrow bell of random phases (the PADsynth idea): it beats like an ensemble.
    """
    bins_per_hz = size / SAMPLES_PER_S
    spectrum = np.zeros(size // 2 + 1, np.complex64)
    for pitch_hz in pitches_hz:
        for harmonic in range(1, 25):
            centre_hz = pitch_hz * harmonic
            if centre_hz > PAD_TOP_HZ:
                break
            spread = max(0.0045 * centre_hz, 0.35) * bins_per_hz
            first = int(centre_hz * bins_per_hz - 3 * spread)
            last = int(centre_hz * bins_per_hz + 3 * spread) + 2
            offsets = (np.arange(first, last) - centre_hz * bins_per_hz) / spread
            loudness = harmonic**-rolloff * pitch_hz**-0.25 * spread**-0.5
            phases = random.random(last - first) * (2 * np.pi)
            spectrum[first:last] += loudness * np.exp(1j * phases - np.square(offsets))
    return unit(wave_of(spectrum, size))


def ring(
    partials: Sequence[tuple[float, float, float]], seconds: float, attack_s: float = 0.003
) -> Samples:
    """Return a struck sound: decaying sines given as (hertz, seconds to 1/e, loudness)."""
    rows = max(1, round(seconds * ROWS_PER_S))
    wave = np.zeros((rows, ROW), np.float32)
    for pitch_hz, decay_s, loudness in partials:
        # A decaying sine is a power of one complex number, so rows and columns factor: two short
        # tables and a product replace a sine for every sample.
        step = (2j * np.pi * pitch_hz - 1 / decay_s) / SAMPLES_PER_S
        heard = min(rows, 1 + round(AUDIBLE_DECAYS * decay_s * ROWS_PER_S))
        down = np.exp(step * ROW * np.arange(heard))[:, None] * loudness
        along = np.exp(step * np.arange(ROW))
        wave[:heard] += down.real.astype(np.float32) * along.imag.astype(np.float32)
        wave[:heard] += down.imag.astype(np.float32) * along.real.astype(np.float32)
    flat = wave.reshape(-1)
    fade = min(2_400, flat.size // 2)
    flat[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return soften(flat, attack_s)


def boom(pitch_hz: float) -> Samples:
    """Return a low drum whose skin slackens as it rings."""
    time_s = np.arange(round(0.9 * SAMPLES_PER_S)) / SAMPLES_PER_S
    fall = np.exp(-time_s / 0.05)
    loudness = np.minimum(1, time_s / 0.004) * np.exp(-time_s / 0.2) * (1 - time_s / 0.9)
    return sweep(pitch_hz * (1 + 0.8 * fall), loudness, 0.25)


def soften(wave: Samples, attack_s: float) -> Samples:
    """Return the wave with a raised-cosine attack."""
    count = min(wave.size, round(attack_s * SAMPLES_PER_S))
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / count)
    return np.concatenate([wave[:count] * rise.astype(np.float32), wave[count:]])


def sweep(pitches_hz: Curve, loudness: Curve, overtone: float = 0.0) -> Samples:
    """Return a gliding sine, one pitch and loudness a sample, with a second harmonic."""
    phases = np.cumsum(pitches_hz) * (2 * np.pi / SAMPLES_PER_S)
    wave = np.sin(phases)
    if overtone:
        wave += overtone * np.sin(2 * phases)
    return (wave * loudness).astype(np.float32)


def burst(random: Random, decay_s: float) -> Samples:
    """Return a tiny burst of noise: a drop on a leaf, a spark, a pair of hands."""
    # Eight decays: its end is below hearing and needs no fade.
    count = round(8 * decay_s * SAMPLES_PER_S)
    shape = np.exp(-np.arange(count) / (decay_s * SAMPLES_PER_S)).astype(np.float32)
    return soften(random.standard_normal(count, np.float32) * shape, decay_s / 4)


def drift(random: Random, clock_s: Curve, slowest_s: float, fastest_s: float) -> Curve:
    """Return a wandering curve between about 0 and 1: a sum of slow sines, mean one half."""
    total = np.zeros_like(clock_s)
    periods_s = np.geomspace(slowest_s, fastest_s, 5) * random.uniform(0.85, 1.18, 5)
    for period_s in periods_s:
        total += np.sin(2 * np.pi * (clock_s / period_s + random.random()))
    return np.clip(0.5 + total / 6, 0, 1)


def moments(random: Random, stage: Stage, first_s: float, gap_s: float) -> list[float]:
    """Return irregular times about `gap_s` apart, from `first_s` to the end of the stage."""
    times, now = [], first_s
    while now < stage.duration_s:
        times.append(now)
        now += gap_s * random.uniform(0.7, 1.4)
    return times


def rooms_of(random: Random, size: int, tail: int, decay_s: float, level: float) -> list[Spectrum]:
    """Return the spectra of a stereo room at half the sampling rate: decaying noise."""
    time_s = np.arange(tail) / (SAMPLES_PER_S / 2)
    shape = np.exp(-3 * time_s / decay_s) * np.minimum(1, time_s / 0.012)
    shape = (shape * np.linspace(1, 0, tail)).astype(np.float32)
    # At half the rate a bin is half the hertz that band_gains takes it for.
    tone = band_gains(size, 400, 7_000)
    scale = np.float32(level / np.sqrt(tail))
    rooms = []
    for _ in range(2):
        echo = unit(random.standard_normal(tail, np.float32) * shape) * scale
        rooms.append(spectrum_of(echo, size) * tone)
    return rooms


def reverberate(stage: Stage, random: Random, decay_s: float, level: float) -> None:
    """Add the room to the stage: its send convolved with decaying stereo noise.

    Runs at half the sampling rate, for rooms swallow the top octave anyway.
    """
    if not stage.send.any():
        return
    block, tail = stage.loop_size // 2, 2**16
    rooms = rooms_of(random, block + tail, tail, decay_s, level)
    flat = stage.dry.reshape(2, -1)
    ring_out = np.zeros((2, tail + 1), np.float32)
    for first in range(0, stage.send.size, 2 * block):
        source = stage.send[first : first + 2 * block].reshape(-1, 2).mean(axis=1)
        spectrum = spectrum_of(source, block + tail)
        for channel, room in enumerate(rooms):
            wet = wave_of(spectrum * room, block + tail)
            wet[:tail] += ring_out[channel, 1:]
            before = np.concatenate([ring_out[channel, :1], wet[: source.size - 1]])
            target = flat[channel, first : first + 2 * source.size]
            target[1::2] += wet[: source.size]
            target[0::2] += (before + wet[: source.size]) * np.float32(0.5)
            ring_out[channel] = wet[block - 1 :]
