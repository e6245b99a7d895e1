"""Members, invitations and accounts: who may do what, and what happens when two do it at once."""

import asyncio
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.conftest import World
from tests.dashboard.signed_in import OURS, SignedIn, client_of, join, signed_in

from kinetoscope.accounts import accounts, audit, members, passwords, people, sessions
from kinetoscope.accounts.people import PersonId
from kinetoscope.kernel.errors import Conflict
from kinetoscope.kernel.ids import AccountId

pytestmark = pytest.mark.anyio

LINK = re.compile(r"http://kinetoscope\.test(/invitation\?token=[A-Za-z0-9_-]{43})")

NEW = {"name": "Nia", "email": "nia@example.com", "password": "a long enough secret"}


async def invited(person: SignedIn, role: str = "member") -> str:
    """Invite somebody and return their link's path."""
    data = {"email": "nia@example.com", "role": role}
    response = await person.client.post("/members/invite", data=data)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    return str(LINK.findall(response.text)[0])


def token_of(path: str) -> str:
    return parse_qs(urlsplit(path).query)["token"][0]


def stranger(world: World) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    headers = OURS | {"Accept": "text/html"}
    return httpx.AsyncClient(
        transport=transport, base_url="http://kinetoscope.test", headers=headers
    )


async def roles(world: World, account_id: AccountId) -> dict[str, str]:
    found = await members.listing(world.runtime.database, account_id)
    return {member.email.partition("@")[0]: member.role for member in found}


async def test_an_invitation_lets_somebody_new_in_once(world: World):
    async with signed_in(world, "ada") as ada, stranger(world) as nia:
        path = await invited(ada)
        page = await nia.get(path)
        assert "Ada invites you as a member" in page.text
        assert "nia@example.com" in page.text
        assert token_of(path) not in (await ada.client.get("/members")).text
        response = await nia.post("/invitation/sign-up", data=NEW | {"token": token_of(path)})
        assert response.status_code == 303
        assert "ada@example.com" in (await nia.get("/members")).text
        assert await roles(world, ada.account_id) == {"ada": "owner", "nia": "member"}
        person = await people.by_email(world.runtime.database, "nia@example.com")
        assert person is not None
        own = await people.memberships(world.runtime.database, person.id)
        assert [one.account_id for one in own] == [ada.account_id]
        # Nobody was granted anything, and no account was opened.
        assert await world.count("ledger_entry") == 1
        found = await accounts.everyone(world.runtime.database)
        assert [one.name for one in found if "@" in one.name] == ["ada@example.com"]
        async with stranger(world) as late:
            assert (await late.get(path)).status_code == 404
            data = NEW | {"token": token_of(path), "email": "late@example.com"}
            assert (await late.post("/invitation/sign-up", data=data)).status_code == 404
        assert await people.by_email(world.runtime.database, "late@example.com") is None


async def test_two_who_use_one_invitation_at_once(world: World):
    async with signed_in(world, "ada") as ada:
        token = token_of(await invited(ada))

        async def come(number: int) -> int:
            data = NEW | {"token": token, "email": f"n{number}@example.com"}
            async with stranger(world) as client:
                return (await client.post("/invitation/sign-up", data=data)).status_code

        assert sorted(await asyncio.gather(*map(come, range(4)))) == [303, 404, 404, 404]
        assert len(await roles(world, ada.account_id)) == 2
        assert await world.count("person where email like 'n%'") == 1


