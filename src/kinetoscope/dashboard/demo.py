"""The live demo: the public key, and the sample tasks that it reads, as they are."""

from dataclasses import dataclass

import orjson
from markupsafe import Markup
from starlette.responses import Response

from kinetoscope.api.record import record_json
from kinetoscope.dashboard import snippets
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import NotFound
from kinetoscope.tasks import samples
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.samples import SAMPLES, Sample
from kinetoscope.tasks.task import Status
from kinetoscope.wiring import Runtime

TITLES = {
    "demo_task_t2v_success": "Text to video",
    "demo_task_i2v_success": "Image to video",
    "demo_task_fail_text_moderation": "Refused by moderation",
    "demo_task_fail_face_detected": "A face in the reference",
    "demo_task_fail_server_error": "A broken upstream",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A sample as the page shows it; without a record while nobody has made it."""

    sample: Sample
    title: str
    record: Record | None
    command: Markup
    answer: Markup
    video: str
    poster: str

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.record is not None and self.record.status in {Status.SUCCESS, Status.FAIL}


def mount(pages: Pages) -> None:
    """Add /demo and its parts."""
    pages.add("GET", "/demo", "anyone", show)
    pages.add("GET", "/demo/{id}", "anyone", show_sample)


async def show(visit: Visit) -> Response:
    """Show the key and all samples."""
    key = visit.runtime.settings.demo_key
    if not key:
        return visit.render("demo/off.html")
    records = await samples.records(visit.runtime.database, visit.now)
    shown = [of_sample(visit.runtime, sample, records.get(sample.id)) for sample in SAMPLES]
    return visit.render("demo/demo.html", key=key, samples=shown, refused=_refused(visit.runtime))


async def show_sample(visit: Visit) -> Response:
    """Show one sample anew, for pages that wait for it; others are led to the page."""
    asked = visit.request.path_params["id"]
    sample = next((each for each in SAMPLES if each.id == asked), None)
    if sample is None or not visit.runtime.settings.demo_key:
        raise NotFound("There is no such sample")
    if not visit.is_partial:
        return visit.go(f"/demo#{sample.id}")
    records = await samples.records(visit.runtime.database, visit.now)
    shown = of_sample(visit.runtime, sample, records.get(sample.id))
    return visit.render("demo/sample.html", each=shown)


def of_sample(runtime: Runtime, sample: Sample, record: Record | None) -> Shown:
    """Put together what is shown of a sample."""
    answer, video, poster = Markup(), "", ""
    if record is not None:
        told = orjson.dumps(record_json(record, runtime.signer), option=orjson.OPT_INDENT_2)
        answer = snippets.block(told.decode(), "json")
    if record is not None and record.output:
        video = own_address(runtime, record, record.output[0].name)
        poster = own_address(runtime, record, record.output[0].last_frame_name)
    return Shown(
        sample=sample,
        title=TITLES[sample.id],
        record=record,
        command=snippets.block(command(runtime, sample.id), "sh"),
        answer=answer,
        video=video,
        poster=poster,
    )


def own_address(runtime: Runtime, record: Record, name: str | None) -> str:
    """Return where this page's own origin has a file, or nothing where there is none."""
    if name is None:
        return ""
    signer = runtime.signer
    return signer.url(name, record.addresses_expire_at).removeprefix(signer.base_url)


def command(runtime: Runtime, task_id: str) -> str:
    """Return the command that reads a task with the public key."""
    settings = runtime.settings
    address = f"{settings.public_url}/api/v1/jobs/recordInfo?taskId={task_id}"
    return f'curl -sS "{address}" \\\n  -H "Authorization: Bearer {settings.demo_key}"'


def _refused(runtime: Runtime) -> Markup:
    settings = runtime.settings
    text = (
        f"curl -sS {settings.public_url}/api/v1/jobs/createTask \\\n"
        f'  -H "Authorization: Bearer {settings.demo_key}" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"model": "seedance-20", "inputs": {"prompt": "A sunset"}}'"""
    )
    return snippets.block(text, "sh")
