"""The gate's own gate: guards that are taken away one at a time, and must be missed."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.story import gate

ROOT = Path(__file__).parents[2]
NOBODY = "NOBODY"

SMALL = gate.Plan(tasks=400, worker_kills=4, postgres_kills=0, seed=2, timeout_s=90)

INTENT = (
    "    began_at = await _begin(tools, task, intent)\n"
    "    if began_at is None:\n"
    "        return CANCELLED\n"
)
CALL = "    outcome = await provider.submit(job)\n"

DEFECTS = {
    "the intent is written after the call": (
        "tasks/submit.py",
        f"{INTENT}{CALL}",
        f"{CALL}{INTENT}",
    ),
    "what nobody answered is sent again": (
        "tasks/unanswered.py",
        "            return told\n",
        "            return await provider.submit(job)\n",
    ),
    "nothing is looked up before sending again": (
        "tasks/unanswered.py",
        "            return await provider.find(job)\n",
        "            return await provider.submit(job)\n",
    ),
    "a broken connection counts as a refusal": (
        "providers/hosted.py",
        "            if error.may_have_arrived:\n",
        "            if not error:\n",
    ),
    "an unreadable answer counts as a refusal": (
        "providers/hosted.py",
        "            return Unknown(reason=str(error))\n        if isinstance(accepted",
        "            return _busy(str(error))\n        if isinstance(accepted",
    ),
    "a task that may be somewhere is placed anew": (
        "tasks/place.py",
        "    if task.upstream_id is not None or task.submit_started_at is not None:\n",
        "    if task.upstream_id is not None:\n",
    ),
    "a failure keeps its hold": (
        "tasks/finish.py",
        "    if not task.is_sample:\n        await book.release(",
        "    if task.is_sample:\n        await book.release(",
    ),
    "a dead worker's jobs are not put back": (
        "engine.py",
        "          where job.status = 'doing' and ({which})\n",
        "          where false and job.status = 'doing' and ({which})\n",
    ),
}


def noticed(name: str) -> str:
    """Break a copy of the source in one place, and return what the gate has to say of it."""
    file, guard, instead = DEFECTS[name]
    folder = Path(tempfile.mkdtemp(prefix="kinetoscope-defect-"))
    folder.chmod(0o755)
    try:
        shutil.copytree(ROOT / "src", folder / "src")
        broken = folder / "src" / "kinetoscope" / file
        text = broken.read_text()
        assert text.count(guard) == 1, f"{name}: the guard is not in {file} any more"
        broken.write_text(text.replace(guard, instead))
        return _verdict(f"{folder / 'src'}:{ROOT}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _verdict(import_path: str) -> str:
    plan = replace(SMALL, environment={"PYTHONPATH": import_path})
    try:
        faults = gate.faults_of(plan, gate.run(plan))
    except AssertionError as error:
        return str(error).splitlines()[0][:90]
    return f"{len(faults)} faults: {faults[0][:90]}" if faults else NOBODY
