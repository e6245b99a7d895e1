"""The keys of an account: its owners make, change, replace and stop them, its members see them."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from kinetoscope.accounts import audit, caps, keys
from kinetoscope.accounts.keys import KeyListing
from kinetoscope.api import key_bodies, key_shapes, samples
from kinetoscope.dashboard import key_forms
from kinetoscope.dashboard.key_forms import Filled, Misfilled
from kinetoscope.dashboard.key_words import SCOPES, row_of
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import Forbidden, InvalidRequest, NotFound
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import IssuedKey, KeyMode

KEY_ID = re.compile(r"[0-9A-Za-z]{12}")

OVERLAPS = {
    "0": "At once",
    "1": "After an hour",
    "24": "After a day",
    "72": "After 3 days",
    "168": "After 7 days",
}

CHANGED_MEANWHILE = "Somebody changed this key just now. Here is what you filled in; look at what "
CHANGED_MEANWHILE += "it may do at the side, and save again."


def mount(pages: Pages) -> None:
    """Add /keys and what is below."""
    pages.add("GET", "/keys", "person", show)
    pages.add("POST", "/keys", "owner", create)
    pages.add("GET", "/keys/new", "owner", new)
    pages.add("GET", "/keys/{id}", "person", detail)
    pages.add("POST", "/keys/{id}", "owner", change)
    pages.add("POST", "/keys/{id}/rotate", "owner", rotate)
    pages.add("POST", "/keys/{id}/active", "owner", set_active)
    pages.add("POST", "/keys/{id}/delete", "owner", delete)


async def show(visit: Visit) -> Response:
    """Show all keys, the newest first."""
    found = await keys.listing(visit.runtime.database, visit.me.account_id)
    rows = [row_of(key, visit.now) for key in reversed(found)]
    return visit.render("keys/keys.html", rows=rows, **_form(visit, key_forms.fresh()))


async def new(visit: Visit) -> Response:
    """Show the form of a new key on a page of its own, for browsers without scripts."""
    return visit.render("keys/new.html", **_form(visit, key_forms.fresh()))


async def create(visit: Visit) -> Response:
    """Make a key, and show its text this once: in this answer, which nobody keeps."""
    form = await visit.form()
    try:
        wanted = key_forms.read_new(form, _models(visit), visit.now)
    except Misfilled as misfilled:
        template = "keys/new_form.html" if visit.is_partial else "keys/new.html"
        shown = _form(visit, key_forms.typed(form), misfilled.errors)
        return visit.render(template, 422, **shown)
    stated = wanted.stated
    issued = await keys.create(
        visit.runtime.database,
        visit.me.account_id,
        stated["name"],
        mode=stated["mode"],
        expires_at=stated.get("expiresAt"),
        scopes=stated["scopes"],
        caps=wanted.caps,
        now=visit.now,
    )
    made = await keys.find(visit.runtime.database, issued.id)
    await _note(visit, "key.create", made)
    return _issued(visit, issued, made)


async def detail(visit: Visit) -> Response:
    """Show one key."""
    key = await _asked(visit)
    return _detail(visit, key, key_forms.of_key(key))


async def change(visit: Visit) -> Response:
    """Change a key's name, expiry, scopes and caps: those that are other than before."""
    key, form = await _own(visit), await visit.form()
    try:
        wanted = key_forms.read_changes(form, key, _models(visit), visit.now)
    except Misfilled as misfilled:
        return _detail(visit, key, key_forms.typed(form), misfilled.errors, 422)
    if form["version"] != key_forms.version_of(key):
        errors = {"form": CHANGED_MEANWHILE}
        return _detail(visit, key, key_forms.typed(form), errors, 409)
    stated = wanted.stated
    asked: dict[str, object] = {"name": stated["name"], "scopes": list(stated["scopes"])}
    if "expiresAt" in stated:
        asked["expires_at"] = stated["expiresAt"]
    asked |= caps.columns(wanted.caps)
    before = {
        "name": key.name,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        **caps.columns(caps.caps_of(key)),
    }
    if set(stated["scopes"]) == set(key.scopes):
        del asked["scopes"]
    changes = {name: value for name, value in asked.items() if value != before[name]}
    await keys.change(visit.runtime.database, key.id, changes)
    if changes:
        await _note(visit, "key.change", await keys.find(visit.runtime.database, key.id))
    return visit.go(f"/keys/{key.id}", "Saved")


async def rotate(visit: Visit) -> Response:
    """Put a new key in a key's place, and show its text this once."""
    key, form = await _own(visit), await visit.form()
    if form["overlap"] not in OVERLAPS:
        raise InvalidRequest("Choose how long the old key goes on")
    overlap = key_bodies.read_overlap({"overlapHours": int(form["overlap"])})
    assert overlap is not None  # noqa: S101 - it was said
    database = visit.runtime.database
    issued = await keys.rotate(database, key.id, overlap=overlap, now=visit.now)
    made = await keys.find(database, issued.id)
    await _note(visit, "key.rotate", made, replaces=key.id)
    return _issued(visit, issued, made, replaced=await keys.find(database, key.id))


