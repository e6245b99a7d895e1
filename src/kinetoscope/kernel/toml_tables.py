"""Strict reading of TOML: every key is asked for by name, and what is left over is an error."""

from collections.abc import Iterable

from kinetoscope.kernel.credits import Credits, format_credits, parse_credits
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.toml_lines import KeyPath

PRICE_MAX = Credits(100_000_000_00)
"""Per second, image or task: so that no product of prices is more than can be counted."""


class DeclarationInvalid(KinetoscopeError):
    """A declaration cannot be used; names the file and the key.

    `path` leads to it. A file that is no TOML at all has a `line` instead.
    """

    def __init__(
        self, file: str, key: str, reason: str, *, path: KeyPath = (), line: int | None = None
    ) -> None:
        super().__init__(f"{file}: {key}: {reason}")
        self.file = file
        self.key = key
        self.reason = reason
        self.path = path
        self.line = line


class Table:
    """One TOML table that knows where it stands, and which of its keys nobody has asked for yet."""

    def __init__(self, file: str, key: str, content: dict[str, object], path: KeyPath = ()) -> None:
        self.file = file
        self.key = key
        self.path = path
        self._content = content
        self._unread = set(content)

    def invalid(self, key: str, reason: str) -> DeclarationInvalid:
        """Return the error that names `key` of this table."""
        return DeclarationInvalid(self.file, self._name(key), reason, path=(*self.path, key))

    def names(self) -> Iterable[str]:
        """Return every key, in the order of the file."""
        return tuple(self._content)

    def has(self, key: str) -> bool:
        """Return whether the key is there."""
        return key in self._content

    def is_list(self, key: str) -> bool:
        """Return whether the key holds a list."""
        return isinstance(self._content.get(key), list)

    def is_table(self, key: str) -> bool:
        """Return whether the key holds a table."""
        return isinstance(self._content.get(key), dict)

    def done(self) -> None:
        """Refuse the table if it has a key nobody asked for: most likely a typing error."""
        for key in self._content:
            if key in self._unread:
                raise self.invalid(key, "unknown key")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._value(key, default)
        if isinstance(value, str) and (value.strip() or value == default):
            return value
        raise self.invalid(key, "must be a text that is not empty")

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number that a database can hold (64 bits)."""
        value = self._value(key, default)
        if type(value) is int and -(2**63) <= value < 2**63:
            return value
        raise self.invalid(key, "must be a whole number of at most 64 bits")

    def positive(self, key: str, default: int | None = None) -> int:
        """Return a whole number of at least 1."""
        value = self.integer(key, default)
        if value < 1:
            raise self.invalid(key, "must be at least 1")
        return value

    def boolean(self, key: str, *, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if isinstance(value, bool):
            return value
        raise self.invalid(key, "must be true or false")

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of different texts, not empty unless the default is."""
        value = self._value(key, default)
        items = tuple(value) if isinstance(value, (list, tuple)) else ()
        texts = tuple(item for item in items if isinstance(item, str) and item)
        if len(set(texts)) == len(items) and (items or default == ()):
            return texts
        raise self.invalid(key, "must be a list of different texts")

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of numbers that is not empty."""
        value = self._value(key, None)
        items = value if isinstance(value, list) else []
        numbers = tuple(item for item in items if type(item) in {int, float})
        if items and len(numbers) == len(items):
            return numbers
        raise self.invalid(key, "must be a list of numbers")

    def price(self, key: str) -> Credits:
        """Return an amount above zero, written as a text such as `"2.17"`: no float touches it."""
        value = self._value(key, None)
        if not isinstance(value, str):
            raise self.invalid(key, 'must be a number of credits as a text, such as "2.17"')
        try:
            amount = parse_credits(value)
        except ValueError as error:
            raise self.invalid(key, str(error)) from None
        if not 0 < amount <= PRICE_MAX:
            raise self.invalid(key, f"must be above zero and at most {format_credits(PRICE_MAX)}")
        return amount

    def table(self, key: str) -> "Table":
        """Return the table under `key`; an absent one is empty."""
        value = self._value(key, {})
        if isinstance(value, dict):
            return Table(self.file, self._name(key), value, (*self.path, key))
        raise self.invalid(key, "must be a table")

    def tables(self, key: str, label: str = "id") -> tuple["Table", ...]:
        """Return the list of tables under `key`, each known by its `label` in errors."""
        value = self._value(key, None)
        items = value if isinstance(value, list) else []
        if not items or not all(isinstance(item, dict) for item in items):
            raise self.invalid(key, "must be a list of tables")
        return tuple(
            Table(
                self.file,
                f"{self._name(key)}[{item.get(label, '?')}]",
                item,
                (*self.path, key, place),
            )
            for place, item in enumerate(items)
        )

    def size(self, key: str) -> tuple[int, int]:
        """Return a width and a height in pixels."""
        value = self._value(key, None)
        items = value if isinstance(value, list) else []
        match items:
            case [int(width), int(height)] if width > 0 and height > 0:
                return width, height
        raise self.invalid(key, "must be [width, height]")

    def content(self) -> dict[str, object]:
        """Return everything as it stands, for tables whose keys are free."""
        self._unread.clear()
        return self._content

    def _name(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key

    def _value(self, key: str, default: object) -> object:
        self._unread.discard(key)
        value = self._content.get(key, default)
        if value is None:
            raise self.invalid(key, "is missing")
        return value
