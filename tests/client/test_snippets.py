"""The command lines that pages show make exactly the orders they stand beside."""

import shlex

import pytest

from kinetoscope.api.models import detailed_json
from kinetoscope.api.samples import order_example
from kinetoscope.api.snippets import command
from kinetoscope.catalog import model as catalog_model
from kinetoscope.catalog.spec import builtin
from kinetoscope.cli.user.inputs import read_inputs
from kinetoscope.client.values import model_from

MEDIA = {"--image": "image", "--video": "video", "--audio": "audio"}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("model", builtin().models, ids=lambda model: model.id)
def test_a_command_line_says_what_the_order_says(model: catalog_model.Model, indent: int | None):
    order = order_example(model)
    order["inputs"]["prompt"] = "It's -i $HOME\nwith `ticks`"
    line = command(order, "http://127.0.0.1:8000", indent).replace(" \\\n", " ")
    typed = shlex.split(line)  # which takes a shell's folded lines for text
    assert typed[:4] == ["kinetoscope", "generate", "--url", "http://127.0.0.1:8000"]
    model_id, prompt, *options = typed[4:]
    stated: list[str] = []
    media: dict[str, list[str]] = {kind: [] for kind in MEDIA.values()}
    for flag, value in zip(options[::2], options[1::2], strict=True):
        (media[MEDIA[flag]] if flag in MEDIA else stated).append(value)
    described = model_from({**detailed_json(model, "http://127.0.0.1:8000"), "available": True})
    assert model_id == order["model"]
    assert read_inputs(described, prompt, stated, media) == order["inputs"]
