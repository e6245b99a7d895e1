"""Watch: wait for a task to end, or follow what happens to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from kinetoscope.kernel.clock import Clock
from kinetoscope.kernel.errors import Forbidden, NotFound, TooManyWatching
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.postgres.listening import Listener
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.read import COLUMNS, Found, Record, as_record
from kinetoscope.tasks.task import Status

POLL_DELAY_S = 2.0
"""How often to look without having been woken."""

WATCHERS_MAX = 2000
WATCHERS_PER_ACCOUNT_MAX = 100

FOLLOWERS_MAX = 4
"""How many may follow a task by its address, which opens to whoever has it."""

POSITION_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A task as it stands, and how many are ahead of it while it waits (at most POSITION_MAX)."""

    record: Record
    position: int | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.record.status in {Status.SUCCESS, Status.FAIL}


@dataclass(slots=True, kw_only=True)
class Watch:
    """What watching needs; one for a process. It bounds how many requests wait at once."""

    database: Database
    listener: Listener
    clock: Clock
    watchers: dict[str, int] = field(default_factory=dict)
    is_closing: bool = False

    def close(self) -> None:
        """Let nobody wait any longer: this process is about to end, and would cut them off."""
        self.is_closing = True
        self.listener.wake_all()

    @contextmanager
    def place(self, account_id: AccountId) -> Iterator[None]:
        """Take one of the places for waiting requests; raises TooManyWatching."""
        with self._place_of(account_id, WATCHERS_PER_ACCOUNT_MAX):
            yield

    @contextmanager
    def followers_place(self, account_id: AccountId, task_id: TaskId) -> Iterator[None]:
        """Take one for somebody with a task's address; raises TooManyWatching.

        They have places apart, a few for each task, so that they take none of the owner's; of all
        an account's tasks they have as many as the account itself.
        """
        of_account = f"{account_id} "
        followers = (count for name, count in self.watchers.items() if name.startswith(of_account))
        if sum(followers) >= WATCHERS_PER_ACCOUNT_MAX:
            raise TooManyWatching
        with self._place_of(f"{of_account}{task_id}", FOLLOWERS_MAX):
            yield

    @contextmanager
    def _place_of(self, name: str, most: int) -> Iterator[None]:
        taken = self.watchers.get(name, 0)
        if taken >= most or sum(self.watchers.values()) >= WATCHERS_MAX:
            raise TooManyWatching
        self.watchers[name] = taken + 1
        try:
            yield
        finally:
            left = self.watchers[name] - 1
            if left:
                self.watchers[name] = left
            else:
                del self.watchers[name]


async def own(database: Database, account_id: AccountId, task_id: TaskId, now: datetime) -> Record:
    """Return a task to its owner; raises NotFound, or Forbidden for others' but samples."""
    values = await database.fetch_values(
        f"""
        select id, account_id = %(account_id)s, {COLUMNS}
        from task where id = %(id)s
        """,
        {"id": task_id, "account_id": account_id},
    )
    return shown(None if values is None else Found._make(values), task_id, now)


def shown(found: Found | None, task_id: TaskId, now: datetime) -> Record:
    """Return what was found of a task, if the asker may see it; raises as `own` does."""
    if found is None:
        raise NotFound("Task not found")
    if not found.is_own and not found.is_sample:
        raise Forbidden("Access denied")
    if found.is_gone(now):
        raise NotFound("Task not found")
    return as_record(found, task_id, now)


async def seen(database: Database, account_id: AccountId, task_id: TaskId, now: datetime) -> Seen:
    """Return a task as it stands, with its place in the queue; raises as `own` does."""
    record = await own(database, account_id, task_id, now)
    return Seen(record=record, position=await position(database, record))


async def until_ended(
    watch: Watch, account_id: AccountId, task_id: TaskId, timeout_s: float
) -> Record:
    """Return a task as soon as it has ended, or as it stands when the time is over."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    with watch.place(account_id), watch.listener.watching(task_id) as news:
        while True:
            news.clear()
            record = await own(watch.database, account_id, task_id, watch.clock())
            left_s = deadline_s - loop.time()
            if record.completed_at is not None or left_s <= 0 or watch.is_closing:
                return record
            await _wait(news, min(left_s, POLL_DELAY_S))


async def changes(
    watch: Watch,
    account_id: AccountId,
    task_id: TaskId,
    timeout_s: float,
    *,
    by_address: bool = False,
) -> AsyncIterator[Seen]:
    """Tell how a task stands, again whenever there may be news, until it ends or time is over.

    `by_address` where it is no key of the owner's that permits it.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    place = watch.followers_place(account_id, task_id) if by_address else watch.place(account_id)
    with place, watch.listener.watching(task_id) as news:
        while loop.time() < deadline_s and not watch.is_closing:
            news.clear()
            record = await own(watch.database, account_id, task_id, watch.clock())
            stands = Seen(record=record, position=await position(watch.database, record))
            yield stands
            if stands.has_ended:
                return
            await _wait(news, POLL_DELAY_S)


async def _wait(news: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await news.wait()
    except TimeoutError:
        pass


async def position(database: Database, record: Record) -> int | None:
    """Count the tasks that wait at the same provider and came earlier."""
    if record.status is not Status.WAITING:
        return None
    values = await database.fetch_values(
        """
        select count(*) from (
          select from task
          where status in ('waiting', 'generating') and status = 'waiting'
            and provider = (select provider from task where id = %(id)s)
            and created_at < %(created_at)s
          limit %(limit)s
        ) as ahead
        """,
        {"id": record.id, "created_at": record.created_at, "limit": POSITION_MAX},
    )
    return None if values is None else int(values[0])
