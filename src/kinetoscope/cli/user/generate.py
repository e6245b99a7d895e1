"""`kinetoscope generate`: make something with a model, and save it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer

from kinetoscope.cli.user.completing import model_ids
from kinetoscope.cli.user.connection import (
    FAILED,
    HERE,
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
from kinetoscope.cli.user.inputs import Unusable, read_inputs
from kinetoscope.cli.user.progress import followed
from kinetoscope.cli.user.written import Written, credits_text, write_json
from kinetoscope.client import ClientError, Estimate, Kinetoscope, Model, Submitted, Task
from kinetoscope.client.address import RETRIES
from kinetoscope.client.asking import understood
from kinetoscope.client.downloading import name_of, numbered

STDIN = "-"

INTERRUPTION = "Interrupted"


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
Output = Annotated[
    str, typer.Option("--output", "-o", help="A file or a folder; several files are numbered.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
CreditsMax = Annotated[str, typer.Option(metavar="CREDITS", help="Make nothing that costs more.")]
Room = Annotated[
    float, typer.Option(metavar="SECONDS", help="While too many tasks run, wait so long.")
]
UseCache = Annotated[
    bool, typer.Option("--use-cache", help="An equal earlier task's files will do.")
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
    _require_place(wanted)
    with connected(key, url, as_json=as_json, retries=0) as client:
        found = client.model(model)
        with understood(client.url):
            _require_free(wanted, found.files)
    with connected(key, url, as_json=as_json, retries=RETRIES) as client:
        made = _made(client, found, wanted)
        if not wanted.wait:
            typer.echo(write_json({"taskId": made.id}) if as_json else made.id)
            return
        _finish(client, wanted, _ended(client, made, wanted))


def _amount(text: str, *, as_json: bool) -> Decimal | None:
    try:
        amount = Decimal(text) if text else None
    except InvalidOperation:
        amount = Decimal("nan")
    if amount is not None and not amount.is_finite():
        message = f"--max-credits: {text!r} is no amount such as 200 or 7.5"
        raise fail(message, USAGE, as_json=as_json)
    return amount


def _require_place(wanted: Wanted) -> None:
    """See to it that there is somewhere to save, before anything costs."""
    path = Path(wanted.output or ".").expanduser()
    try:
        folder = path if path.is_dir() else path.parent
        is_there = folder.is_dir()
    except OSError as error:  # no name that this machine can give
        raise fail(str(error), USAGE, as_json=wanted.as_json) from None
    if not is_there:
        raise fail(f"there is no folder {folder}", USAGE, as_json=wanted.as_json)
    if not os.access(folder, os.W_OK):
        raise fail(f"nothing can be written to {folder}", USAGE, as_json=wanted.as_json)


def _require_free(wanted: Wanted, files: int) -> None:
    """See to it that the names are free, before anything costs."""
    path = Path(wanted.output).expanduser()
    if wanted.force or not wanted.output or path.is_dir():
        return
    for each in numbered(path, files):
        if os.path.lexists(each):
            message = f"{each} is there already; --force replaces it"
            raise fail(message, USAGE, as_json=wanted.as_json)


def _made(client: Kinetoscope, model: Model, wanted: Wanted) -> Submitted:
    """Read what was typed, say what it costs, and make the task."""
    with _interruptible("nothing was made", as_json=wanted.as_json):
        try:
            with understood(client.url):
                typed = read_inputs(model, wanted.prompt, wanted.inputs, wanted.media)
        except Unusable as error:
            raise fail(str(error), USAGE, as_json=wanted.as_json) from None
        inputs = client.uploaded(typed)
        options: dict[str, Any] = {
            "use_cache": wanted.use_cache,
            "test_outcome": wanted.test_outcome,
        }
        estimate = client.estimate(wanted.model, inputs, **options)
        _require_cheap(estimate, wanted)
    if not wanted.as_json:
        say(cost_text(estimate))
    lost = "it may have been made; `kinetoscope tasks list` shows it"
    with _interruptible(lost, as_json=wanted.as_json):
        return client.submit(wanted.model, inputs, wait_for_room_s=wanted.room_s, **options)


@contextmanager
def _interruptible(told: str, *, as_json: bool, **data: Written) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        message = f"interrupted; {told}"
        raise fail(message, INTERRUPTED, as_json=as_json, kind=INTERRUPTION, **data) from None


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


def _finish(client: Kinetoscope, wanted: Wanted, task: Task) -> None:
    """Save the files and say what they cost; or why there are none."""
    if task.status != "success":
        if wanted.as_json:
            typer.echo(write_json(task_json(task, (), _left(client))))
        raise fail(failure_text(task), FAILED)
    paths = saved(client, task, wanted.output, force=wanted.force, as_json=wanted.as_json)
    if wanted.as_json:
        typer.echo(write_json(task_json(task, paths, _left(client))))
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


def saved(
    client: Kinetoscope, task: Task, output: str, *, force: bool, as_json: bool
) -> Sequence[Path]:
    """Save a task's files where somebody wants them, or under its id; return where they are."""
    path = Path(output or f"{task.id}{_suffix(task)}").expanduser()
    slash = "/" if output.endswith(("/", os.sep)) else ""
    there = f"it is there: `kinetoscope tasks download {task.id}`"
    try:
        with _interruptible(there, as_json=as_json, taskId=task.id):
            return client.download(task, f"{path}{slash}", overwrite=force)
    except FileExistsError as error:
        message = f"{error.filename} is there already; --force replaces it. Of {task.id}, {there}"
        raise fail(message, USAGE, as_json=as_json, taskId=task.id) from None
    except OSError as error:
        message = f"{error}; {there}"
        raise fail(message, HERE, as_json=as_json, kind="OSError", taskId=task.id) from None


def _suffix(task: Task) -> str:
    return PurePosixPath(name_of(task.outputs[0].url)).suffix if task.outputs else ""
