"""What each tool needs besides the door's own scope, and what it does, without loading the SDK."""

from collections.abc import Mapping

DOOR = "tasks:read"

NEEDS: Mapping[str, tuple[str, ...]] = {
    "list_models": (),
    "get_model": (),
    "estimate": ("tasks:write",),
    "generate": ("tasks:write",),
    "get_task": (),
    "wait_for_task": (),
    "list_tasks": (),
    "cancel": ("tasks:write",),
    "credits": ("account:read",),
}
"""`generate` and `get_task` are looked at by the statements that create and find tasks."""


def told() -> str:
    """Say which tools there are, and what a key needs for each."""
    lines = []
    for tool, scopes in NEEDS.items():
        needed = " and ".join(f"`{scope}`" for scope in (DOOR, *scopes))
        lines.append(f"- `{tool}`: needs {needed}")
    return "\n".join(lines)
