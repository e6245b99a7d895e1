"""The light of a scene: every colour comes from the hour, the weather, the mood and the seed."""

from dataclasses import dataclass, replace

import numpy as np

from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.tone import Colour, grey, light, mix
from kinetoscope.providers.embedded.vocabulary import COLOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Lights, linear.

    `sun_height` is the sun's (or moon's) height above the horizon, in picture
    heights; below zero it is not seen. `night` runs from 0 to 1; `cover` is the share of cloud.
    `soil` is the colour the prompt names for the ground, if any.
    """

    zenith: Colour
    middle: Colour
    horizon: Colour
    sun: Colour
    glow: Colour
    cloud_lit: Colour
    cloud_shade: Colour
    haze: Colour
    ground: Colour
    water: Colour
    sun_height: float
    cover: float
    night: float
    soil: Colour | None = None

    def soiled(self, colour: Colour, share: float = 0.8) -> Colour:
        """A colour of the ground as the prompt's own colour for it would have it, as bright."""
        return colour if self.soil is None else _toward(colour, self.soil, share)


_Look = tuple[str, str, str, str, str, str, str, str, str]
"""zenith, middle, horizon, glow, cloud lit, cloud shade, haze, ground, water"""

_LOOKS: dict[str, tuple[_Look, ...]] = {
    "sunset": (
        ("#23406e", "#94788a", "#ffc070", "#ffa648", "#ffb680", "#585070", "#e89a72", "#221a22",
         "#123444"),
        ("#243068", "#8a7094", "#ffb078", "#ff9a58", "#ffa68e", "#4c4272", "#d9808a", "#1e1626",
         "#14304a"),
        ("#1e4a78", "#a89284", "#ffd27c", "#ffb444", "#ffc68a", "#62586c", "#eeaa68", "#241b1c",
         "#0e3a48"),
    ),
    "sunrise": (
        ("#4a70a8", "#c8a4b8", "#ffd09a", "#ffbe78", "#ffd8be", "#8b86a8", "#e8bfae", "#2b2a38",
         "#1d4a5e"),
        ("#3d6aa6", "#b9a7cc", "#ffc4a4", "#ffb086", "#ffd0c4", "#7f80ac", "#dfb4b8", "#292a3c",
         "#1a4a66"),
    ),
    "golden": (
        ("#4478b0", "#a8b0b8", "#ffcf8c", "#ffb052", "#ffe4bc", "#9c98a6", "#e6c49a", "#30271f",
         "#1b4f5e"),
        ("#4a7cae", "#b4ac9c", "#ffc878", "#ffa948", "#ffdfae", "#a8968c", "#e4bd88", "#33291e",
         "#205058"),
    ),
    "day": (
        ("#2c6cb8", "#6ca8dc", "#cfe4ee", "#fff2d8", "#fbfaf6", "#a8b4c6", "#bcd2e2", "#2c3a30",
         "#0c4a68"),
        ("#2463ac", "#5f9fd6", "#c4e0ee", "#fff0d0", "#fdfbf5", "#9fb0c6", "#b0cce0", "#2a382c",
         "#0a526e"),
    ),
    "dusk": (
        ("#12204a", "#39487f", "#c07a72", "#e08a5a", "#8f6a86", "#2c3458", "#5c5a80", "#0d1020",
         "#0b1c34"),
        ("#0f2550", "#2f5088", "#b07a8a", "#d88868", "#7a6f96", "#27365e", "#4e5f88", "#0b1122",
         "#0a2038"),
    ),
    "night": (
        ("#050a1c", "#0c1a38", "#1d3558", "#7f9cc8", "#5a6f94", "#101c34", "#1a2f4e", "#04060c",
         "#04101e"),
        ("#070a20", "#11183c", "#27305c", "#8a98cc", "#5f6a98", "#141a38", "#222a52", "#05060e",
         "#060f22"),
    ),
    "storm": (
        ("#1c242e", "#38444e", "#75807f", "#aab4ae", "#6f7b80", "#232b34", "#56636a", "#0c1014",
         "#12262c"),
    ),
}  # fmt: skip

_SUNS = {
    "sunset": ("#ffc878", 14.0, (0.05, 0.12), 0.55),
    "sunrise": ("#ffd2a0", 16.0, (0.07, 0.14), 0.42),
    "golden": ("#ffdca0", 18.0, (0.17, 0.26), 0.34),
    "day": ("#fffaf0", 26.0, (0.62, 0.85), 0.42),
    "dusk": ("#ffb080", 2.0, (-0.06, -0.03), 0.40),
    "night": ("#e8eefc", 1.6, (0.24, 0.34), 0.26),
    "storm": ("#c8d0cc", 0.8, (0.4, 0.6), 0.86),
}


_STORM_SHARE = 0.86
_HIGH = ("zenith", "middle", "cloud_shade")
_LOW = ("horizon", "glow", "haze", "cloud_lit")
_DEPTHS = {"black": 0.45, "gray": 0.9, "grey": 0.9, "white": 1.1}
"""How much lighter or darker some named colours leave things."""


