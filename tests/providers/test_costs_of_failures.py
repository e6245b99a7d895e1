"""What an upstream says that it took is told of jobs that came to nothing, too."""

from pathlib import Path

import pytest
from tests.providers.case import conversing
from tests.providers.upstream import Verb, answers
from tests.providers.wire_kie import CASES

from kinetoscope.providers.contract import Accepted, Failed, Status, Unfetched

pytestmark = pytest.mark.anyio

CASE = CASES[0]
NOWHERE = '{"resultUrls": ["http://127.0.0.1:9/gone.mp4"]}'


async def told(tmp_path: Path, **data: str) -> Status:
    """Return what is made of a record with these entries."""
    async with conversing(CASE) as (provider, upstream):
        job = CASE.job(tmp_path)
        outcome = await provider.submit(job)
        assert isinstance(outcome, Accepted)
        record = {"taskId": outcome.upstream_id, "creditsConsumed": 20.5, **data}
        upstream.fault(Verb.STATUS, answers(200, {"code": 200, "data": record}))
        return await provider.status(outcome.upstream_id, job)


@pytest.mark.parametrize(
    "data",
    [
        {"state": "fail", "failCode": "500", "failMsg": "No."},
        {"state": "success", "resultJson": '{"resultUrls": []}'},
    ],
)
async def test_of_a_failure(tmp_path: Path, data: dict[str, str]):
    status = await told(tmp_path, **data)
    assert isinstance(status, Failed), status
    assert status.cost_usd_micros == 102_500


async def test_of_files_that_do_not_come(tmp_path: Path):
    status = await told(tmp_path, state="success", resultJson=NOWHERE)
    assert isinstance(status, Unfetched), status
    assert status.cost_usd_micros == 102_500
