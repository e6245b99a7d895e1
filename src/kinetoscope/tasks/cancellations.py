"""Which tasks somebody wants ended: what a worker's steps ask while they follow a provider."""

from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks import store
from kinetoscope.tasks.task import Task
from kinetoscope.tasks.wakes import Wakes

REFRESH_DELAY_S = 1.0


class Cancellations:
    """The tasks that somebody wants ended, as this worker last heard."""

    def __init__(self, database: Database, wakes: Wakes) -> None:
        self.database = database
        self.wakes = wakes
        self.wanted: set[TaskId] = set()

    def includes(self, task: Task) -> bool:
        """Whether somebody wants a task ended."""
        return task.cancel_requested_at is not None or task.id in self.wanted

    async def refresh(self) -> None:
        """Ask again, and wake those whom it concerns."""
        before, self.wanted = self.wanted, await store.cancel_requests(self.database)
        for task_id in self.wanted - before:
            self.wakes.wake(task_id)
