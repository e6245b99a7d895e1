"""Rehearsal: how a test key says that its task is to fail, or to take its time."""

from kinetoscope.kernel.errors import InputIssue, InvalidRequest
from kinetoscope.providers.contract import Rehearsal

HEADER = "X-Test-Outcome"

PROMPT_PREFIX = "test:"


def asked(prompt: str, header: str | None, *, is_test: bool) -> Rehearsal | None:
    """Return how a task is to go; None for as well as it can.

    A test key says so in a header, or by a prompt that begins with `test:` and one of the words. A
    prompt that begins with anything else is a prompt. Raises InvalidRequest for a header with
    another word, or on a request with a live key.
    """
    if header is not None:
        if not is_test:
            raise _invalid("Only test keys may say how a task ends")
        try:
            return Rehearsal(header.strip())
        except ValueError:
            raise _invalid(f"Expected one of {', '.join(Rehearsal)}") from None
    if is_test and prompt.startswith(PROMPT_PREFIX):
        words = prompt.removeprefix(PROMPT_PREFIX).split(maxsplit=1)
        if words and words[0] in set(Rehearsal):
            return Rehearsal(words[0])
    return None


def _invalid(message: str) -> InvalidRequest:
    issue = InputIssue("invalid_value", message, (HEADER,))
    return InvalidRequest("Invalid request parameters", (issue,))
