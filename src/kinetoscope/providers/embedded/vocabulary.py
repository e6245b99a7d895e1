"""The words the renderer understands: data only, so that adding a word needs no code."""

Table = tuple[tuple[str, tuple[str, ...]], ...]
"""Names, and the words and phrases that stand for each."""


def _table(rows: dict[str, str]) -> Table:
    """Each row's words, written with commas between them."""
    return tuple((name, tuple(words.split(", "))) for name, words in rows.items())


SCENES = _table(
    {
        "space": (
            "space, nebula, galaxy, planet, cosmos, universe, astronaut, orbit, "
            "spaceship, asteroid, saturn, 宇宙, espacio"
        ),
        "underwater": (
            "underwater, under water, under the water, beneath the water, under the sea, beneath "
            "the sea, under the ocean, beneath the ocean, below the surface, beneath the surface, "
            "under the surface, beneath the wave, below the wave, ocean floor, seafloor, "
            "deep sea, deep ocean, coral, coral reef, reef, jellyfish, seabed, diving, diver, "
            "scuba, fish, school of fish, koi, koi pond, kelp, whale, shark, dolphin, sea turtle, "
            "octopus, aquarium, 水中, 海底, submarino, unterwasser"
        ),
        "city": (
            "city, skyline, street, skyscraper, downtown, tokyo, urban, building, metropolis, "
            "cyberpunk, neon, alley, rooftop, fish market, ciudad, stadt, ville, 城市, 都市"
        ),
        "village": "village, cottage, town, house, cabin, hut, barn, farm, dorf, pueblo",
        "lake": "lake, fjord, lagoon, pond, loch, 湖",
        "sea": (
            "sea, ocean, beach, wave, coast, shore, harbor, harbour, bay, island, surf, tide, "
            "water, river, mar, meer, mer, oceano, océano, playa, plage, 海"
        ),
        "mountains": (
            "mountain, peak, alp, summit, ridge, valley, canyon, himalaya, volcano, "
            "montaña, montagne, berg, berge, 山"
        ),
        "forest": "forest, wood, jungle, grove, pine, woodland, redwood, wald, bosque, forêt, 森",
        "desert": "desert, dune, sahara, sand, oasis, camel, mars, wüste, desierto, 沙漠",
        "meadow": (
            "meadow, flower, field, grass, prairie, hill, garden, tulip, lavender, poppy, "
            "sunflower, spring, countryside, landscape, 花, road, highway, park"
        ),
    }
)

HINTS = _table(
    {
        "sea": (
            "lighthouse, cliff, boat, ship, sailboat, yacht, pier, dock, lagoon, seagull, palm, "
            "tropical, sailing"
        ),
        "lake": "aurora, northern light, polar light, reflection",
        "space": "milky way",
        "city": "firework",
        "forest": "autumn, autumnal, fall foliage, foliage, leaf, fox",
    }
)
"""Words that suggest a scene where none is named."""

TIMES = _table(
    {
        "golden": "golden hour, goldene stunde, late afternoon, evening light",
        "dusk": "dusk, twilight, blue hour, nightfall",
        "sunset": (
            "sunset, sundown, setting sun, evening, atardecer, puesta de sol, sonnenuntergang, "
            "coucher de soleil, tramonto, 夕日, 日落, 夕焼け"
        ),
        "sunrise": (
            "sunrise, dawn, morning, daybreak, first light, amanecer, sonnenaufgang, lever de "
            "soleil, 朝, 日出"
        ),
        "night": (
            "night, midnight, star, starry, moon, moonlight, moonlit, milky way, aurora, northern "
            "light, firework, noche, nacht, nuit, 夜"
        ),
        "day": "day, noon, midday, daylight, sunny, afternoon, blue sky, daytime",
    }
)

WEATHERS = _table(
    {
        "storm": (
            "storm, stormy, lightning, thunder, thunderstorm, tempest, hurricane, tormenta, "
            "sturm, 嵐"
        ),
        "rain": "rain, rainy, raining, drizzle, downpour, wet, lluvia, regen, pluie, 雨",
        "snow": "snow, snowy, snowing, snowfall, blizzard, winter, nieve, schnee, neige, 雪",
        "fog": "fog, foggy, mist, misty, haze, hazy, niebla, nebel, brouillard, 霧",
        "clouds": "cloud, cloudy, overcast",
        "clear": "clear, cloudless",
    }
)

MOODS = _table(
    {
        "epic": "epic, cinematic, majestic, grand, breathtaking, heroic",
        "dramatic": "dramatic, intense, stormy, fierce, powerful, moody",
        "dark": "dark, gloomy, eerie, scary, horror, noir, mysterious, sad",
        "dreamy": "dreamy, dream, soft, ethereal, magical, fantasy, surreal",
        "cheerful": "cheerful, happy, joyful, bright, vibrant, fun, playful, colorful, colourful",
        "calm": "calm, serene, peaceful, tranquil, quiet, still, gentle, beautiful, relaxing",
    }
)

