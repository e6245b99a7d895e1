"""Where in a TOML file something stands: `tomllib` gives values, and their lines are lost.

Read once more, only to name the line of a mistake, and only what `tomllib` has accepted: so this
skips over values instead of checking them. https://toml.io/en/v1.0.0
"""

import re
import tomllib
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""Keys, and places in lists of tables: `("model", 0, "price", "unit")`.

The last may be several keys joined by dots, as they stand in messages.
"""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC_TEXT = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|"(?:[^"\\\n]|\\.)*"', re.DOTALL)
_LITERAL_TEXT = re.compile(r"'''.*?'{3,5}|'[^'\n]*'", re.DOTALL)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PLAIN = re.compile(r"[^,\]}\n#]+")


@dataclass(slots=True)
class Node:
    """A key and its line, with the keys below it and the items of its list."""

    line: int
    below: "dict[str | int, Node]" = field(default_factory=dict)


def line_at(text: str, path: KeyPath) -> int:
    """Return the line of what a path leads to, or else of the last table on the way to it.

    A key that a table does not have is looked for at the top too, where what all share stands.
    """
    try:
        root = _Scanner(text).scan()
    except (ValueError, RecursionError):
        return 1
    table, depth = _follow(root, path[:-1])
    if depth < len(path) - 1 or not path:
        return table.line
    found, found_depth = _follow_dotted(table, str(path[-1]))
    shared, shared_depth = _follow_dotted(root, str(path[-1]))
    return (shared if shared_depth > found_depth else found).line


def _follow(node: Node, path: KeyPath) -> tuple[Node, int]:
    for depth, step in enumerate(path):
        if step not in node.below:
            return node, depth
        node = node.below[step]
    return node, len(path)


def _follow_dotted(node: Node, words: str) -> tuple[Node, int]:
    """Follow keys joined by dots; keys may hold dots themselves, and the longest goes first."""
    depth, rest = 0, f"{words}."
    while rest:
        fitting = [key for key in node.below if rest.startswith(f"{key}.")]
        if not fitting:
            break
        step = max(fitting, key=lambda key: len(str(key)))
        node, rest, depth = node.below[step], rest[len(str(step)) + 1 :], depth + 1
    return node, depth


class _Scanner:
    """Goes through a text once and notes where each key begins."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.position = 0
        self.line = 1

    def scan(self) -> Node:
        root = table = Node(1)
        while character := self._next():
            if character == "[":
                table = self._header(root)
            else:
                self._pair(table)
        return root

    def _header(self, root: Node) -> Node:
        line, is_list = self.line, self.text.startswith("[[", self.position)
        self.position += 2 if is_list else 1
        keys = self._keys()
        self.position += 2 if is_list else 1
        node = root
        for key in keys[:-1]:
            node = _last_item(node.below.setdefault(key, Node(line)))
        place = node.below.setdefault(keys[-1], Node(line))
        if is_list:
            item = place.below[len(place.below)] = Node(line)
            return item
        place.line = line  # it may have been there before, as part of another's name
        return place

    def _pair(self, table: Node) -> None:
        line, node = self.line, table
        for key in self._keys():
            node = node.below.setdefault(key, Node(line))
        self._next()
        self.position += 1  # =
        self._value(node)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            keys.append(self._key())
            if self._next() != ".":
                return keys
            self.position += 1

    def _key(self) -> str:
        if self._next() in {'"', "'"}:
            quoted = self._text()
            return str(tomllib.loads(f"key = {quoted}")["key"])
        return self._skip(_BARE_KEY)[0]

    def _value(self, node: Node) -> None:
        match self._next():
            case '"' | "'":
                self._text()
            case "[":
                self._list(node)
            case "{":
                self._inline_table(node)
            case _:
                self._skip(_PLAIN)

    def _list(self, node: Node) -> None:
        self.position += 1
        while self._next() != "]":
            item = node.below[len(node.below)] = Node(self.line)
            self._value(item)
            self._comma()
        self.position += 1

    def _inline_table(self, node: Node) -> None:
        self.position += 1
        while self._next() != "}":
            self._pair(node)
            self._comma()
        self.position += 1

    def _comma(self) -> None:
        if self._next() == ",":
            self.position += 1

    def _text(self) -> str:
        return self._skip(_BASIC_TEXT if self._next() == '"' else _LITERAL_TEXT)[0]

    def _next(self) -> str:
        """Go past what means nothing and return what comes then; nothing at the end."""
        self._skip(_BLANK)
        return self.text[self.position : self.position + 1]

    def _skip(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise ValueError("this is not TOML")
        self.position = match.end()
        self.line += match[0].count("\n")
        return match


def _last_item(node: Node) -> Node:
    """Return where a table below a list of tables belongs: to its last one."""
    items = [key for key in node.below if isinstance(key, int)]
    return node.below[max(items)] if items else node
