"""Keys managed by keys: made, shown, changed, replaced and deleted, within what the caller may."""

import re
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts import keys, powers
from kinetoscope.accounts.caps import UNCAPPED, columns
from kinetoscope.accounts.keys import KeyListing
from kinetoscope.accounts.opening import Caller
from kinetoscope.accounts.powers import Powers
from kinetoscope.api import key_bodies
from kinetoscope.api import key_shapes as shapes
from kinetoscope.api.body import invalid, issue, parse_object, read_body, read_object
from kinetoscope.api.doors import Doors
from kinetoscope.api.envelope import answer
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import KeyId
from kinetoscope.postgres.pool import Database

SCOPE = "keys:write"

PATH = "/api/v1/keys"

KEY_ID = re.compile(r"[0-9A-Za-z]{12}")

OVERLAP_DEFAULT = timedelta(hours=24)

BODY_BYTES_MAX = 65536


def mount(doors: Doors) -> None:
    """Add the routes under /api/v1/keys."""
    _mount_many(doors)
    _mount_one(doors)
    _mount_rotate(doors)


def _mount_many(doors: Doors) -> None:
    database, clock = doors.runtime.database, doors.runtime.clock
    models = frozenset(model.id for model in doors.runtime.catalog.models)

    async def listing(_request: Request, caller: Caller) -> Response:
        """Show all keys of the account."""
        found = await keys.listing(database, caller.account_id)
        return answer({"keys": [shapes.key_json(key) for key in found]})

    async def create(request: Request, caller: Caller) -> Response:
        """Make a key, and show its text this once."""
        now = clock()
        stated = key_bodies.read_new(await read_object(request), models, now)
        maker = powers.powers_of(await keys.find(database, caller.key_id))
        caps = key_bodies.merged(UNCAPPED, stated.get("caps", {}))
        usual = tuple(scope for scope in keys.SCOPES_DEFAULT if scope in maker.scopes)
        wanted = Powers(
            mode=stated.get("mode", maker.mode),
            scopes=stated.get("scopes", usual),
            expires_at=stated.get("expiresAt", maker.expires_at),
            caps=powers.inherited(caps, maker.caps),
        )
        if not wanted.scopes:
            raise invalid(issue("invalid_type", "Expected at least one scope", "scopes"))
        powers.require_make(maker, wanted)
        issued = await keys.create(
            database,
            caller.account_id,
            stated["name"],
            mode=wanted.mode,
            expires_at=wanted.expires_at,
            scopes=wanted.scopes,
            caps=wanted.caps,
            now=now,
        )
        made = await keys.find(database, issued.id)
        return answer({"key": issued.text, **shapes.key_json(made)})

    doors.guarded("GET", PATH, SCOPE, listing, shapes.LIST)
    doors.guarded("POST", PATH, SCOPE, create, shapes.CREATE)


def _mount_one(doors: Doors) -> None:
    database, clock = doors.runtime.database, doors.runtime.clock
    models = frozenset(model.id for model in doors.runtime.catalog.models)

    async def show(request: Request, caller: Caller) -> Response:
        """Show one key."""
        return answer(shapes.key_json(await _asked(database, request, caller)))

    async def change(request: Request, caller: Caller) -> Response:
        """Change what is stated and nothing else."""
        key = await _asked(database, request, caller)
        stated = key_bodies.read_changes(await read_object(request), models, clock())
        manager = await keys.find(database, caller.key_id)
        before = powers.powers_of(key)
        after = Powers(
            mode=before.mode,
            scopes=stated.get("scopes", before.scopes),
            expires_at=stated.get("expiresAt", before.expires_at),
            caps=key_bodies.merged(before.caps, stated.get("caps", {})),
        )
        if stated == {"active": False}:
            powers.require_stop(manager, key)
        else:
            powers.require_manage(manager, key, after)
        changes: dict[str, object] = {
            name: stated[name] for name in ("name", "active") if name in stated
        }
        if "expiresAt" in stated:
            changes["expires_at"] = after.expires_at
        if "scopes" in stated:
            changes["scopes"] = list(after.scopes)
        # Only what was stated: two changes at once do not undo each other.
        touched = key_bodies.columns_of(stated.get("caps", {}))
        changes |= {name: value for name, value in columns(after.caps).items() if name in touched}
        await keys.change(database, key.id, changes)
        return answer(shapes.key_json(await keys.find(database, key.id)))

    async def delete(request: Request, caller: Caller) -> Response:
        """Stop a key for good."""
        key = await _asked(database, request, caller)
        powers.require_stop(await keys.find(database, caller.key_id), key)
        await keys.delete(database, key.id, clock())
        return answer({"keyId": key.id, "deleted": True})

    path = PATH + "/{keyId}"
    doors.guarded("GET", path, SCOPE, show, shapes.SHOW)
    doors.guarded("PATCH", path, SCOPE, change, shapes.CHANGE)
    doors.guarded("DELETE", path, SCOPE, delete, shapes.DELETE)


def _mount_rotate(doors: Doors) -> None:
    database, clock = doors.runtime.database, doors.runtime.clock

    async def rotate(request: Request, caller: Caller) -> Response:
        """Put a new key in a key's place, and show its text this once."""
        key = await _asked(database, request, caller)
        body = await read_body(request, BODY_BYTES_MAX)
        overlap = key_bodies.read_overlap(parse_object(body) if body else {})
        manager = await keys.find(database, caller.key_id)
        powers.require_manage(manager, key, powers.powers_of(key))
        overlap = OVERLAP_DEFAULT if overlap is None else overlap
        issued = await keys.rotate(database, key.id, overlap=overlap, now=clock())
        made = await keys.find(database, issued.id)
        return answer({"key": issued.text, **shapes.key_json(made)})

    doors.guarded("POST", PATH + "/{keyId}/rotate", SCOPE, rotate, shapes.ROTATE)


async def _asked(database: Database, request: Request, caller: Caller) -> KeyListing:
    """Return the key that a path names; raises NotFound, or Forbidden for another account's."""
    asked = str(request.path_params["keyId"])
    if not KEY_ID.fullmatch(asked):
        raise NotFound("Key not found")
    try:
        return await keys.find_own(database, caller.account_id, KeyId(asked))
    except NotFound:
        raise NotFound("Key not found") from None
