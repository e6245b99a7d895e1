"""The gate in small, for every change; `./dev bench gate` runs the whole of it."""

from tests.story import gate

PLAN = gate.Plan(tasks=600, worker_kills=6, postgres_kills=1, seed=1, timeout_s=180)


def test_nothing_is_lost_or_made_twice_or_paid_twice():
    outcome = gate.run(PLAN)
    assert gate.faults_of(PLAN, outcome) == []
    assert outcome.kills == 7
