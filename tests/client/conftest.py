"""What tests of the commands share: a server that says what it is told to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.stand_in import StandIn, listening

from kinetoscope.client import asking


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    monkeypatch.setattr(asking, "DELAY_S", 0.0)
    monkeypatch.chdir(tmp_path)
    with listening(StandIn()) as there:
        yield there
