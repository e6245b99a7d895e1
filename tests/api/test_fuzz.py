"""Requests that nobody thought of, made from our own description of the API, against all of it.

Whatever is sent, the answer is one that openapi.json documents: its status, its content type, its
schema; and never a 5xx. https://schemathesis.readthedocs.io
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, StopReason, events, from_schema
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.schemas import BaseSchema

from kinetoscope.accounts import accounts, keys
from kinetoscope.api import watch, webhooks
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import book
from kinetoscope.server import create_app
from kinetoscope.settings import Settings, load_settings
from kinetoscope.tasks import audit
from kinetoscope.tasks.watch import until_ended
from kinetoscope.wiring import Runtime, build_runtime, run_in

SEED = 20261123

CHECKS: dict[str, Any] = {
    # Older clients' spellings and inputs of other models are taken on purpose.
    "negative_data_rejection": {"enabled": False},
    "positive_data_acceptance": {
        "expected-statuses": ["2xx", "3xx", "401", "402", "403", "404", "409", "429"]
    },
}

ANY_ANSWER = {"positive_data_acceptance": {"enabled": False}}

OPERATIONS: tuple[dict[str, Any], ...] = (
    # It takes what createTask takes, which has thousands of borders to try.
    {
        "include-name": "POST /api/v1/jobs/estimateTask",
        "phases": {"coverage": {"enabled": False}},
    },
    *(
        {"include-name": name, "checks": ANY_ANSWER}
        for name in (
            "POST /api/v1/webhooks/secret",  # only so many at a time
            "GET /api/v1/jobs/listTasks",  # a cursor may have the form and be none
            "POST /api/v1/keys",  # ends in the future, is for models that exist
            "PATCH /api/v1/keys/{keyId}",
            "POST /api/v1/keys/{keyId}/rotate",
            "POST /api/v1/uploads",  # names end in one of a few ways
        )
    ),
)

EXACT = (
    "GET /api/v1/jobs/recordInfo",
    "GET /api/v1/jobs/waitTask",
    "GET /api/v1/jobs/taskEvents",
    "GET /api/v1/verify",
    "POST /api/v1/jobs/cancelTask",
    "POST /api/v1/jobs/deleteTask",
    "POST /api/v1/webhooks/settings",
    "GET /api/v1/account/ledger",
    "GET /api/v1/account/usage",
    "GET /api/v1/jobs/listTasks",
    "GET /api/v1/webhooks/deliveries",
    "GET /api/v1/webhooks/listen",
)
"""Routes whose description says all that is refused: what it does not allow must not pass."""

REJECTING = {"negative_data_rejection": {"enabled": True}}

ADDRESS = {"enum": ["https://example.com/hook", "http://example.com:8080/?a=b"]}
"""Good addresses; no pattern says what one is."""


@dataclass
class Seen:
    """What came of a run."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By operation and status, to its own method; other methods are tried as well."""
    failures: list[str] = field(default_factory=list)
    stops: list[StopReason] = field(default_factory=list)

    def note(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.ScenarioFinished):
            for interaction in event.recorder.interactions.values():
                method = event.recorder.label.partition(" ")[0]
                if interaction.response is not None and interaction.request.method == method:
                    self.answers[event.recorder.label, interaction.response.status_code] += 1
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.status is Status.FAILURE and check.failure_info is not None:
                        self.failures.append(_told(check.failure_info.failure, event, case_id))
        if isinstance(event, events.NonFatalError):
            self.failures.append(f"{event.label}: {event.value!r}")
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.EngineFinished):
            self.stops.append(event.stop_reason)

    def statuses(self, label: str) -> set[int]:
        return {status for asked, status in self.answers if asked == label}


def _told(failure: Failure, event: events.ScenarioFinished, case_id: str) -> str:
    interaction = event.recorder.interactions[case_id]
    answer = interaction.response
    told = "" if answer is None else f"{answer.status_code} {answer.text[:300]}"
    request = interaction.request
    return (
        f"{event.recorder.label}: {failure.title}: {failure.message}\n"
        f"  {request.method} {request.uri[:300]} {(request.body or b'')[:300]!r}\n  {told}"
    )


