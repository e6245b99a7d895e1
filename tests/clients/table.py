"""The table of docs/clients.md, made of the matrix: `python -m tests.clients.table` writes it."""

from pathlib import Path

from tests.clients.sdks import SDKS, Sdk
from tests.clients.stories import STORIES

PATH = Path(__file__).parent.parent.parent / "docs" / "clients.md"

HEAD = """# Clients that work unmodified

Each of these is tried in every test run, as its makers publish it, against a server with two
processes behind TLS: each cell is a test. How to point a client at your server is told in
[migrating](migrating.md).
"""

TAIL = """
Every task is the same task to all of them: the tests create one with OpenAI's client, read it with
each of the others, and find it once in the list and once in the ledger. Its id is the same
everywhere.

| story | what is looked at |
|---|---|
"""


def text() -> str:
    """Return the document."""
    stories = list(STORIES)
    lines = [HEAD, "| client | " + " | ".join(stories) + " |"]
    lines.append("|---" * (len(stories) + 1) + "|")
    reasons: list[str] = []
    for sdk in SDKS:
        cells = [_cell(sdk, story, reasons) for story in stories]
        lines.append(f"| {sdk.title} | " + " | ".join(cells) + " |")
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    told = [
        f"| {name} | {(story.__doc__ or '').strip().splitlines()[0]} |"
        for name, story in STORIES.items()
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(notes) + "\n" + TAIL + "\n".join(told) + "\n"


def _cell(sdk: Sdk, story: str, reasons: list[str]) -> str:
    """Return what a cell says; its reason, if it has one, goes below the table."""
    word = "no" if story in sdk.cannot else "✓"
    reason = sdk.cannot.get(story) or sdk.notes.get(story)
    if reason is None:
        return word
    if reason not in reasons:
        reasons.append(reason)
    return f"{word} ({reasons.index(reason) + 1})"


if __name__ == "__main__":
    PATH.write_text(text())
