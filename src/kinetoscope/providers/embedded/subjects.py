"""Places the prompt's subjects in a scene: the right size, in its light, moving as they would."""

from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from kinetoscope.providers.embedded.drawings import DRAWINGS, drawing
from kinetoscope.providers.embedded.headland import headland
from kinetoscope.providers.embedded.layers import SHARPNESS, blank, cover_of, stamp
from kinetoscope.providers.embedded.noise import Plane, Planes
from kinetoscope.providers.embedded.prompt import Subject
from kinetoscope.providers.embedded.ridges import Ridge, ridge_painter
from kinetoscope.providers.embedded.silhouettes import Ink
from kinetoscope.providers.embedded.stage import Moment, Painter, Stage
from kinetoscope.providers.embedded.tone import light, mix, spread, unfilm
from kinetoscope.providers.embedded.vocabulary import COLOURS

_AFLOAT = {"sailboat"}
_IN_THE_AIR = {"balloon"}
_WATERS = {"sea", "lake"}
ASHORE = {"person", "cat", "dog", "fox", "horse", "tree", "blossom", "palm", "car"}
"""Those who cannot stand on water: beside it, they are given a shore."""
_SIZES = {
    "sailboat": 0.30, "lighthouse": 0.34, "balloon": 0.26, "person": 0.22, "cat": 0.26,
    "dog": 0.26, "horse": 0.3, "car": 0.34, "tree": 0.52, "blossom": 0.54, "palm": 0.6,
    "fox": 0.19,
}  # fmt: skip
_FLOCK = 7
_BEACH = {"beach", "beaches", "sand", "shore", "playa", "plage"}
_LAMP = {"day": 0.8, "golden": 0.5, "sunrise": 0.45, "sunset": 0.26, "dusk": 0.16, "night": 0.09}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sprite:
    """A drawing as light and cover, a pixel of air around it, and where its feet stand."""

    cover: Plane
    light: Planes
    x: float
    foot: float
    drift: float
    bob: float


def subjects_of(stage: Stage) -> list[Painter]:
    """A painter for each subject that can be drawn, in the prompt's order, last in front."""
    painters: list[Painter] = []
    if stage.reading.scene in {"space", "underwater", "abstract"}:
        return painters
    ashore = any(subject.kind in ASHORE for subject in stage.reading.subjects)
    if stage.reading.scene in _WATERS and (ashore or stage.reading.words & _BEACH):
        painters.append(_shore(stage))
    for place, subject in enumerate(stage.reading.subjects):
        if subject.kind == "bird":
            painters.append(_flock(stage, subject))
        elif subject.kind in DRAWINGS:
            if subject.kind == "lighthouse" and stage.reading.scene in _WATERS:
                painters.append(_rock(stage, subject, place))
            painters.append(_standing(stage, subject, place))
            if subject.kind == "lighthouse" and _dim(stage):
                painters.append(_lamp(stage, subject, place))
    return painters


def _rock(stage: Stage, subject: Subject, place: int) -> Painter:
    """What the lighthouse stands on, moving with it."""
    sprite = _sprite(stage, subject, stage.chance("subject", subject.kind), (place, 0, 1))
    rock = headland(stage, sprite.x, stage.framing.size)

    def paint(moment: Moment, planes: Planes) -> None:
        left = (rock.left - moment.pan * 0.35 + stage.aspect / 2) * stage.height
        stamp(planes, (rock.cover, rock.light), left, rock.top * stage.height)

    return paint


def _shore(stage: Stage) -> Painter:
    palette = stage.palette
    ground = mix(palette.ground, palette.haze, 0.06)
    if stage.reading.words & _BEACH:
        sand = light("#d8b88a") * np.float32(_LAMP[stage.reading.time])
        ground = mix(mix(ground, sand, 0.75), palette.haze, 0.08)
    ridge = Ridge(
        base=0.94,
        rise=0.014,
        near=1.0,
        falloff=1.3,
        stretch=6.0,
        mist=0.0,
        snow=0.0,
        colour=ground * np.float32(0.6),
        lit=ground,
        rugged=0.1,
    )
    return ridge_painter(stage, ridge, "shore")


def subject_cover(stage: Stage) -> Plane | None:
    """Where the subjects are, or None without any: painted white on black, and looked at."""
    painters = subjects_of(stage)
    if not painters:
        return None
    black = np.zeros((3, stage.height, stage.width), dtype=np.float32)
    white = np.ones((3, stage.height, stage.width), dtype=np.float32)
    for painter in painters:
        painter(stage.moment_at(0), black)
        painter(stage.moment_at(0), white)
    return np.asarray(np.clip(1 - (white - black).mean(axis=0), 0, 1), dtype=np.float32)