async def test_who_is_signed_in_joins_with_a_button(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        path = await invited(ada, "owner")
        assert "Join as ben@example.com" in (await ben.client.get(path)).text
        response = await ben.client.post("/invitation", data={"token": token_of(path)})
        assert response.status_code == 303
        assert await roles(world, ada.account_id) == {"ada": "owner", "ben": "owner"}
        assert "ada@example.com" in (await ben.client.get("/members")).text
        # A further one does nothing for somebody who belongs already, and stays open.
        other = await invited(ada)
        assert "already" in (await ben.client.get(other)).text
        await ben.client.post("/invitation", data={"token": token_of(other)})
        assert (await roles(world, ada.account_id))["ben"] == "owner"
        async with stranger(world) as nia:
            assert (await nia.get(other)).status_code == 200


async def test_who_belongs_nowhere_joins_with_their_password(world: World):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await people.set_password(
            database, ben.person_id, await passwords.hashed(NEW["password"]), world.clock()
        )
        await join(world, ada.person_id, ben.account_id, "owner")
        assert (
            await ada.client.post("/accounts/switch", data={"account": ben.account_id})
        ).status_code == 303
        await ada.client.post("/members/remove", data={"person": ben.person_id})
        assert (await ben.client.get("/members")).status_code == 303
        await ada.client.post("/accounts/switch", data={"account": ada.account_id})
        token = token_of(await invited(ada))
        async with stranger(world) as client:
            data = {"token": token, "email": ben.email, "password": "something else"}
            wrong = await client.post("/invitation/sign-in", data=data)
            assert wrong.status_code == 422
            assert "is not right" in wrong.text
            data["password"] = NEW["password"]
            assert (await client.post("/invitation/sign-in", data=data)).status_code == 303
            assert (await client.get("/members")).status_code == 200
        assert await roles(world, ada.account_id) == {"ada": "owner", "ben": "member"}


async def test_a_taken_address_keeps_the_invitation_and_what_was_typed(world: World):
    async with signed_in(world, "ada") as ada, stranger(world) as nia:
        token = token_of(await invited(ada))
        data = NEW | {"token": token, "email": "ADA@example.com"}
        response = await nia.post("/invitation/sign-up", data=data)
        assert response.status_code == 409
        assert 'value="Nia"' in response.text
        assert (await nia.post("/invitation/sign-up", data=NEW | {"token": token})).is_redirect


@pytest.mark.parametrize("what", ["withdrawn", "late", "no longer an owner"])
async def test_an_invitation_that_is_no_longer_good(world: World, what: str):
    async with signed_in(world, "ada") as ada, stranger(world) as nia:
        path = await invited(ada)
        if what == "withdrawn":
            page = (await ada.client.get("/members")).text
            shown = re.findall(r"invitation_[a-z0-9]{16}", page)
            await ada.client.post("/members/withdraw", data={"id": shown[0]})
        elif what == "late":
            world.clock.move(timedelta(days=7))
        else:
            await world.runtime.database.execute("update member set role = 'member'", {})
        assert (await nia.get(path)).status_code == 404
        data = NEW | {"token": token_of(path)}
        assert (await nia.post("/invitation/sign-up", data=data)).status_code == 404
        assert await world.count("person where email = 'nia@example.com'") == 0


async def test_two_owners_who_step_down_at_once_leave_one(world: World):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await join(world, ben.person_id, ada.account_id, "owner")
        ids = [ada.person_id, ben.person_id]

        async def step_down(person_id: PersonId) -> bool:
            try:
                await members.set_role(database, ada.account_id, person_id, "member")
            except Conflict:
                return False
            return True

        async def go(person_id: PersonId) -> bool:
            try:
                await members.remove(database, ada.account_id, person_id)
            except Conflict:
                return False
            return True

        for _ in range(10):
            assert sorted(await asyncio.gather(*map(step_down, ids))) == [False, True]
            for person_id in ids:
                await members.set_role(database, ada.account_id, person_id, "owner")
        assert sorted(await asyncio.gather(*map(go, ids))) == [False, True]
        assert list((await roles(world, ada.account_id)).values()) == ["owner"]


async def test_the_last_owner_stays(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await join(world, ben.person_id, ada.account_id, "member")
        await join(world, ada.person_id, ben.account_id, "member")
        for path, data in (
            ("/members/role", {"person": ada.person_id, "role": "member"}),
            ("/members/remove", {"person": ada.person_id}),
            ("/members/leave", {}),
        ):
            response = await ada.client.post(path, data=data)
            assert response.status_code == 409
            assert "needs an owner" in response.text
        assert await roles(world, ada.account_id) == {"ada": "owner", "ben": "member"}


async def test_leaving_leads_to_another_account_and_never_out_of_the_last(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await join(world, ben.person_id, ada.account_id, "member")
        async with client_of(world, ben.person_id, ada.account_id) as (client, _):
            assert (await client.post("/members/leave")).headers["location"] == "/accounts"
            page = await client.get("/accounts")
            assert "You have left ada@example.com" in page.text
            page = await client.get("/members")
            assert "ben@example.com" in page.text
            assert "ada@example.com" not in page.text
            await join(world, ada.person_id, ben.account_id, "owner")
            assert (await client.post("/members/leave")).status_code == 409
        assert await roles(world, ada.account_id) == {"ada": "owner"}


async def test_members_manage_nobody(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await join(world, ben.person_id, ada.account_id, "member")
        async with client_of(world, ben.person_id, ada.account_id) as (client, _):
            page = (await client.get("/members")).text
            assert "ada@example.com" in page
            assert "Invite" not in page
            for path, data in (
                ("/members/invite", {"email": "x@example.com", "role": "owner"}),
                ("/members/role", {"person": ben.person_id, "role": "owner"}),
                ("/members/remove", {"person": ada.person_id}),
                ("/members/title", {"title": "Mine now"}),
                ("/members/withdraw", {"id": "invitation_0"}),
            ):
                assert (await client.post(path, data=data)).status_code == 403
        assert await roles(world, ada.account_id) == {"ada": "owner", "ben": "member"}


async def test_nobody_manages_another_account(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "eve") as eve:
        await invited(ada)
        page = (await ada.client.get("/members")).text
        invitation_id = re.findall(r"invitation_[a-z0-9]{16}", page)[0]
        for path, data in (
            ("/members/withdraw", {"id": invitation_id}),
            ("/members/role", {"person": ada.person_id, "role": "member"}),
            ("/members/remove", {"person": ada.person_id}),
        ):
            assert (await eve.client.post(path, data=data)).status_code == 404
        assert await roles(world, ada.account_id) == {"ada": "owner"}
        assert await world.count("invitation") == 1


async def test_the_title_is_what_everybody_reads(world: World):
    async with signed_in(world, "ada") as ada:
        response = await ada.client.post("/members/title", data={"title": "Lumen  Studio"})
        assert response.status_code == 303
        assert "Lumen Studio" in (await ada.client.get("/members")).text
        wrong = await ada.client.post("/members/title", data={"title": "x" * 81})
        assert wrong.status_code == 422
        assert "1 to 80 characters" in wrong.text
        assert "x" * 81 in wrong.text


async def test_switching_and_opening_another_account(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "eve") as eve:
        refused = await ada.client.post("/accounts/switch", data={"account": eve.account_id})
        assert refused.status_code == 403
        assert "ada@example.com" in (await ada.client.get("/accounts")).text
        world.clock.move(timedelta(minutes=1))
        opened = await ada.client.post("/accounts", data={"title": "Night Shift"})
        assert opened.headers["location"] == "/members"
        own = await people.memberships(world.runtime.database, ada.person_id)
        assert [(one.title, one.role) for one in own][1:] == [("Night Shift", "owner")]
        visitor = await sessions.visitor(world.runtime.database, ada.token, world.clock())
        assert visitor is not None
        assert (visitor.account_id, visitor.available) == (own[1].account_id, 0)
        back = await ada.client.post("/accounts/switch", data={"account": ada.account_id})
        assert back.status_code == 303
        visitor = await sessions.visitor(world.runtime.database, ada.token, world.clock())
        assert visitor is not None
        assert visitor.account_id == ada.account_id


async def test_nobody_opens_accounts_without_end(world: World):
    async with signed_in(world, "ada") as ada:
        asked = (
            ada.client.post("/accounts", data={"title": f"Project {number}"})
            for number in range(members.ACCOUNTS_OWNED_MAX + 5)
        )
        statuses = [response.status_code for response in await asyncio.gather(*asked)]
        assert statuses.count(303) == members.ACCOUNTS_OWNED_MAX - 1
        assert statuses.count(422) == 6


async def test_what_members_do_is_noted_without_secrets(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        path = await invited(ada)
        await ben.client.post("/invitation", data={"token": token_of(path)})
        data = {"person": ben.person_id, "role": "owner"}
        await ada.client.post("/members/role", data=data)
        await ada.client.post("/members/remove", data={"person": ben.person_id})
        entries = await audit.listing(world.runtime.database, ada.account_id, None, 10)
        assert [entry.action for entry in entries] == [
            "member.remove",
            "member.role",
            "member.join",
            "member.invite",
        ]
        assert token_of(path) not in str(entries)
