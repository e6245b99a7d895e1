"""The operator's section: every page of it."""

from kinetoscope.dashboard.operator.account_changes import mount as mount_account_changes
from kinetoscope.dashboard.operator.accounts import mount as mount_accounts
from kinetoscope.dashboard.operator.audit import mount as mount_audit
from kinetoscope.dashboard.operator.models import mount as mount_models
from kinetoscope.dashboard.operator.overview import mount as mount_overview
from kinetoscope.dashboard.operator.people import mount as mount_people
from kinetoscope.dashboard.operator.providers import mount as mount_providers
from kinetoscope.dashboard.operator.tasks import mount as mount_tasks
from kinetoscope.dashboard.pages import Pages


def mount(pages: Pages) -> None:
    """Add /operator and what is below it; a page for anybody else has no place here."""
    mount_overview(pages)
    mount_accounts(pages)
    mount_account_changes(pages)
    mount_people(pages)
    mount_models(pages)
    mount_providers(pages)
    mount_tasks(pages)
    mount_audit(pages)