def _standing(stage: Stage, subject: Subject, place: int) -> Painter:
    rng = stage.chance("subject", subject.kind)
    count = (5 if subject.kind == "balloon" else 3) if subject.many else 1
    sprites = [_sprite(stage, subject, rng, (place, number, count)) for number in range(count)]
    afloat = subject.kind in _AFLOAT and stage.reading.scene in _WATERS

    def paint(moment: Moment, planes: Planes) -> None:
        for sprite in sprites:
            sway = sprite.bob * np.sin(moment.time_s * 1.3 + sprite.x * 9)
            x = sprite.x + sprite.drift * moment.time_s - moment.pan * 0.35
            left = (x + stage.aspect / 2) * stage.height - sprite.cover.shape[1] / 2
            top = (sprite.foot + sway) * stage.height - sprite.cover.shape[0]
            if afloat:
                _reflect(planes, sprite, left, top + sprite.cover.shape[0], moment.time_s)
            stamp(planes, (sprite.cover, sprite.light), left, top)

    return paint


def _dim(stage: Stage) -> bool:
    return stage.palette.night > 0 or stage.reading.weather in {"storm", "fog", "rain"}


def _lamp(stage: Stage, subject: Subject, place: int) -> Painter:
    """The lighthouse's lamp: a steady glow, and a beam that comes round."""
    rng = stage.chance("subject", subject.kind)
    sprite = _sprite(stage, subject, rng, (place, 0, 1))
    tall = sprite.cover.shape[0] / stage.height
    across = stage.across() - np.float32(sprite.x)
    down = stage.down() - np.float32(sprite.foot - tall * 0.85)
    distance = np.hypot(across, down)
    glow = np.exp(-distance * 42) * np.float32(1.8) + np.exp(-distance * 13) * np.float32(0.14)
    wide = np.abs(across) * np.float32(0.085) + np.float32(0.006)
    beam = np.exp(-((down / wide) ** 2)) * np.exp(-np.abs(across) * 1.7) * np.float32(0.2)
    warm = light("#fff0d0")

    def paint(moment: Moment, planes: Planes) -> None:
        turn = moment.time_s * 1.5 + (0.4 if stage.moving else 0)
        left, right = max(0.0, np.sin(turn)) ** 3, max(0.0, -np.sin(turn)) ** 3
        rays = beam * np.where(across < 0, np.float32(left), np.float32(right))
        planes += spread(warm) * (glow + rays)

    return paint


def _sprite(
    stage: Stage, subject: Subject, rng: np.random.Generator, order: tuple[int, int, int]
) -> _Sprite:
    place, number, count = order
    framing = stage.framing
    distance = framing.size * (1.0 if number == 0 else float(rng.uniform(0.4, 0.8)))
    size = _SIZES[subject.kind] * distance * min(1.0, 0.45 + stage.aspect * 0.4)
    side = framing.side * (1 if place % 2 == 0 else -1)
    aside = max(framing.aside, 0.14) if place else framing.aside
    x = side * (aside + float(rng.uniform(-0.03, 0.03))) * stage.aspect
    if count > 1:
        x = (number / (count - 1) - 0.5) * 0.75 * stage.aspect + float(rng.uniform(-0.05, 0.05))
    if subject.kind in _IN_THE_AIR:
        foot = stage.horizon * float(rng.uniform(0.5, 0.85))
    elif subject.kind == "lighthouse" and stage.reading.scene in _WATERS:
        foot = headland(stage, x, framing.size).summit + 0.01
    elif stage.reading.scene in _WATERS and subject.kind not in ASHORE:
        foot = stage.horizon + 0.16 * distance**2
    elif stage.reading.scene in _WATERS:
        foot = 0.965
    else:
        foot = min(0.94, stage.horizon + 0.27 + 0.07 * min(distance, 1.2) ** 2)
    size = min(size, foot - 0.03)
    shine, cover = _lit(stage, subject, max(8, round(size * stage.height)))
    moving = subject.kind in _AFLOAT | _IN_THE_AIR | {"car"}
    return _Sprite(
        cover=cover,
        light=shine,
        x=x,
        foot=foot,
        drift=float(rng.choice([-1, 1])) * 0.012 * distance if moving else 0.0,
        bob=0.004 * distance if moving and subject.kind != "car" else 0.0,
    )


