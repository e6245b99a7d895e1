"""Which test files take long, so that those begin first and nobody waits for one at the end."""

import pytest

SECONDS = {
    "tests/story/test_crashes.py": 100,
    "tests/story/test_gate_defects.py": 90,
    "tests/engines/test_diffusers_engine.py": 80,
    "tests/api/test_fuzz.py": 65,
    "tests/engines/test_diffusers_task.py": 60,
    "tests/clients/test_matrix.py": 130,
    "tests/browser/test_task_pages.py": 60,
    "tests/browser/test_money.py": 50,
    "tests/story/test_gate.py": 45,
    "tests/browser/test_account_pages.py": 45,
    "tests/story/test_left_alone.py": 43,
    "tests/story/test_answers_at_once.py": 40,
    "tests/story/test_webhook_kills.py": 35,
    "tests/story/test_planted_secrets.py": 30,
    "tests/browser/test_ways.py": 30,
    "tests/client/test_lives.py": 20,
    "tests/agents/test_two_processes.py": 20,
    "tests/story/test_scale_out.py": 30,
    "tests/story/test_parallel_creates.py": 28,
    "tests/browser/test_learn.py": 27,
    "tests/story/test_first_run.py": 24,
    "tests/browser/test_studio.py": 24,
    "tests/contract/test_kinovi_rows_15_to_29.py": 21,
    "tests/browser/test_operator.py": 20,
    "tests/providers/test_hosted_conformance.py": 19,
    "tests/story/test_samples.py": 19,
    "tests/providers/test_sdk_google.py": 17,
    "tests/unit/test_renderer_clips.py": 17,
    "tests/api/test_retention_commands.py": 16,
    "tests/story/test_embedded_postgres.py": 16,
    "tests/unit/test_renderer_sound.py": 14,
    "tests/browser/test_webhooks.py": 13,
    "tests/api/test_gone.py": 12,
    "tests/dialects/test_access.py": 40,
    "tests/dialects/test_migrating.py": 20,
    "tests/dialects/test_round_trip.py": 12,
    "tests/dashboard/test_pages_matrix.py": 12,
}
"""Of one core, roughly: what matters is who comes before whom. All others take less."""


def longest_first(items: list[pytest.Item]) -> None:
    """Put tests of long files first; those of one file stay together, and as they were."""
    items.sort(key=lambda item: -SECONDS.get(item.nodeid.partition("::")[0], 0))
