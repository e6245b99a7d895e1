"""The operator's providers: one file each in a folder, named after the provider.

This knows what such a file may say, and neither which adapters nor which models there are: who
joins them complains at the line that `problem` finds. A bad file is refused whole and named.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kinetoscope.kernel import setting_values
from kinetoscope.kernel.order import JSON
from kinetoscope.kernel.toml_files import Problem, Source, each, sources
from kinetoscope.kernel.toml_lines import KeyPath
from kinetoscope.kernel.toml_tables import DeclarationInvalid, Table
from kinetoscope.providers.cost import Cost, Rate, Unit, parse_usd

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
RESERVED_NAMES = frozenset({"embedded", "rehearsal"})
"""Of providers that are always there: a file of that name would take their place."""
RESERVED_QUEUES = frozenset({"webhooks"})
"""What waits there is delivered, not made."""

ORDER_MAX = 1000
WEIGHT_MAX = 10_000
INTEGER_MAX = 2**53
"""Beyond it, readers of JSON disagree."""

SECRET_KEYS = frozenset({"key", "api_key", "apikey", "token", "secret", "password"})
"""What people call the thing that must not stand in these files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRoute:
    """What the upstream calls one of our models, what goes along with it, and what it costs."""

    upstream: str
    options: Mapping[str, JSON]
    cost: Cost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One provider as the operator set it up; None is for its adapter to say.

    `key_name` is whose key opens it, where that is not its own. Without `models` it makes
    whatever its adapter has a name for.
    """

    name: str
    adapter: str
    base_url: str | None
    key_name: str | None
    queue: str | None
    order: int | None
    weight: int
    result_origins: frozenset[str]
    options: Mapping[str, JSON]
    models: Mapping[str, ModelRoute] | None
    source: Source = field(repr=False, compare=False)

    def problem(self, path: KeyPath, reason: str) -> Problem:
        """Complain about a key of the file."""
        name = ".".join(map(str, path))
        error = DeclarationInvalid(self.source.path.name, name, reason, path=path)
        return self.source.problem(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Every provider whose file can be used, what is wrong with the others, and their texts."""

    providers: tuple[ProviderConfig, ...]
    problems: tuple[Problem, ...]
    unused: tuple[Source, ...]


def read_providers(folder: Path) -> Configured:
    """Read every `*.toml` of a folder, in the order of their names; there may be no folder."""
    found, unreadable = sources(folder)
    taken: dict[str, str] = {}

    def read(source: Source) -> ProviderConfig:
        config = _config_from(source.table(), source)
        word = key_word(config.name)
        if word in taken:
            reason = f"{config.name} and {taken[word]} differ in - and _ only"
            raise DeclarationInvalid(source.path.name, "file", reason)
        taken[word] = config.name
        return config

    made, bad = each(found, read)
    problems = sorted((*unreadable, *bad), key=lambda problem: (problem.file, problem.line))
    bare = (Source(path=problem.file, text="") for problem in unreadable)
    unused = (*(source for source in found if source not in made), *bare)
    return Configured(providers=tuple(made.values()), problems=tuple(problems), unused=unused)


def models_named(source: Source) -> tuple[str, frozenset[str] | None]:
    """Return as much as a file that is not used tells: its adapter, and the models it names.

    None for models where it names none, and an empty adapter where that cannot be made out.
    """
    try:
        stated = source.table().content()
    except DeclarationInvalid:
        return "", None
    adapter, models = stated.get("adapter"), stated.get("models")
    named = frozenset(map(str, models)) if isinstance(models, dict) else None
    return adapter if isinstance(adapter, str) else "", named


def key_word(name: str) -> str:
    """Return how a provider's name is written in the variable that holds its key."""
    return name.upper().replace("-", "_")


