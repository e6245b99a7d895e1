"""Which key a provider is opened with: where it is from and how it ends, and nothing else of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kinetoscope.providers import keys
from kinetoscope.providers.config import key_word
from kinetoscope.providers.origins import key_names
from kinetoscope.upstreams import signatures_of
from kinetoscope.wiring import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """A key that is there. `problem` says why a stored one does not open."""

    name: str
    where: str
    hint: str
    updated_at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysShown:
    """The key of each provider, the secret of its callbacks, and stored keys that none uses."""

    of_provider: Mapping[str, KeyShown]
    callbacks: Mapping[str, KeyShown | None]
    idle: tuple[KeyShown, ...]


async def keys_shown(runtime: Runtime) -> KeysShown:
    """Return what may be shown of all providers' keys."""
    setup, known = runtime.setup, await _known(runtime)
    signing = signatures_of(setup)
    used: set[str] = set()
    of_provider: dict[str, KeyShown] = {}
    callbacks: dict[str, KeyShown | None] = {}
    for config in setup.configs:
        names = key_names(config, setup.adapters.get(config.adapter))
        used |= {key_word(name) for name in names}
        # The first that is there, even if it does not open: that is to be seen.
        found = next((known[key_word(name)] for name in names if key_word(name) in known), None)
        if found is not None:
            of_provider[config.name] = found
        if config.name in signing:
            word = key_word(keys.callbacks_key(config.name))
            used.add(word)
            callbacks[config.name] = known.get(word)
    idle = tuple(key for word, key in known.items() if word not in used)
    return KeysShown(of_provider=of_provider, callbacks=callbacks, idle=idle)


async def _known(runtime: Runtime) -> dict[str, KeyShown]:
    """Return every key that is there, by the word for its name; those of settings win."""
    opened = await keys.load_all(runtime.database, runtime.envelope)
    stored = {
        key_word(key.provider): KeyShown(
            name=key.provider,
            where="stored",
            hint=key.hint,
            updated_at=key.updated_at,
            problem=opened.problems.get(key.provider, ""),
        )
        for key in await keys.listing(runtime.database)
    }
    given = {
        word: KeyShown(name=word.lower(), where="settings", hint=keys.hint_of(text))
        for word, text in runtime.settings.provider_keys.items()
        if text
    }
    return {**stored, **given}
