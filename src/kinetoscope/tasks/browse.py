"""Browse: an account's tasks as its people look through them, with prompts and names of keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, KeyId, TaskId
from kinetoscope.kernel.order import MediaKind
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.listing import Place, Wanted
from kinetoscope.tasks.read import SHOWN
from kinetoscope.tasks.task import StoredOutput, stored_output

PROMPT_LETTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought(Wanted):
    """Which tasks people look for: besides, words of the prompt, the beginning of an id, a kind.

    Where `kind` or `has_media` is given, only tasks that made media are meant.
    """

    text: str | None = None
    id_start: str | None = None
    kind: MediaKind | None = None
    has_media: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A task in a list. `prompt` is its beginning."""

    id: TaskId
    model: str
    status: str
    price: Credits
    progress: int | None
    preview: bool
    is_test: bool
    prompt: str
    key_name: str
    is_studio: bool
    output: list[dict[str, Any]] | None
    error_code: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    completed_at: datetime | None
    media_expires_at: datetime | None

    @property
    def outputs(self) -> tuple[StoredOutput, ...]:
        """What it made."""
        return tuple(stored_output(output) for output in self.output or ())

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet."""
        return self.completed_at is None

    def is_expired(self, now: datetime) -> bool:
        """Whether its media may be seen no more."""
        return self.media_expires_at is not None and self.media_expires_at <= now


COLUMNS = f"""
  task.id, task.model, task.status, task.price, task.progress, task.preview, task.is_test,
  left(coalesce(task.inputs ->> 'prompt', ''), {PROMPT_LETTERS}) as prompt,
  api_key.name as key_name, api_key.is_studio, task.output, task.error_code,
  task.cancel_requested_at, task.created_at, task.completed_at, task.media_expires_at
"""

PAGE = f"""
select {COLUMNS}
from task join api_key on api_key.id = task.key_id
where task.account_id = %(account_id)s and {SHOWN}
  and (%(statuses)s::text[] is null or task.status = any (%(statuses)s))
  and (%(model)s::text is null or task.model = %(model)s)
  and (%(key_id)s::text is null or task.key_id = %(key_id)s)
  and (%(is_test)s::boolean is null or task.is_test = %(is_test)s)
  and (%(created_from)s::timestamptz is null or task.created_at >= %(created_from)s)
  and (%(created_before)s::timestamptz is null or task.created_at < %(created_before)s)
  and (%(text)s::text is null
       or strpos(lower(task.inputs ->> 'prompt'), lower(%(text)s)) > 0
       or starts_with(task.id, %(id_start)s::text))
  and (not %(has_media)s or jsonb_array_length(task.output) > 0)
  and (%(kind)s::text is null
       or starts_with(task.output -> 0 ->> 'mediaType', %(kind)s || '/'))
  and (%(place_id)s::text is null
       or (task.created_at <= %(place_at)s
           and (task.created_at < %(place_at)s or task.id > %(place_id)s)))
order by task.created_at desc, task.id
limit %(limit)s
"""


async def page(
    database: Database,
    account_id: AccountId,
    sought: Sought,
    place: Place | None,
    limit: int,
    now: datetime,
) -> tuple[list[Line], Place | None]:
    """Return up to `limit` tasks, newest first, and the place behind them; None at the end."""
    statuses = sought.statuses
    lines = await database.fetch_all(
        Line,
        PAGE,
        {
            "account_id": account_id,
            "statuses": None if statuses is None else list(statuses),
            "model": sought.model,
            "key_id": sought.key_id,
            "is_test": sought.is_test,
            "created_from": sought.created_from,
            "created_before": sought.created_before,
            "text": sought.text,
            "id_start": sought.id_start,
            "kind": sought.kind,
            "has_media": sought.has_media,
            "place_at": None if place is None else place.created_at,
            "place_id": None if place is None else place.task_id,
            "limit": limit + 1,
            "now": now,
        },
    )
    if len(lines) <= limit:
        return lines, None
    last = lines[limit - 1]
    return lines[:limit], Place(created_at=last.created_at, task_id=last.id)


async def lines_of(
    database: Database, account_id: AccountId, task_ids: list[str], now: datetime
) -> list[Line]:
    """Return those of some tasks that are an account's own and still known."""
    return await database.fetch_all(
        Line,
        f"""
        select {COLUMNS}
        from task join api_key on api_key.id = task.key_id
        where task.id = any (%(ids)s) and task.account_id = %(account_id)s and {SHOWN}
        order by task.created_at desc, task.id
        """,
        {"ids": task_ids, "account_id": account_id, "now": now},
    )


async def has_any(
    database: Database, account_id: AccountId, now: datetime, *, with_media: bool = False
) -> bool:
    """Whether an account has tasks that are still known; or such as made media."""
    values = await database.fetch_values(
        f"""
        select true from task
        where account_id = %(account_id)s and {SHOWN}
          and (not %(with_media)s or jsonb_array_length(output) > 0)
        limit 1
        """,
        {"account_id": account_id, "with_media": with_media, "now": now},
    )
    return values is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyName:
    """A key that tasks may have been made with, deleted ones too."""

    id: KeyId
    name: str
    mode: str
    last_four: str
    is_studio: bool
    is_deleted: bool


async def keys_of(database: Database, account_id: AccountId) -> list[KeyName]:
    """Return all keys that an account ever had, for choosing one: the studio's first."""
    return await database.fetch_all(
        KeyName,
        """
        select id, name, mode, last_four, is_studio, deleted_at is not null as is_deleted
        from api_key where account_id = %(account_id)s and mode <> 'demo'
        order by is_studio desc, is_deleted, lower(name), created_at, id
        """,
        {"account_id": account_id},
    )
