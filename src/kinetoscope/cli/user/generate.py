"""`kinetoscope generate`: make something with a model, and save it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from kinetoscope.cli.user.completing import model_ids
from kinetoscope.cli.user.connection import (
    FAILED,
    INTERRUPTED,
    REFUSED,
    USAGE,
    AsJson,
    Key,
    Url,
    connected,
    fail,
    say,
)
from kinetoscope.cli.user.ending import cancelled, failure_text, task_json
from kinetoscope.cli.user.formats import mismatch
from kinetoscope.cli.user.inputs import Unusable, read_inputs
from kinetoscope.cli.user.progress import followed
from kinetoscope.cli.user.saving import (
    INTERRUPTION,
    Force,
    Output,
    file_of,
    interruptible,
    require_free,
    require_place,
    saved,
)
from kinetoscope.cli.user.written import credits_text, write_json
from kinetoscope.client import ClientError, Estimate, Kinetoscope, Model, Submitted, Task
from kinetoscope.client.address import RETRIES
from kinetoscope.client.asking import understood

STDIN = "-"

SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was typed."""

    model: str
    prompt: str
    inputs: list[str]
    media: Mapping[str, list[str]]
    output: str
    force: bool
    credits_max: Decimal | None
    room_s: float
    test_outcome: str | None
    use_cache: bool
    wait: bool
    as_json: bool


Inputs = Annotated[
    list[str] | None, typer.Option("--input", "-i", help="A further input: name=value; repeat it.")
]
CreditsMax = Annotated[str, typer.Option(metavar="CREDITS", help="Make nothing that costs more.")]
Room = Annotated[
    float, typer.Option(metavar="SECONDS", help="While too many tasks run, wait so long.")
]
UseCache = Annotated[
    bool,
    typer.Option("--use-cache", help="An equal earlier task's files will do; it takes a seed."),
]
Outcome = Annotated[
    str | None, typer.Option(help="Of test keys: how it shall go, such as moderation.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Print the task's id, and do not wait.")]


def generate(  # noqa: PLR0913 - each is an option
    model: Annotated[str, typer.Argument(help="A model's id.", autocompletion=model_ids)],
    prompt: Annotated[str, typer.Argument(help="What to make; - reads it from stdin.")] = "",
    *,
    output: Output = "",
    force: Force = False,
    inputs: Inputs = None,
    image: Annotated[list[str] | None, typer.Option(help="A picture: path or URL.")] = None,
    video: Annotated[list[str] | None, typer.Option(help="A video: path or URL.")] = None,
    audio: Annotated[list[str] | None, typer.Option(help="Sound: path or URL.")] = None,
    max_credits: CreditsMax = "",
    wait_for_room: Room = 0.0,
    use_cache: UseCache = False,
    test_outcome: Outcome = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    key: Key = None,
    url: Url = None,
) -> None:
    """Make something and save it; what it costs is said before and after.

    Ctrl-C cancels the task. Ends with 2 for what was typed, 3 where the server refuses, 4 where the
    task failed, 5 where the server cannot be reached.
    """
    wanted = Wanted(
        model=model,
        prompt=typer.get_text_stream("stdin").read().strip() if prompt == STDIN else prompt,
        inputs=inputs or [],
        media={"image": image or [], "video": video or [], "audio": audio or []},
        output=output,
        force=force,
        credits_max=_amount(max_credits, as_json=as_json),
        room_s=wait_for_room,
        test_outcome=test_outcome,
        use_cache=use_cache,
        wait=not no_wait,
        as_json=as_json,
    )
    require_place(output, as_json=as_json)
    with connected(key, url, as_json=as_json, retries=0) as client:
        found = client.model(model)
        if not force:
            with understood(client.url):
                require_free(output, found.files, as_json=as_json)
    with connected(key, url, as_json=as_json, retries=RETRIES) as client:
        made = _made(client, found, wanted)
        if not wanted.wait:
            typer.echo(write_json({"taskId": made.id, **_obstacle(made)}) if as_json else made.id)
            return
        _finish(client, wanted, made)


def _amount(text: str, *, as_json: bool) -> Decimal | None:
    try:
        amount = Decimal(text) if text else None
    except InvalidOperation:
        amount = Decimal("nan")
    if amount is not None and not amount.is_finite():
        message = f"--max-credits: {text!r} is no amount such as 200 or 7.5"
        raise fail(message, USAGE, as_json=as_json)
    return amount


