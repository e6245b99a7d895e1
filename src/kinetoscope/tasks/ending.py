"""Ending: why a task must not go on although nobody has finished it."""

from kinetoscope.tasks.task import CANCELLED, Failure, Task
from kinetoscope.tasks.tools import Tools

TIMED_OUT = Failure(code="500", message="Generation timed out. Please try again.")


def is_late(tools: Tools, task: Task) -> bool:
    """Whether a task has been open for too long."""
    return tools.clock() >= task.created_at + tools.task_deadline


def is_hopeless(tools: Tools, task: Task) -> bool:
    """Whether even a provider that could not be stopped has had all the time there is."""
    return tools.clock() >= task.created_at + 2 * tools.task_deadline


def stopped(tools: Tools, task: Task) -> Failure | None:
    """Return why a task should end, if so."""
    if is_late(tools, task):
        return TIMED_OUT
    return CANCELLED if tools.cancellations.includes(task) else None