def narrowed(app: FastAPI, mode: KeyMode, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the description as a key of a mode can use it, with addresses that are some.

    Where there are `names`, nothing but their paths is left, not even what others lead to.
    """
    served = schemathesis.openapi.from_asgi("/openapi.json", app).raw_schema
    described: dict[str, Any] = json.loads(json.dumps(served))
    paths, schemas = described["paths"], described["components"]["schemas"]
    schemas["CreateTask"]["properties"]["callBackUrl"] = ADDRESS
    tested = paths["/api/v1/webhooks/test"]["post"]["requestBody"]["content"]
    tested["application/json"]["schema"]["properties"]["url"] = ADDRESS
    for name, schema in schemas.items():
        if name.startswith("Inputs_"):
            schema["additionalProperties"] = False  # older names are checked, but not described
    if mode is KeyMode.LIVE:
        # Not with a live key; and under one Idempotency-Key there is one task.
        paths["/api/v1/jobs/createTask"]["post"]["parameters"] = []
    if names:
        wanted = {name.partition(" ")[2] for name in names}
        described["paths"] = {path: told for path, told in paths.items() if path in wanted}
    return described


KEYS = "^/api/v1/keys"
"""What is sent there ends the key that sends it, sooner or later."""


def fuzz(app: FastAPI, headers: dict[str, str], examples: int) -> Seen:
    """Run all phases against an app: what may end the key comes last."""
    schema = schema_of(app, headers, examples)
    return run(schema.exclude(path_regex=KEYS), schema.include(path_regex=KEYS))


def run(*parts: BaseSchema) -> Seen:
    seen = Seen()
    try:
        for part in parts:
            for event in from_schema(part).execute():
                seen.note(event)
    finally:
        shutdown_lifespans()
    return seen


def schema_of(
    app: FastAPI,
    headers: dict[str, str],
    examples: int,
    mode: KeyMode = KeyMode.LIVE,
    operations: tuple[dict[str, Any], ...] = OPERATIONS,
    names: tuple[str, ...] = (),
) -> BaseSchema:
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "headers": headers,
            "checks": CHECKS,
            "continue-on-failure": True,
            "generation": {
                "max-examples": examples,
                "deterministic": True,
                "no-shrink": True,
                "database": "none",
            },
            "phases": {
                "stateful": {"enabled": False},
                "coverage": {"enabled": bool(headers)},  # the borders of what nobody may do
            },
            "operations": list(operations),
        }
    )
    schema = schemathesis.openapi.from_dict(narrowed(app, mode, names), config=config)
    schema.app = app
    return schema


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "KINETOSCOPE_DATA_DIR": str(tmp_path / "data"),
            "KINETOSCOPE_REQUESTS_PER_SECOND": "0",  # no limit
        }
    )


def made_key(settings: Settings, conninfo: str, mode: KeyMode = KeyMode.LIVE) -> str:
    """Make an account with credits and a key that may do everything."""

    async def make(runtime: Runtime) -> str:
        database, now = runtime.database, runtime.clock()
        account, _ = await accounts.ensure(database, "fuzz", now)
        await accounts.limit(database, "fuzz", tasks_running_max=10_000, api_access=None)
        await book.grant(database, account.id, Credits(10**9), reason="test", now=now)
        issued = await keys.create(
            database,
            account.id,
            "fuzz",
            mode=mode,
            expires_at=None,
            scopes=keys.SCOPES_ALL,
            now=now,
        )
        return issued.text

    return asyncio.run(run_in(settings, conninfo, make))


async def discrepancies(runtime: Runtime) -> list[audit.Discrepancy]:
    return await audit.audit(runtime.database)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody works here; there is nothing to wait for."""
    monkeypatch.setattr(webhooks, "TEST_PATIENCE_S", 0.0)
    monkeypatch.setattr(watch, "EVENTS_TIMEOUT_S", 0.05)
    monkeypatch.setattr(
        watch, "until_ended", lambda place, account, task, _: until_ended(place, account, task, 0.0)
    )


@pytest.mark.usefixtures("hurried")
def test_no_answer_with_a_key_is_undocumented_or_a_crash(settings: Settings, conninfo: str):
    key = made_key(settings, conninfo)
    app = create_app(build_runtime(settings, conninfo, patience_s=5))
    seen = fuzz(app, {"Authorization": f"Bearer {key}"}, examples=4)
    assert seen.failures == []
    assert seen.stops == [StopReason.COMPLETED] * 2
    assert seen.answers["POST /api/v1/jobs/createTask", 200] > 100
    assert seen.answers["GET /api/v1/jobs/recordInfo", 200] > 0
    assert asyncio.run(run_in(settings, conninfo, discrepancies)) == []


CREATE = "POST /api/v1/jobs/createTask"


def test_headers_of_test_keys_are_taken_or_refused_as_documented(settings: Settings, conninfo: str):
    key = made_key(settings, conninfo, KeyMode.TEST)
    app = create_app(build_runtime(settings, conninfo, patience_s=5))
    # Under a name that came before with another body it is a 422, and a 409 for a moment.
    statuses = ["200", "400", "409", "422"]
    taken = {"positive_data_acceptance": {"expected-statuses": statuses}}
    borders = {"coverage": {"enabled": False}}
    operations = ({"include-name": CREATE, "checks": taken, "phases": borders},)
    headers = {"Authorization": f"Bearer {key}"}
    seen = run(schema_of(app, headers, 60, KeyMode.TEST, operations, (CREATE,)))
    assert seen.failures == []
    assert seen.answers[CREATE, 200] > 1
    assert seen.answers[CREATE, 400] > 1
    assert asyncio.run(run_in(settings, conninfo, discrepancies)) == []


@pytest.mark.usefixtures("hurried")
def test_what_an_exact_description_does_not_allow_is_refused(settings: Settings, conninfo: str):
    key = made_key(settings, conninfo)
    app = create_app(build_runtime(settings, conninfo, patience_s=5))
    operations = tuple(
        {"include-name": name, "checks": {**ANY_ANSWER, **REJECTING}} for name in EXACT
    )
    headers = {"Authorization": f"Bearer {key}"}
    seen = run(schema_of(app, headers, 10, operations=operations, names=EXACT))
    assert seen.failures == []


def test_no_answer_without_a_key_is_undocumented_or_lets_anybody_in(
    settings: Settings, conninfo: str
):
    app = create_app(build_runtime(settings, conninfo, patience_s=5))
    seen = fuzz(app, {}, examples=5)
    assert seen.failures == []
    guarded = [route for route in app.state.declared if route.scopes and route.operation.described]
    assert len(guarded) >= 10
    for route in guarded:
        assert seen.statuses(f"{route.method} {route.path}") == {401}
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("select count(*) from task").fetchone() == (0,)
