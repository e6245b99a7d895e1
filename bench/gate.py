"""The gate whole: 10,000 tasks, 30 kills of workers, 3 of the database; and its own gate."""

import shutil
import tempfile
from pathlib import Path

from tests.story import gate

from bench.tables import Table

GOAL_S = 120
ROOT = Path(__file__).parents[1]

FULL = gate.Plan(tasks=10_000, worker_kills=30, postgres_kills=3, seed=1, timeout_s=900)
CALM = gate.Plan(tasks=3_000, worker_kills=0, postgres_kills=0, seed=1, faults=0, timeout_s=300)
SMALL = gate.Plan(tasks=400, worker_kills=4, postgres_kills=0, seed=2, timeout_s=90)

INTENT = (
    "    if not await intents.intend(tools.database, task, intent, tools.clock()):\n"
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
        "            return await _told(tools, task, provider, job)\n",
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
        "cli/worker.py",
        "        every(timing.sweep_s, partial(engine.requeue_stalled, database, timing)),\n",
        "",
    ),
}


def measure(_folder: Path) -> list[Table]:
    """Run the gate, calm and whole."""
    rows: list[tuple[str, ...]] = []
    for name, plan, goal in (
        ("no faults, no kills", CALM, ""),
        ("everything", FULL, f"≤ {GOAL_S}"),
    ):
        outcome = gate.run(plan)
        faults = gate.faults_of(plan, outcome)
        rows.append(
            (
                name,
                f"{plan.tasks:,}",
                str(outcome.kills),
                f"{outcome.wall_s:.0f}",
                goal,
                f"{plan.tasks / outcome.wall_s:.0f}",
                str(len(faults)),
            )
        )
    return [
        Table(
            heading="The gate: an upstream that fails in every way",
            columns=(
                "what",
                "tasks",
                "kills",
                "took s",
                "goal",
                "tasks /s",
                "lost, doubled or unpaid",
            ),
            rows=rows,
        )
    ]


def measure_defects(_folder: Path) -> list[Table]:
    """Take one guard away at a time; the gate must notice each."""
    rows: list[tuple[str, ...]] = []
    for name, (file, guard, instead) in DEFECTS.items():
        folder = Path(tempfile.mkdtemp(prefix="kinetoscope-defect-"))
        folder.chmod(0o755)
        try:
            shutil.copytree(ROOT / "src", folder / "src")
            broken = folder / "src" / "kinetoscope" / file
            text = broken.read_text()
            assert text.count(guard) == 1, f"{name}: the guard is not in {file} any more"
            broken.write_text(text.replace(guard, instead))
            rows.append((name, _noticed(f"{folder / 'src'}:{ROOT}")))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return [Table(heading="Guards taken away", columns=("defect", "noticed by"), rows=rows)]


def _noticed(import_path: str) -> str:
    plan = gate.Plan(
        tasks=SMALL.tasks,
        worker_kills=SMALL.worker_kills,
        postgres_kills=0,
        seed=SMALL.seed,
        timeout_s=SMALL.timeout_s,
        environment={"PYTHONPATH": import_path},
    )
    try:
        faults = gate.faults_of(plan, gate.run(plan))
    except AssertionError as error:
        return str(error).splitlines()[0][:90]
    return f"{len(faults)} faults: {faults[0][:90]}" if faults else "NOBODY"
