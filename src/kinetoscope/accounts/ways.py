"""Ways in: nobody takes away the last one that they have."""

from kinetoscope.accounts.people import PersonId
from kinetoscope.kernel.errors import Conflict
from kinetoscope.postgres.pool import Connection


async def hold(connection: Connection, person_id: PersonId) -> None:
    """Have whoever takes a way in of the same person wait. Part of a transaction."""
    await connection.execute("select from person where id = %s for no key update", (person_id,))


async def require_left(connection: Connection, person_id: PersonId) -> None:
    """Refuse to have taken away somebody's only way in; raises Conflict. Part of a transaction."""
    left = await connection.execute(
        """
        select from person
        where id = %(id)s
          and (password_hash is not null
               or exists (select from passkey where person_id = %(id)s)
               or exists (select from identity where person_id = %(id)s))
        """,
        {"id": person_id},
    )
    if left.rowcount != 1:
        raise Conflict("This is your only way to sign in. Set a password first.")
