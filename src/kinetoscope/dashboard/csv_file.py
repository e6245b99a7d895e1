"""Tables as CSV files, such that a spreadsheet takes nothing in them for a formula."""

import csv
import io
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

MEDIA_TYPE = "text/csv; charset=utf-8"


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Write rows; texts that begin like a formula get an apostrophe.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    written = io.StringIO()
    writer = csv.writer(written)
    for row in rows:
        writer.writerow([_harmless(value) for value in row])
    return written.getvalue()


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()


def attachment(name: str) -> dict[str, str]:
    """Return the headers that have a browser save an answer under a name of ours."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
