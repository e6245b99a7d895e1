"""Test keys, seen by a client: free on every model, scripted, and proof against our own restarts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PICTURE,
    VIDEO,
    Killed,
    ScriptedProvider,
    StatusStep,
    create,
    done_video,
    record,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Accepted, Job, Lost, Rehearsal
from kinetoscope.providers.rehearsal import FAILURES, SLOW_S, TIMEOUT_S, RehearsalProvider
from kinetoscope.tasks import request
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.follow import TIMED_OUT
from kinetoscope.tasks.request import Request
from kinetoscope.tasks.route import Route, Routes
from kinetoscope.tasks.tools import Tools

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tester(world: World) -> Person:
    """Nobody pays for tests, so an account without credits will do."""
    return await world.person("tester", "0", mode=KeyMode.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker's tools, and the renderer behind its rehearsals."""

    tools: Tools
    renderer: ScriptedProvider


def accepted(job: Job) -> Accepted:
    return Accepted(upstream_id=job.task_id)


def worker(
    world: World, *, renders: int = 0, statuses: Iterable[StatusStep] = (), lives: int = 1000
) -> Worker:
    """Start a worker that is killed after it has asked how things go `lives` times.

    Each question takes a second.
    """
    renderer = ScriptedProvider(submits=[accepted] * renders, statuses=statuses)
    provider = RehearsalProvider(renderer, world.clock)
    ask, left = provider.status, iter(range(lives))

    async def status(upstream_id: str, job: Job) -> Any:
        if next(left, None) is None:
            raise Killed
        world.clock.move(timedelta(seconds=1))
        return await ask(upstream_id, job)

    provider.status = status  # type: ignore[method-assign]
    tools = replace(tools_for(world), providers={provider.name: provider})
    return Worker(tools=tools, renderer=renderer)


async def create_with(world: World, person: Person, outcome: Rehearsal) -> TaskId:
    return await create(
        world, replace_headers(person, outcome), VIDEO
    )


def replace_headers(person: Person, outcome: Rehearsal) -> Person:
    """Return the same person, who now says how the next tasks shall go."""
    return Rehearsing(
        name=person.name,
        account_id=person.account_id,
        key=person.key,
        key_id=person.key_id,
        outcome=outcome,
    )