def _config_from(table: Table, source: Source) -> ProviderConfig:
    name = source.path.stem
    if not NAME.fullmatch(name):
        reason = "its name must be small letters, digits, - and _, 63 at most"
        raise DeclarationInvalid(source.path.name, "file", reason)
    if name in RESERVED_NAMES:
        reason = f"{name} is a provider of Kinetoscope's own; name the file otherwise"
        raise DeclarationInvalid(source.path.name, "file", reason)
    _refuse_secrets(table)
    config = ProviderConfig(
        name=name,
        adapter=_word(table, "adapter"),
        base_url=_base_url(table),
        key_name=_word(table, "key_name") if table.has("key_name") else None,
        queue=_queue(table) if table.has("queue") else None,
        order=_within(table, "order", ORDER_MAX) if table.has("order") else None,
        weight=_within(table, "weight", WEIGHT_MAX) if table.has("weight") else 1,
        result_origins=_origins(table),
        options=_options(table),
        models=_models(table) if table.has("models") else None,
        source=source,
    )
    table.done()
    return config


def _models(table: Table) -> dict[str, ModelRoute]:
    models = table.table("models")
    return {model: _route(models.table(model)) for model in models.names()}


def _route(table: Table) -> ModelRoute:
    _refuse_secrets(table)
    route = ModelRoute(
        upstream=table.text("upstream"),
        options=_options(table),
        cost=_cost(table) if table.has("cost") else None,
    )
    table.done()
    return route


def _cost(table: Table) -> Cost:
    """Read one rate, or a list of rates that are added up."""
    if table.is_list("cost"):
        return Cost(rates=tuple(_rate(rate) for rate in table.tables("cost", "unit")))
    return Cost(rates=(_rate(table.table("cost")),))


def _rate(table: Table) -> Rate:
    unit = table.text("unit")
    if unit not in {member.value for member in Unit}:
        raise table.invalid("unit", f"{unit!r} is none of {', '.join(Unit)}")
    if table.is_table("usd"):
        by_resolution = table.table("usd")
        usd = {word: _usd(by_resolution, word) for word in by_resolution.names()}
        if not usd:
            raise table.invalid("usd", "is empty")
    else:
        usd = {"": _usd(table, "usd")}
    table.done()
    return Rate(unit=Unit(unit), usd_micros=usd)


def _usd(table: Table, key: str) -> int:
    try:
        return parse_usd(table.text(key))
    except ValueError as error:
        raise table.invalid(key, str(error)) from None


def _options(table: Table) -> dict[str, JSON]:
    options = table.table("options")
    _refuse_secrets(options)
    return {name: _json(options, name, value) for name, value in options.content().items()}


def _json(table: Table, name: str, value: object) -> JSON:
    match value:
        case str() | bool():
            return value
        case int() if abs(value) <= INTEGER_MAX:
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            return [_json(table, name, item) for item in value]
        case dict():
            return {str(key): _json(table, name, item) for key, item in value.items()}
        case _:
            raise table.invalid(name, "is nothing that JSON can say")


def _word(table: Table, key: str) -> str:
    word = table.text(key)
    if not NAME.fullmatch(word):
        raise table.invalid(key, "must be small letters, digits, - and _")
    return word


def _queue(table: Table) -> str:
    queue = _word(table, "queue")
    if queue in RESERVED_QUEUES:
        raise table.invalid("queue", f"must not be {queue}, which is for something else")
    return queue


def _within(table: Table, key: str, largest: int) -> int:
    number = table.integer(key)
    if not 0 <= number <= largest:
        raise table.invalid(key, f"must lie between 0 and {largest}")
    return number


def _base_url(table: Table) -> str | None:
    if not table.has("base_url"):
        return None
    text = table.text("base_url")
    if "@" in text:
        raise table.invalid("base_url", "must not hold a name or a password")
    try:
        return setting_values.url(text)
    except ValueError:
        raise table.invalid("base_url", "is not an http or https address") from None


def _origins(table: Table) -> frozenset[str]:
    origins = table.texts("result_origins", ())
    for origin in origins:
        scheme, separator, host = origin.partition("://")
        if scheme not in {"http", "https"} or not separator or not re.fullmatch(r"[^/@?#]+", host):
            raise table.invalid("result_origins", "must be such as https://files.example.com")
    return frozenset(origin.lower() for origin in origins)


def _refuse_secrets(table: Table) -> None:
    for name in table.names():
        if name.lower() in SECRET_KEYS:
            raise table.invalid(
                name, "does not belong here; store it with: kinetoscope providers set-key"
            )
