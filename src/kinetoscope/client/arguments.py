"""What arguments of the clients become on their way to the steps."""

from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path

from kinetoscope.client.errors import Misconfigured
from kinetoscope.client.values import EPOCH

MILLISECOND = timedelta(milliseconds=1)


def query_of(**filters: str | datetime | None) -> dict[str, str]:
    """Return a query's text; moments become Unix milliseconds. Raises ValueError for naive ones."""
    query: dict[str, str] = {}
    for name, value in filters.items():
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{value} has no time zone")
            query[name] = str((value - EPOCH) // MILLISECOND)
        elif value is not None:
            query[name] = value
    return query


def uploadable(file: str | PathLike[str] | bytes, name: str | None) -> tuple[Path | bytes, str]:
    """Return a file and its name; raises Misconfigured for bytes without one."""
    if isinstance(file, bytes):
        if name is None:
            raise Misconfigured("Bytes need a name whose ending says what they are: cat.png")
        return file, name
    path = Path(file)
    return path, name or path.name