def _lit(stage: Stage, subject: Subject, side: int) -> tuple[Planes, Plane]:
    """The drawing in the scene's light: against a low sun it is nearly a silhouette."""
    ink: Ink | None = None
    if subject.colour:
        digits = COLOURS[subject.colour].removeprefix("#")
        ink = (int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16))
    sheet = np.asarray(drawing(subject.kind, ink, side), dtype=np.float32) / np.float32(255)
    cover = np.pad(np.ascontiguousarray(sheet[..., 3]), 1)
    colour = unfilm(np.ascontiguousarray(sheet[..., :3].transpose(2, 0, 1)))
    palette = stage.palette
    lamp = mix(np.ones(3, dtype=np.float32), palette.glow, 0.45) * np.float32(
        _LAMP[stage.reading.time]
    )
    if stage.reading.weather in {"storm", "rain"}:
        lamp = lamp * np.float32(0.55)
    shine = colour * spread(lamp) + spread(palette.haze) * np.float32(0.05)
    return np.pad(shine, ((0, 0), (1, 1), (1, 1))) * cover, cover


def _reflect(planes: Planes, sprite: _Sprite, left: float, foot: float, time_s: float) -> None:
    """What floats shows below itself, rippled and fading."""
    height = sprite.cover.shape[0]
    rows = np.arange(height, dtype=np.float32)
    ripple = np.sin(rows * (34.0 / height) - time_s * 4.2) * (0.4 + rows / height * 2.4)
    ripple += np.sin(rows * (71.0 / height) - time_s * 6.1) * (0.2 + rows / height)
    fade = (np.exp(-rows / height * 2.6) * 0.62)[:, None].astype(np.float32)
    index = np.clip(
        np.arange(sprite.cover.shape[1])[None, :] + np.rint(ripple * height / 120)[:, None],
        0,
        sprite.cover.shape[1] - 1,
    ).astype(np.intp)
    cover = np.take_along_axis(sprite.cover[::-1], index, axis=1) * fade
    light = np.stack([np.take_along_axis(channel[::-1], index, axis=1) for channel in sprite.light])
    stamp(planes, (cover, light * fade), left, foot - height * 0.035)


def _flock(stage: Stage, subject: Subject) -> Painter:
    """Birds far off: two wings each, beating in their own time."""
    rng = stage.chance("flock")
    count = _FLOCK if subject.many else 3
    x = rng.normal(0, 0.13, count) - np.sign(stage.sun_x) * 0.18 * stage.aspect
    y = rng.uniform(0.35, 0.75, count) * stage.horizon
    size = rng.uniform(0.012, 0.024, count)
    phase, beat = rng.uniform(0, 6.28, count), rng.uniform(6.5, 9.5, count)
    course = float(rng.choice([-1, 1])) * 0.03
    ink = stage.palette.ground * np.float32(0.8)
    if subject.colour:
        lamp = np.float32(_LAMP[stage.reading.time])
        ink = mix(ink, light(COLOURS[subject.colour]) * lamp, 0.8)

    def paint(moment: Moment, planes: Planes) -> None:
        for bird in range(count):
            flap = float(np.sin(phase[bird] + beat[bird] * moment.time_s))
            place = x[bird] + course * (moment.time_s + phase[bird]) + stage.aspect / 2
            lift = y[bird] + 0.006 * np.sin(moment.time_s * 0.8 + phase[bird])
            cover = _bird(max(6, round(size[bird] * 2.6 * stage.height)), flap)
            left = place * stage.height - cover.shape[1] / 2
            stamp(planes, (cover, spread(ink) * cover), left, lift * stage.height)

    return paint


def _bird(side: int, flap: float) -> Plane:
    """Wings up or down around a slim body."""
    sheet = blank(side, side)
    draw = ImageDraw.Draw(sheet)
    full = side * SHARPNESS
    middle, tip = full * 0.5, full * (0.5 - 0.3 * flap)
    elbow = full * (0.42 - 0.12 * flap)
    for way in (-1, 1):
        wing = [
            (middle, middle),
            (middle + way * full * 0.2, elbow),
            (middle + way * full * 0.46, tip),
            (middle + way * full * 0.2, elbow + full * 0.07),
            (middle, middle + full * 0.09),
        ]
        draw.polygon(wing, fill=255)
    return np.pad(cover_of(sheet), 1)
