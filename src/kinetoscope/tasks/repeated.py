"""Repeated: what an earlier request made that a client says it is sending again.

For clients that count their tries and give requests no name of their own. An Idempotency-Key is
better, wherever a client can send one.
"""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.ids import KeyId, TaskId
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A task that an equal request made."""

    id: TaskId


async def latest(database: Database, key_id: KeyId, said: str, since: datetime) -> TaskId | None:
    """Return the latest task that a key asked for in the same words, a hash; None without one.

    The words are those that a dialect has put into its details, as `said`.
    """
    found = await database.fetch_one(
        Made,
        """
        select id from task
        where key_id = %(key_id)s and created_at >= %(since)s and data_deleted_at is null
          and dialect_details->>'said' = %(said)s
        order by created_at desc, id
        limit 1
        """,
        {"key_id": key_id, "since": since, "said": said},
    )
    return None if found is None else found.id
