"""The operator's section: every page of it."""

from kinetoscope.dashboard.operator import (
    account_changes,
    accounts,
    audit,
    models,
    overview,
    people,
    providers,
    tasks,
)
from kinetoscope.dashboard.pages import Pages


def mount(pages: Pages) -> None:
    """Add /operator and what is below it; a page for anybody else has no place here."""
    for part in (overview, accounts, account_changes, people, models, providers, tasks, audit):
        part.mount(pages)
