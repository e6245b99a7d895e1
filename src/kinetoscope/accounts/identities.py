"""Identities: which person an issuer's subject is. The subject counts, never the e-mail address."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.accounts import people, ways
from kinetoscope.accounts.oidc import Proven
from kinetoscope.accounts.people import Also, PersonId, SignedUp, SignUp
from kinetoscope.kernel.errors import Conflict, NotFound
from kinetoscope.kernel.ids import random_base36
from kinetoscope.postgres.pool import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A link between a person and who they are at an issuer."""

    id: str
    issuer: str
    person_id: PersonId
    email: str
    created_at: datetime
    used_at: datetime


COLUMNS = "id, issuer, person_id, email, created_at, used_at"


async def used(database: Database, who: Proven, now: datetime) -> Identity | None:
    """Return the link of a subject, noting that it was used, or None where there is none."""
    return await database.fetch_one(
        Identity,
        f"""
        update identity set used_at = %(now)s
        where issuer = %(issuer)s and subject = %(subject)s
        returning {COLUMNS}
        """,
        {"issuer": who.issuer, "subject": who.subject, "now": now},
    )


async def listing(database: Database, person_id: PersonId) -> list[Identity]:
    """Return a person's links, oldest first."""
    return await database.fetch_all(
        Identity,
        f"select {COLUMNS} from identity where person_id = %(person_id)s order by created_at, id",
        {"person_id": person_id},
    )


async def link(
    database: Database, person_id: PersonId, who: Proven, email: str, now: datetime
) -> None:
    """Let a subject sign a person in; raises Conflict where it signs in somebody else."""

    async def steps(connection: Connection) -> None:
        await _link_within(connection, person_id, who, email, now)

    await database.transact(steps)


async def sign_up(
    database: Database,
    asked: SignUp,
    who: Proven,
    now: datetime,
    per_hour: int,
    also: Also = people.nothing_else,
) -> SignedUp:
    """Make a person whom this subject signs in; raises Conflict or RateLimited."""

    async def steps(connection: Connection) -> SignedUp:
        made = await people.sign_up_within(connection, asked, now, per_hour)
        await _link_within(connection, made.person_id, who, asked.email, now)
        await also(connection, made)
        return made

    return await database.transact_once(steps)


async def unlink(database: Database, person_id: PersonId, identity_id: str) -> None:
    """Let a subject sign a person in no longer.

    Raises NotFound for what is not theirs, Conflict for their only way in.
    """

    async def steps(connection: Connection) -> None:
        await ways.hold(connection, person_id)
        ended = await connection.execute(
            "delete from identity where id = %s and person_id = %s", (identity_id, person_id)
        )
        if ended.rowcount != 1:
            raise NotFound("There is no such link")
        await ways.require_left(connection, person_id)

    await database.transact_once(steps)


async def _link_within(
    connection: Connection, person_id: PersonId, who: Proven, email: str, now: datetime
) -> None:
    linked = await (
        await connection.execute(
            """
            insert into identity (issuer, subject, id, person_id, email, created_at, used_at)
            values (%(issuer)s, %(subject)s, %(id)s, %(person_id)s, %(email)s, %(now)s, %(now)s)
            on conflict (issuer, subject) do update set used_at = excluded.used_at
            where identity.person_id = excluded.person_id
            returning id
            """,
            {
                "issuer": who.issuer,
                "subject": who.subject,
                "id": "identity_" + random_base36(16),
                "person_id": person_id,
                "email": email,
                "now": now,
            },
        )
    ).fetchone()
    if linked is None:
        raise Conflict("That sign-in belongs to somebody else here already")
