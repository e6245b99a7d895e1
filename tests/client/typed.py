"""What a type checker knows of calls: mypy reads this with the rest, and nobody runs it.

Where an error is expected it is ignored, by its code: an ignore that is not needed is an error too.
"""

from pathlib import Path
from typing import assert_type

from kinetoscope.client import AsyncKinetoscope, Estimate, Kinetoscope, Submitted, Task
from kinetoscope.client.catalog_types import Seedance20Inputs

INPUTS: Seedance20Inputs = {"prompt": "x", "imageUrls": [Path("a.png"), "https://example.com/b"]}


def right(client: Kinetoscope, model: str) -> None:
    assert_type(client.run("seedance-20", INPUTS, timeout_s=60), Task)
    assert_type(client.submit("seedance-20", {"prompt": "x", "duration": 5}), Submitted)
    assert_type(client.estimate("my-own-model", {"anything": [1, 2]}), Estimate)
    assert_type(client.run(model, {"anything": 1}), Task)


def wrong(client: Kinetoscope) -> None:
    _ = client.run("seedance-20", {"promt": "x"}).outputs  # type: ignore[attr-defined]
    _ = client.run("seedance-20", {"prompt": "x", "duration": "long"}).outputs  # type: ignore[attr-defined]
    _ = client.submit("seedance-20", {"duration": 5}).id  # type: ignore[attr-defined]
    _ = client.run("seedance-20", {"prompt": "x", "mode": "no-such"}).outputs  # type: ignore[attr-defined]
    client.submit("seedance-20", {"prompt": "x"}, timeout_s=60)  # type: ignore[call-overload]


async def awaited(client: AsyncKinetoscope) -> None:
    assert_type(await client.run("seedance-20", {"prompt": "x"}), Task)
    await client.submit("seedance-20", {"promt": "x"})  # type: ignore[misc]
