"""Samples: five tasks that every key may read, there from the first start and kept for good.

They go through the engine as every task does: rendered, stored, or failed by rehearsal. Their ids
are those of https://kinovi.ai/docs, whose documentation a new client's first poll comes from.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.ids import AccountId, KeyId, TaskId, new_media_name
from kinetoscope.kernel.order import JSON
from kinetoscope.postgres.pool import Database
from kinetoscope.providers.contract import Rehearsal
from kinetoscope.tasks import creation, read
from kinetoscope.tasks.read import Found, Record
from kinetoscope.tasks.route import Routes

MODEL = "seedance-20"

PICTURE = "sample.jpg"
"""Painted by the embedded renderer: the first frame of the second sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample: what was asked for, how it goes, and the code of the error it should end with."""

    id: TaskId
    prompt: str
    seed: int
    shows_picture: bool = False
    rehearsal: Rehearsal | None = None
    error_code: str | None = None


SAMPLES = (
    Sample(
        id=TaskId("demo_task_t2v_success"),
        prompt="A golden sunset over a calm sea, sailing boats, seagulls, slow pan",
        seed=7,
    ),
    Sample(
        id=TaskId("demo_task_i2v_success"),
        prompt="The camera glides slowly forward over the mountains",
        seed=11,
        shows_picture=True,
    ),
    Sample(
        id=TaskId("demo_task_fail_text_moderation"),
        prompt="A prompt that the upstream's moderation refuses",
        seed=1,
        rehearsal=Rehearsal.MODERATION,
        error_code="2038",
    ),
    Sample(
        id=TaskId("demo_task_fail_face_detected"),
        prompt="A portrait of a person who could be recognised",
        seed=1,
        rehearsal=Rehearsal.FACE,
        error_code="4011",
    ),
    Sample(
        id=TaskId("demo_task_fail_server_error"),
        prompt="A prompt that meets a broken upstream",
        seed=1,
        rehearsal=Rehearsal.SERVER_ERROR,
        error_code="500",
    ),
)


async def ensure(
    database: Database,
    catalog: Catalog,
    routes: Routes,
    account_id: AccountId,
    key_id: KeyId,
    now: datetime,
) -> int:
    """Create the samples that are not there or went wrong; return how many were made."""
    made = 0
    for sample in SAMPLES:
        order = check.check(catalog.find(MODEL), _inputs(sample))
        made += await creation.create_sample(
            database,
            {
                "task_id": sample.id,
                "account_id": account_id,
                "key_id": key_id,
                "model": order.model,
                "inputs": creation.as_json(order.inputs),
                "seed": sample.seed,
                "provider": routes.test.provider,
                "queue": routes.test.queue,
                "media_name": new_media_name(),
                "rehearsal": sample.rehearsal,
                "error_code": sample.error_code,
                "now": now,
            },
        )
    return made


async def records(database: Database, now: datetime) -> dict[TaskId, Record]:
    """Return the samples that were made, as everybody may see them."""
    found = await database.fetch_all(
        Found,
        f"""
        select id as task_id, false as is_own, {read.COLUMNS}
        from task where id = any(%(ids)s) and is_sample
        """,
        {"ids": [sample.id for sample in SAMPLES]},
    )
    return {each.task_id: read.as_record(each, each.task_id, now) for each in found if each.task_id}


def _inputs(sample: Sample) -> dict[str, JSON]:
    inputs: dict[str, JSON] = {
        "prompt": sample.prompt,
        "duration": 5,
        "outputResolution": "720p",
        "aspectRatio": "16:9",
    }
    if sample.shows_picture:
        picture = files("kinetoscope.tasks").joinpath(PICTURE).read_bytes()
        uri = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
        inputs |= {"imageUrls": [uri]}
    return inputs