def palette_of(reading: Reading, rng: np.random.Generator) -> Palette:
    """One coherent set of lights; the seed picks the look and where the sun stands."""
    stormy = reading.weather == "storm" and reading.time != "night"
    hour = "storm" if stormy and reading.time == "day" else reading.time
    looks = _LOOKS[hour]
    lights = [light(name) for name in looks[int(rng.integers(len(looks)))]]
    if stormy:
        lights = [
            mix(colour, light(dark), _STORM_SHARE)
            for colour, dark in zip(lights, _LOOKS["storm"][0], strict=True)
        ]
    sun, gain, (low, high), cover = _SUNS["storm" if stormy else hour]
    palette = Palette(
        zenith=lights[0],
        middle=lights[1],
        horizon=lights[2],
        sun=light(sun, gain),
        glow=lights[3],
        cloud_lit=lights[4],
        cloud_shade=lights[5],
        haze=lights[6],
        ground=lights[7],
        water=lights[8],
        sun_height=float(rng.uniform(low, high)),
        cover=cover + float(rng.uniform(-0.06, 0.06)),
        night={"night": 1.0, "dusk": 0.55}.get(hour, 0.0),
    )
    starry = reading.words & {"star", "starry"} or reading.features & {"aurora", "milky way"}
    if starry and reading.weather == "clear":
        palette = replace(palette, cover=-0.1 if reading.features else 0.1)
    return _tinted(_mooded(_weathered(palette, reading.weather), reading), reading)


def _tinted(palette: Palette, reading: Reading) -> Palette:
    """The colours the prompt names for the sky, the water, the ground, or all of it."""
    if "aurora" in reading.features and reading.time == "night":
        green = light("#2fae8a")
        low = {"middle": palette.middle, "horizon": palette.horizon, "haze": palette.haze}
        glow = {name: _toward(colour, green, 0.3) for name, colour in low.items()}
        palette = replace(palette, **glow)  # type: ignore[arg-type]
    above = [tint.colour for tint in reading.tints if tint.of in {"sky", "whole"}]
    above.sort(key=_warmth)
    for place, name in enumerate(above[:2]):
        share = 0.62 if len(above) > 1 or reading.tints[0].of == "sky" else 0.42
        parts = (_LOW if place else _HIGH) if len(above) > 1 else _HIGH + _LOW
        deep = np.float32(_DEPTHS.get(name, 1.0))
        wanted = light(COLOURS[name])
        turned = {part: _toward(getattr(palette, part), wanted, share) * deep for part in parts}
        palette = replace(palette, **turned)  # type: ignore[arg-type]
    water = reading.tint_of("water")
    if water is not None:
        wanted, deep = light(COLOURS[water]), np.float32(_DEPTHS.get(water, 1.0))
        near = _toward(palette.water, wanted, 0.75) * deep
        palette = replace(palette, water=mix(near, wanted, 0.12 * (1 - palette.night)))
    soil = reading.tint_of("ground")
    return palette if soil is None else replace(palette, soil=light(COLOURS[soil]))


def _warmth(name: str) -> float:
    """Warm colours belong low in a sky, cool ones high."""
    red, _, blue = (float(channel) for channel in light(COLOURS[name]))
    return red - blue


def _toward(colour: Colour, wanted: Colour, share: float) -> Colour:
    """Another hue at about the same brightness; strong hues lose little of their strength."""
    same = wanted * (grey(colour) / np.maximum(grey(wanted), np.float32(0.004)))
    return mix(colour, np.minimum(same, max(float(colour.max()) * 1.6, 0.05)), share)


def _weathered(palette: Palette, weather: str) -> Palette:
    """Cloud and rain take colour and light away; fog lifts everything towards the haze."""
    if weather == "clear":
        return palette
    cover = {"clouds": 0.6, "rain": 0.82, "snow": 0.72, "fog": 0.5, "storm": 0.88}[weather]
    dull = {"clouds": 0.1, "rain": 0.45, "snow": 0.3, "fog": 0.35, "storm": 0.4}[weather]
    dim = {"clouds": 1.0, "rain": 0.7, "snow": 0.95, "fog": 0.95, "storm": 0.62}[weather]
    return replace(
        palette,
        zenith=mix(_dulled(palette.zenith, dull), palette.haze, dull * 0.5) * np.float32(dim),
        middle=_dulled(palette.middle, dull) * np.float32(dim),
        horizon=_dulled(palette.horizon, dull * 0.7) * np.float32(dim),
        sun=palette.sun * np.float32(1 - dull),
        glow=_dulled(palette.glow, dull * 0.6) * np.float32(dim),
        cloud_lit=_dulled(palette.cloud_lit, dull) * np.float32(dim * 0.9),
        cloud_shade=_dulled(palette.cloud_shade, dull) * np.float32(dim * 0.8),
        haze=_dulled(palette.haze, dull * 0.7) * np.float32(dim),
        cover=max(palette.cover, cover),
    )


def _mooded(palette: Palette, reading: Reading) -> Palette:
    if reading.mood == "dreamy":
        pink = light("#e9a6c8")
        return replace(
            palette,
            middle=mix(palette.middle, pink * grey(palette.middle), 0.5),
            haze=mix(palette.haze, pink * grey(palette.haze), 0.4),
        )
    if reading.mood in {"dark", "dramatic"}:
        share = np.float32(0.62 if reading.mood == "dark" else 0.8)
        return replace(
            palette,
            zenith=palette.zenith * share,
            middle=palette.middle * share,
            cloud_shade=palette.cloud_shade * share,
            cover=min(palette.cover + 0.12, 0.95),
        )
    return palette


def _dulled(colour: Colour, amount: float) -> Colour:
    return mix(colour, np.full(3, grey(colour), dtype=np.float32), amount)