async def set_active(visit: Visit) -> Response:
    """Stop a key for now, or let it go on."""
    key, form = await _own(visit), await visit.form()
    active = form["active"] == "yes"
    await keys.set_active(visit.runtime.database, key.id, active=active)
    key = await keys.find(visit.runtime.database, key.id)
    await _note(visit, "key.activate" if active else "key.deactivate", key)
    return visit.go(f"/keys/{key.id}", "The key works again" if active else "The key is stopped")


async def delete(visit: Visit) -> Response:
    """Stop a key for good, once its name was typed."""
    key, form = await _own(visit), await visit.form()
    if form["confirmation"] != key.name:
        errors = {"confirmation": "This is not the key's name"}
        return _detail(visit, key, key_forms.of_key(key), errors, 422)
    await keys.delete(visit.runtime.database, key.id, visit.now)
    await _note(visit, "key.delete", key)
    return visit.go("/keys", f"{key.name} is deleted")


def _form(visit: Visit, form: Filled, errors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what the fields of a key need."""
    known = visit.runtime.catalog.models
    gone = sorted(form.models - {model.id for model in known})
    windows = dict(key_forms.WINDOWS)
    hours = form.get("spendWindowHours")
    if hours not in windows:
        windows[hours] = f"Per {hours} hours"
    return {
        "form": form,
        "errors": errors or {},
        "scopes": SCOPES,
        "expiries": key_forms.EXPIRIES,
        "windows": windows,
        "models": [(model.id, model.title) for model in known] + [(name, name) for name in gone],
    }


def _detail(
    visit: Visit,
    key: KeyListing,
    form: Filled,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    return visit.render(
        "keys/key.html",
        status,
        row=row_of(key, visit.now),
        version=key_forms.version_of(key),
        overlaps=OVERLAPS,
        may_change=visit.me.is_owner and key.mode != KeyMode.DEMO,
        **_form(visit, form, errors),
    )


def _issued(
    visit: Visit, issued: IssuedKey, made: KeyListing, replaced: KeyListing | None = None
) -> Response:
    template = "keys/issued_note.html" if visit.is_partial else "keys/issued.html"
    return visit.render(
        template,
        text=issued.text,
        row=row_of(made, visit.now),
        replaced=replaced,
        command=_command(visit, issued.text, made),
    )


def _command(visit: Visit, text: str, key: KeyListing) -> str:
    """Return a command that works with this key at once."""
    base = visit.runtime.settings.public_url
    bearer = f"-H {shlex.quote('Authorization: Bearer ' + text)}"
    able = [
        model
        for model in visit.runtime.catalog.models
        if key.models is None or model.id in key.models
    ]
    if able and "tasks:write" in key.scopes:
        order = json.dumps(samples.order_example(able[0]), ensure_ascii=False)
        json_type = "-H 'Content-Type: application/json'"
        path, more = "jobs/createTask", [json_type, f"-d {shlex.quote(order)}"]
    else:
        path, more = ("account" if "account:read" in key.scopes else "models"), []
    return " \\\n  ".join([f"curl {base}/api/v1/{path}", bearer, *more])


async def _asked(visit: Visit) -> KeyListing:
    """Return the key that a path names; raises NotFound, or Forbidden for another account's."""
    asked = str(visit.request.path_params["id"])
    try:
        if KEY_ID.fullmatch(asked):
            return await keys.find_own(visit.runtime.database, visit.me.account_id, KeyId(asked))
    except NotFound:
        pass
    raise NotFound("There is no such key, or it was deleted")


async def _own(visit: Visit) -> KeyListing:
    """Return the key that a path names, to change it; raises Forbidden for the demo's too."""
    key = await _asked(visit)
    if key.mode == KeyMode.DEMO:
        raise Forbidden("The demo key is what KINETOSCOPE_DEMO_KEY says")
    return key


def _models(visit: Visit) -> frozenset[str]:
    return frozenset(model.id for model in visit.runtime.catalog.models)


async def _note(visit: Visit, action: str, key: KeyListing, replaces: KeyId | None = None) -> None:
    told = key_shapes.key_json(key)
    detail = {
        name: told[name] for name in ("name", "mode", "scopes", "caps", "active", "expiresAt")
    }
    if replaces is not None:
        detail["replaces"] = replaces
    await audit.note(
        visit.runtime.database,
        visit.actor,
        action,
        key.id,
        visit.now,
        account_id=visit.me.account_id,
        detail=detail,
    )
