"""Tables as people read them, in Markdown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, column names, and rows of text; and what must not be, if it was seen."""

    heading: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    faults: tuple[str, ...] = ()

    def markdown(self) -> str:
        lines = [f"### {self.heading}", "", "| " + " | ".join(self.columns) + " |"]
        lines.append("|" + "---|" * len(self.columns))
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"