STYLES = _table(
    {
        "noir": "noir, black and white, monochrome, grayscale, greyscale, silent film",
        "watercolor": "watercolor, watercolour, painting, painted, impressionist, pastel",
        "pixel": "pixel, retro game, pixel art, bit art, arcade game",
        "neon": "neon, cyberpunk, synthwave, vaporwave, blade runner",
        "vintage": "vintage, sepia, old film, retro, film grain, polaroid",
    }
)

CAMERA = _table(
    {
        "left": (
            "pan left, panning left, move left, track left, truck left, slide left, pan to the left"
        ),
        "right": (
            "pan right, panning right, move right, track right, truck right, pan, slide right, "
            "tracking shot, pan to the right, panning"
        ),
        "in": (
            "push in, push, zoom in, dolly in, dolly, zoom, closer, approach, fly through, "
            "flythrough, forward"
        ),
        "out": "zoom out, push out, pull out, pull back, dolly out, reveal, zooming out, backward",
        "up": "tilt up, crane up, rising, look up, ascend, tilt",
        "down": "tilt down, crane down, look down, descend",
        "orbit": "orbit, arc shot, rotate around, circling, orbiting",
        "still": (
            "static, locked, locked off, tripod, fixed camera, still shot, still camera, no "
            "camera movement"
        ),
        "handheld": "handheld, hand held, shaky, documentary, vlog",
        "aerial": (
            "drone, aerial, bird eye, from above, flyover, flying over, fly over, flight over, "
            "flying above, flying through, flying across, soaring over, fly through, flythrough, "
            "flying, fpv"
        ),
    }
)

SUBJECTS = _table(
    {
        "sailboat": "sailboat, boat, yacht, ship, sailing, sail, vessel",
        "bird": "bird, seagull, gull, eagle, crow, swallow, goose, geese, pelican",
        "lighthouse": "lighthouse",
        "moon": "moon, moonlight, moonlit",
        "tree": "tree, oak, maple, birch",
        "blossom": "blossom, sakura, cherry",
        "palm": "palm",
        "balloon": "balloon",
        "person": (
            "person, man, woman, girl, boy, people, couple, traveler, traveller, hiker, wanderer, "
            "child, dancer, samurai, knight"
        ),
        "cat": "cat, kitten, kitty",
        "fox": "fox",
        "dog": "dog, puppy, wolf",
        "horse": "horse, deer, stag",
        "car": "car, truck, vehicle, taxi, convertible",
    }
)

SUBJECT_SCENES = {
    "sailboat": "sea",
    "bird": "sea",
    "lighthouse": "sea",
    "moon": "sea",
    "tree": "meadow",
    "blossom": "meadow",
    "palm": "sea",
    "fox": "forest",
    "balloon": "mountains",
    "person": "meadow",
    "cat": "meadow",
    "dog": "meadow",
    "horse": "meadow",
    "car": "desert",
}

FEATURES = _table(
    {
        "aurora": "aurora, northern light, polar light, aurora borealis, southern light",
        "milky way": "milky way",
        "fireworks": "firework",
        "ring": "saturn, ringed planet, ring, ringed",
    }
)
"""What may be added to a sky."""

OWNERS = _table(
    {
        "sky": "sky, light, sunset, sunrise, sun, cloud, horizon, dawn, dusk, glow, mist, fog",
        "water": "sea, ocean, water, wave, lake, river, lagoon, pond, bay",
        "ground": (
            "desert, sand, dune, forest, wood, field, hill, mountain, meadow, grass, leaf, "
            "foliage, rock, canyon, valley, planet, landscape, beach, road, ground, earth, soil"
        ),
        "dressed": "dress, coat, jacket, shirt, cloak, kimono, raincoat, hoodie, suit, umbrella",
        "thing": (
            "flower, tulip, poppy, rose, petal, house, roof, window, wall, door, cottage, hair, "
            "eye, fish, koi, moon, snow, hour, candle, lamp, aurora, curtain"
        ),
    }
)
"""Whose a colour is that stands just before these words."""

AUTUMN = ("autumn", "autumnal", "foliage", "october", "herbst", "otoño", "automne", "秋")

COLOURS = {
    "red": "#c8281e",
    "crimson": "#a5142a",
    "orange": "#ee7a1e",
    "yellow": "#f2c53a",
    "gold": "#e0aa3c",
    "golden": "#e0aa3c",
    "green": "#3f9a4c",
    "emerald": "#1f8f6a",
    "turquoise": "#2fb4b4",
    "teal": "#1f8a8a",
    "cyan": "#35c4e0",
    "blue": "#2f6fd0",
    "navy": "#1d3470",
    "purple": "#7b3fb0",
    "violet": "#7a4bd0",
    "pink": "#ee7fa8",
    "magenta": "#d0358f",
    "white": "#f2efe8",
    "black": "#15161a",
    "silver": "#b9c0c8",
    "gray": "#84888e",
    "grey": "#84888e",
    "brown": "#7a5233",
    "lavender": "#a48bdc",
    "rust": "#b4501e",
    "amber": "#e8961e",
    "copper": "#b8683a",
    "scarlet": "#d02a1a",
    "indigo": "#3a2f8a",
    "aqua": "#3ec6c6",
    "coral": "#f0765a",
    "beige": "#d8c4a0",
}
