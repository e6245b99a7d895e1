"""What upstreams call the state of a job, in one table: no adapter keeps words of its own.

Collected from the upstreams' pages; `docs/providers.md` lists them. A word that is not here means
that the job is still running: it is asked for again until its deadline, and the word is logged.
"""

from enum import StrEnum


class State(StrEnum):
    """What a word comes to."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    UNHEARD_OF = "unheard_of"


_WORDS = {
    State.WAITING: (
        "waiting queued queueing queuing in_queue pending starting created submitted throttled"
        " scheduled not_started accepted received"
    ),
    State.WORKING: (
        "working generating running processing in_progress started active rendering uploading"
        " finalizing progress"
    ),
    State.DONE: ("done success succeeded succeed completed complete finished ready ok"),
    State.FAILED: (
        "fail failed failure error errored canceled cancelled aborted expired rejected timeout"
        " timed_out moderated blocked content_moderated request_moderated interrupted"
        " generate_failed create_task_failed deleted"
    ),
}

_STATES = {word: state for state, words in _WORDS.items() for word in words.split()}


def state_of(word: str) -> State:
    """Say what an upstream's word for a job's state means."""
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    return _STATES.get(plain, State.UNHEARD_OF)
