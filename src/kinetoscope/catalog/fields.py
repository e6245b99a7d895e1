"""What one input of a model can be: six kinds of field, as data without behaviour."""

from dataclasses import dataclass

from kinetoscope.kernel.order import MediaKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What every field has. `aliases` are the names older versions of the contract used."""

    name: str
    title: str
    description: str
    aliases: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    """Inline spellings in the prompt, without the dashes: `ar` for `--ar 16:9`."""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Declared):
    """Text of at most `length_max` characters; `cut` shortens longer text, else it is refused."""

    length_max: int
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Declared):
    """A whole number from `minimum` to `maximum`, both included.

    With a `suffix` it may also be written as text, bare or with the suffix: `5`, `"5"`, `"5s"`.
    `message` replaces the usual words when the number is missing or out of range.
    """

    minimum: int
    maximum: int
    default: int | None = None
    suffix: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Declared):
    """One of a few numbers."""

    options: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Declared):
    """True or false, never a word that looks like one."""

    default: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Declared):
    """One of a few words. `synonyms` mean an option; `otherwise` replaces any unknown word."""

    options: tuple[str, ...]
    default: str | None = None
    synonyms: dict[str, str]
    otherwise: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(Declared):
    """A list of at most `items_max` URLs of one kind of media; at least one where required.

    A task goes on without those of a `dispensable` list that cannot be fetched. The rest shows
    only once they are here, and then ends the task: seconds of each and of all together, alone or
    with the output's; pixels of each side; whether other media must stand beside them.
    """

    kind: MediaKind
    items_max: int
    dispensable: bool
    item_s_min: int | None
    item_s_max: int | None
    total_s_max: int | None
    total_with_output_s_max: int | None
    side_pixels_min: int | None
    side_pixels_max: int | None
    never_alone: bool


Field = Text | Integer | Number | Boolean | Choice | Media
