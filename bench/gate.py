"""The gate whole: 10,000 tasks, 30 kills of workers, 3 of the database; and its own gate."""

from pathlib import Path

from tests.story import gate
from tests.story.defects import DEFECTS, NOBODY, noticed

from bench.tables import Table

GOAL_S = 120

FULL = gate.Plan(tasks=10_000, worker_kills=30, postgres_kills=3, seed=1, timeout_s=900)
CALM = gate.Plan(tasks=3_000, worker_kills=0, postgres_kills=0, seed=1, faults=0, timeout_s=300)


def measure(_folder: Path) -> list[Table]:
    """Run the gate, calm and whole."""
    rows: list[tuple[str, ...]] = []
    seen: list[str] = []
    for name, plan, goal in (
        ("no faults, no kills", CALM, ""),
        ("everything", FULL, f"≤ {GOAL_S}"),
    ):
        outcome = gate.run(plan)
        faults = gate.faults_of(plan, outcome)
        seen += faults
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
            faults=tuple(seen),
        )
    ]


def measure_defects(_folder: Path) -> list[Table]:
    """Take one guard away at a time; the gate must notice each."""
    rows: list[tuple[str, ...]] = [(name, noticed(name)) for name in DEFECTS]
    missed = tuple(f"nobody notices that {name}" for name, by in rows if by == NOBODY)
    columns = ("defect", "noticed by")
    return [Table(heading="Guards taken away", columns=columns, rows=rows, faults=missed)]
