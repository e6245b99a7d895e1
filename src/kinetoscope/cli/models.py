"""`kinetoscope models`: what can be asked for, and what it costs."""

from rich.console import Console
from rich.table import Table

from kinetoscope.catalog import price
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.credits import format_credits


def models() -> None:
    """Show all models and their prices."""
    table = Table("model", "kind", "price in credits")
    for model in builtin().models:
        rows = [
            f"{' '.join(row.words)} {format_credits(row.price)} {row.unit}".strip()
            for row in price.price_table(model)
        ]
        table.add_row(model.id, model.kind, "\n".join(rows))
    Console().print(table)
