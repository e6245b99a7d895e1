"""Where there is something to go to: the sidebar, the palette and the keys for it."""

from dataclasses import dataclass

from kinetoscope.accounts.sessions import Visitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page to go to. After `g`, the letter of its `key` leads there."""

    path: str
    title: str
    icon: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pages that belong together."""

    title: str
    places: tuple[Place, ...]


MAKE = Group(
    title="Make",
    places=(
        Place(path="/studio", title="Studio", icon="clapperboard", key="s"),
        Place(path="/tasks", title="Tasks", icon="list-checks", key="t"),
        Place(path="/gallery", title="Gallery", icon="images", key="g"),
    ),
)
ACCOUNT = Group(
    title="Account",
    places=(
        Place(path="/keys", title="API Keys", icon="key-round", key="k"),
        Place(path="/usage", title="Usage", icon="chart-column", key="u"),
        Place(path="/billing", title="Billing", icon="wallet", key="b"),
        Place(path="/webhooks", title="Webhooks", icon="webhook", key="w"),
        Place(path="/limits", title="Limits", icon="gauge", key="l"),
        Place(path="/members", title="Members", icon="users", key="m"),
    ),
)
LEARN = Group(
    title="Learn",
    places=(
        Place(path="/docs", title="Docs", icon="book-open", key="d"),
        Place(path="/models", title="Models", icon="blocks", key="o"),
        Place(path="/reference", title="API reference", icon="braces", key="r"),
        Place(path="/demo", title="Live demo", icon="circle-play", key="e"),
    ),
)
OPERATE = Group(
    title="Operate",
    places=(
        Place(path="/operator", title="Overview", icon="activity", key="p"),
        Place(path="/operator/accounts", title="Accounts", icon="building-2"),
        Place(path="/operator/people", title="People", icon="contact-round"),
        Place(path="/operator/tasks", title="All tasks", icon="list-tree"),
        Place(path="/operator/models", title="Models and prices", icon="tags"),
        Place(path="/operator/providers", title="Providers", icon="plug"),
        Place(path="/operator/audit", title="Audit log", icon="scroll-text"),
    ),
)


def groups(visitor: Visitor | None) -> tuple[Group, ...]:
    """Return what somebody may go to."""
    if visitor is None:
        return (LEARN,)
    return (MAKE, ACCOUNT, LEARN, OPERATE) if visitor.is_operator else (MAKE, ACCOUNT, LEARN)