def _made(client: Kinetoscope, model: Model, wanted: Wanted) -> Submitted:
    """Read what was typed, say what it costs, and make the task."""
    with interruptible("nothing was made", as_json=wanted.as_json):
        try:
            with understood(client.url):
                typed = read_inputs(model, wanted.prompt, wanted.inputs, wanted.media)
                path = file_of(wanted.output)
                wrong = "" if path is None else mismatch(model, typed, path)
        except Unusable as error:
            raise fail(str(error), USAGE, as_json=wanted.as_json) from None
        if wrong:
            raise fail(wrong, USAGE, as_json=wanted.as_json)
        inputs = client.uploaded(typed)
        options: dict[str, Any] = {
            "use_cache": wanted.use_cache,
            "test_outcome": wanted.test_outcome,
        }
        estimate = client.estimate(wanted.model, inputs, **options)
        _require_cheap(estimate, wanted)
        if not wanted.as_json:
            say(cost_text(estimate))
            if estimate.uncacheable is not None:
                say(_obstacle_text(model, inputs, estimate.uncacheable))
    lost = "it may have been made; `kinetoscope tasks list` shows it"
    with interruptible(lost, as_json=wanted.as_json):
        return client.submit(wanted.model, inputs, wait_for_room_s=wanted.room_s, **options)


def _obstacle_text(model: Model, inputs: Mapping[str, Any], reason: str) -> str:
    """Say why no earlier task's files can ever do, and what would change that."""
    takes_seed = SEED in model.inputs.get("properties", {})
    how = f"; give -i {SEED}=NUMBER" if takes_seed and SEED not in inputs else ""
    return f"--use-cache does nothing here: {reason}{how}"


def _obstacle(made: Submitted) -> dict[str, str]:
    return {} if made.uncacheable is None else {"uncacheable": made.uncacheable}


def _require_cheap(estimate: Estimate, wanted: Wanted) -> None:
    most = wanted.credits_max
    if most is None or estimate.required <= most:
        return
    costs = credits_text(estimate.required)
    message = f"it would cost {costs} credits, more than --max-credits {most}; nothing was made"
    raise fail(message, REFUSED, as_json=wanted.as_json, kind="TooDear", required=estimate.required)


def cost_text(estimate: Estimate) -> str:
    """Say what a task would cost."""
    most = "up to " if estimate.settles else ""
    text = f"{estimate.model}: {most}{credits_text(estimate.required)} credits"
    if estimate.cached:
        return f"{text}; an equal task's files are shown"
    text += f" of {credits_text(estimate.available)}"
    left = estimate.available_after
    return text if left < 0 else f"{text}, {credits_text(left)} afterwards"


def _ended(client: Kinetoscope, made: Submitted, wanted: Wanted) -> Task:
    try:
        return followed(client, made.id, quiet=wanted.as_json)
    except KeyboardInterrupt:
        say("cancelling …")
        try:
            told = cancelled(client, made.id)
        except KeyboardInterrupt:
            told = f"{made.id} was not cancelled for certain; `kinetoscope tasks show {made.id}`"
        as_json = wanted.as_json
        raise fail(told, INTERRUPTED, as_json=as_json, kind=INTERRUPTION, taskId=made.id) from None


def _finish(client: Kinetoscope, wanted: Wanted, made: Submitted) -> None:
    """Wait for the files, save them and say what they cost; or why there are none."""
    task = _ended(client, made, wanted)
    if task.status != "success":
        if wanted.as_json:
            told = task_json(task, (), _left(client))
            typer.echo(write_json({**told, **_obstacle(made)}))
        raise fail(failure_text(task), FAILED)
    paths = saved(
        client, task, wanted.output, force=wanted.force, as_json=wanted.as_json, is_new=True
    )
    if wanted.as_json:
        typer.echo(write_json({**task_json(task, paths, _left(client)), **_obstacle(made)}))
        return
    for path in paths:
        typer.echo(str(path))
    left = _left(client)
    tail = "" if left is None else f", {credits_text(left)} left"
    preview = "; a preview, not the model's own work" if task.preview else ""
    say(f"{credits_text(task.credits)} credits charged{tail}{preview}")


def _left(client: Kinetoscope) -> Decimal | None:
    """Return what credits are left; what was made is not made to wait for that, nor lost."""
    try:
        return client.credits().available
    except (ClientError, KeyboardInterrupt):
        return None
