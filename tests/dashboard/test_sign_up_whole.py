"""A sign-up is whole or nothing, also where the database's answer to it is lost."""

import pytest
from tests.api.test_database_away import linked
from tests.conftest import World
from tests.dashboard.signed_in import join, signed_in
from tests.dashboard.test_forgotten import browser
from tests.dashboard.test_members import NEW, invited, token_of

from kinetoscope.accounts import audit, invitations, members
from kinetoscope.accounts.audit import OPERATOR
from kinetoscope.accounts.people import SignUp
from kinetoscope.kernel.credits import Credits
from kinetoscope.ledger import book

pytestmark = pytest.mark.anyio

FORM = {"name": "Ada", "email": "ada@example.com", "password": "a long enough secret"}


async def test_without_its_grant_there_is_no_sign_up(world: World, monkeypatch: pytest.MonkeyPatch):
    async def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(book, "grant_within", breaks)
        async with browser(world) as client:
            assert (await client.post("/sign-up", data=FORM)).status_code == 500
    for table in ("person", "account", "ledger_entry", "audit_entry"):
        assert await world.count(table) == 0, table
    async with browser(world) as client:
        assert (await client.post("/sign-up", data=FORM)).status_code == 303
    assert await world.count("ledger_entry") == 1


async def test_a_sign_up_whose_commit_was_lost_is_made_once(world: World):
    async with linked(world) as (far, link):
        link.swallow("COMMIT")
        async with browser(far) as client:
            assert (await client.post("/sign-up", data=FORM)).status_code == 303
        assert link.swallowed == 1
    grant = world.runtime.settings.sign_up_grant
    async with world.runtime.database.connection() as connection:
        rows = await (await connection.execute("select available from account")).fetchall()
    assert rows == [(grant,)]
    assert grant > Credits(0)
    assert await world.count("audit_entry where action = 'person.sign_up'") == 1
    assert await audit.first_broken(world.runtime.database) is None


async def test_what_was_noted_opened_or_accepted_before_its_answer_was_lost_is_so_once(
    world: World,
):
    now = world.clock()
    async with (
        signed_in(world, "ada") as ada,
        signed_in(world, "ben") as ben,
        linked(world) as (far, link),
    ):
        database = far.runtime.database
        link.swallow("COMMIT")
        await audit.note(database, OPERATOR, "test.note", "x", now)
        assert await world.count("audit_entry where action = 'test.note'") == 1

        link.swallow("COMMIT")
        opened = await members.open_another(database, ada.person_id, "Night Shift", now)
        assert await world.count(f"account where id = '{opened}'") == 1
        assert await world.count("account where title = 'Night Shift'") == 1

        token = token_of(await invited(ada))
        link.swallow("COMMIT")
        assert await invitations.accept(database, token, ben.person_id, now) == ada.account_id

        token = token_of(await invited(ada))
        asked = SignUp(email=NEW["email"], name="Nia", password_hash="x", client_ip=None)
        link.swallow("COMMIT")
        joined = await invitations.sign_up(database, token, asked, now)
        assert joined.account_id == ada.account_id
        assert link.swallowed == 4
    everybody = await members.listing(world.runtime.database, ada.account_id)
    names = sorted(each.email.partition("@")[0] for each in everybody)
    assert names == ["ada", "ben", "nia"]


@pytest.mark.parametrize("what", ["disabled", "demoted", "removed"])
async def test_who_cannot_invite_any_more_has_not_invited(world: World, what: str):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await join(world, ben.person_id, ada.account_id, "owner")
        path = await invited(ada)
        if what == "disabled":
            query = "update person set disabled_at = now() where id = %(id)s"
            await database.execute(query, {"id": ada.person_id})
        elif what == "demoted":
            await members.set_role(database, ada.account_id, ada.person_id, "member")
            await members.set_role(database, ada.account_id, ada.person_id, "owner")
        else:
            await members.remove(database, ada.account_id, ada.person_id)
            await join(world, ada.person_id, ada.account_id, "owner")
        async with browser(world) as nia:
            assert (await nia.get(path)).status_code == 404
        with pytest.raises(Exception, match="used or withdrawn"):
            await invitations.accept(database, token_of(path), ben.person_id, world.clock())
