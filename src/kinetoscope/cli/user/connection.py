"""What the user's commands share: whom they ask, and how they end where that goes wrong.

They end with 0; 1 where something on this machine is in the way or a wait is over; 2 for what was
typed; 3 where the server refuses; 4 where a task failed; 5 where the server cannot be reached or
cannot answer; 130 after Ctrl-C.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from kinetoscope.cli.user.written import Written, credits_text, write_json
from kinetoscope.client import (
    ClientError,
    ConcurrencyLimit,
    DownloadFailed,
    InsufficientCredits,
    InvalidRequest,
    KeySpent,
    Kinetoscope,
    Misconfigured,
    NotFound,
    Refused,
    ServerFailed,
    TaskFailed,
    Unauthenticated,
    UnexpectedAnswer,
    Unreachable,
)
from kinetoscope.client.asking import shown
from kinetoscope.client.surroundings import KEY, URL, stated

HERE, USAGE, REFUSED, FAILED, UNREACHABLE, INTERRUPTED = 1, 2, 3, 4, 5, 130

NO_PATH = "Not Found"
"""How servers, ours too, refuse a path that they do not have."""

Key = Annotated[
    str | None,
    typer.Option(
        envvar="KINETOSCOPE_KEY",
        show_default=False,
        help="Your API key. `ps` shows it to others on this machine; KINETOSCOPE_KEY is not shown.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="KINETOSCOPE_URL",
        show_default=False,
        help="Where the server is; http://127.0.0.1:8000 unless told.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")
]
Local = Annotated[
    bool,
    typer.Option("--local", help="Act on this machine's own deployment instead, as its operator."),
]


def say(text: str) -> None:
    """Tell a person something: on stderr, so that stdout holds results only."""
    sys.stderr.write(f"{text}\n")


def fail(
    message: str, code: int, *, as_json: bool = False, kind: str = "Usage", **data: Written
) -> typer.Exit:
    """Say what went wrong, and end."""
    if as_json:
        typer.echo(write_json({"error": {"kind": kind, "message": message, **data}}))
    say(f"kinetoscope: {message}")
    return typer.Exit(code)


@contextmanager
def connected(
    key: str | None, url: str | None, *, as_json: bool = False, retries: int = 2
) -> Iterator[Kinetoscope]:
    """Lend a client; what it raises ends the command with a sentence and a status.

    What must not happen twice has no `retries`; what makes a task has many, for it cannot.
    """
    address = ""
    try:
        with Kinetoscope(key, url, retries=retries) as client:
            address = shown(client.url)
            yield client
    except ClientError as caught:
        error = in_our_words(caught, key, url, address)
        if as_json:
            typer.echo(write_json({"error": error_json(error)}))
        raise fail(told(error), code_of(error)) from None
    except OSError as error:
        raise fail(str(error), HERE, as_json=as_json, kind="OSError") from None


def in_our_words(error: ClientError, key: str | None, url: str | None, at: str = "") -> ClientError:
    """Return an error that says with which option to mend it, and who does not answer `at`.

    The client knows variables only, and takes any server's 404 for a Kinetoscope's.
    """
    match error:
        case Misconfigured():
            text = str(error)
            for variable, option, given in ((KEY, "--key", key), (URL, "--url", url)):
                # Typer gives what the variable says, too.
                if given and given.strip() != stated(variable).strip():
                    text = text.replace(f"look at {variable}", f"look at {option}")
            return error if text == str(error) else Misconfigured(text)
        case NotFound() if _is_nobodys(error):
            name = URL if url and url.strip() == stated(URL).strip() else "--url"
            return UnexpectedAnswer(f"no Kinetoscope answers at {at}; look at {name}")
        case _:
            return error


def _is_nobodys(error: NotFound) -> bool:
    """Whether whoever answered has nothing at the path, rather than no such model or task."""
    return error.task_id is None and error.body.get("message", NO_PATH) == NO_PATH


def code_of(error: ClientError) -> int:
    """Return the status that a command ends with."""
    match error:
        case Misconfigured():
            return USAGE
        case TaskFailed():
            return FAILED
        case ServerFailed() | Unreachable() | UnexpectedAnswer() | DownloadFailed():
            return UNREACHABLE
        case Refused():
            return REFUSED
        case _:
            return HERE


def told(error: ClientError) -> str:
    """Say what went wrong, and what may help."""
    text = str(error)
    match error:
        case Unauthenticated():
            text = f"{error}. Set KINETOSCOPE_KEY, or give --key."
        case InsufficientCredits():
            whose = "the key may spend" if isinstance(error, KeySpent) else "are available"
            required, available = credits_text(error.required), credits_text(error.available)
            text = f"{error}: it takes {required} credits, and {available} {whose}."
        case ConcurrencyLimit():
            text = (
                f"{error.current} of {error.limit} tasks run already. Wait until one has ended, "
                "or give --wait-for-room SECONDS."
            )
        case InvalidRequest() if error.issues:
            lines = "".join(f"\n  {issue.text}" for issue in error.issues)
            text = f"{error.message}:{lines}"
        case NotFound() if "nearest" in error.body and not error.nearest:
            text = f"{error}; `kinetoscope models` lists them"
        case Unreachable():
            text = f"{error}. Is it running? KINETOSCOPE_URL or --url says where it is."
        case _:
            pass
    how = _about(error)
    return f"{text.rstrip('.')}. {how}" if how else text


def _about(error: ClientError) -> str:
    """Say how to look for the task that was made, or may have been."""
    match error:
        case TaskFailed():
            return ""
        case ServerFailed() if error.body.get("taskId") == error.task_id is not None:
            return f"It may have been made: `kinetoscope tasks show {error.task_id}` tells"
        case DownloadFailed() if error.task_id is not None:
            return f"It is there: `kinetoscope tasks download {error.task_id}`"
        case _ if error.task_id is not None:
            return f"`kinetoscope tasks show {error.task_id}` tells how it stands"
        case _ if error.may_have_worked and error.idempotency_key is not None:
            return "Look before you do it again: `kinetoscope tasks list`"
        case _:
            return ""


def error_json(error: ClientError) -> dict[str, Written]:
    """Return an error for --json; amounts are exact."""
    data: dict[str, Written] = {"kind": type(error).__name__, "message": str(error)}
    match error:
        case InsufficientCredits():
            data |= {"required": error.required, "available": error.available}
        case ConcurrencyLimit():
            data |= {"limit": error.limit, "current": error.current}
        case InvalidRequest():
            data["issues"] = [issue.text for issue in error.issues]
        case TaskFailed():
            data |= {"code": error.code, "message": error.message}
        case _:
            pass
    if error.task_id is not None:
        data["taskId"] = error.task_id
    if error.may_have_worked and error.idempotency_key is not None:
        data["idempotencyKey"] = error.idempotency_key
    return data
