"""Finished files that cannot be written here are told from those that do not come."""

from pathlib import Path

import pytest
from tests.providers.case import conversing
from tests.providers.upstream import OTHER_HOST, Stage, Verb, answers
from tests.providers.wire_faulty import CASES

from kinetoscope.providers.contract import Accepted, Status, Unfetched

pytestmark = pytest.mark.anyio

FULL = Path("/dev/full")
"""Takes no byte: "No space left on device"."""


async def fetched(folder: Path, host: str, *, is_full: bool) -> Status:
    case = CASES[0]
    async with conversing(case) as (provider, upstream):
        upstream.files_host = host
        job = case.job(folder)
        accepted = await provider.submit(job)
        assert isinstance(accepted, Accepted), accepted
        upstream.only.stay(Stage.DONE)
        if is_full:
            (job.folder / "result-1").symlink_to(FULL)
        else:
            upstream.fault(Verb.FILE, answers(404))
        return await provider.status(accepted.upstream_id, job)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("host", ["127.0.0.1", OTHER_HOST], ids=["theirs", "elsewhere"])
@pytest.mark.parametrize("is_full", [True, False])
async def test_whose_fault_it_is(tmp_path: Path, host: str, *, is_full: bool):
    status = await fetched(tmp_path, host, is_full=is_full)
    assert isinstance(status, Unfetched), status
    assert status.is_ours == is_full
