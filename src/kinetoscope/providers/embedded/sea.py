"""The sea, and lakes: sky above, moving water below."""

from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.sky import sky
from kinetoscope.providers.embedded.stage import Moment, Scene, Stage
from kinetoscope.providers.embedded.water import CALM, ROUGH, water


def scene(stage: Stage) -> Scene:
    """Open sea to the horizon."""
    row = stage.horizon_row
    rough = stage.reading.weather == "storm" or stage.reading.mood == "dramatic"
    above = sky(stage, row)
    below = water(stage, ROUGH if rough else CALM, stage.height - row)

    def paint(moment: Moment, planes: Planes) -> None:
        above(moment.frame, planes[:, :row])
        below(moment, planes[:, row:])

    return Scene(paint=paint, lens=False)
