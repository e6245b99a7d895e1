"""One way to log: structured events to standard error, without secrets."""

import contextlib
import io
import logging
import re
import sys
from collections.abc import Callable
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger
from typing_extensions import override

SECRETS = (
    (re.compile(r"kino_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]+"), r"kino_\1_…"),
    (re.compile(r"whsec_[0-9A-Za-z+/=_-]+"), "whsec_…"),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"'\\]{6,}", re.IGNORECASE), r"\1 …"),
    (
        re.compile(r"([?&][a-z_-]*(?:key|secret|signature|token)=)[^\s&\"'\\]+", re.IGNORECASE),
        r"\1…",
    ),
    (re.compile(r"\b(password=)[^\s&\"'\\]+", re.IGNORECASE), r"\1…"),
    (re.compile(r"://([^\s/@:\"'\\]*):[^\s/@\"'\\]+@"), r"://\1:…@"),
)
"""What secrets look like, and what a line shows in their place."""

Renderer = Callable[[WrappedLogger, str, EventDict], str | bytes]


def redact(text: str) -> str:
    """Cut out whatever looks like a secret, should one ever get this far."""
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text


def redacting(renderer: Renderer) -> Renderer:
    """Redact the whole line, so that nothing hides in names, lists or tracebacks."""

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        line = renderer(logger, method, event)
        return redact(line if isinstance(line, str) else line.decode())

    return render


def without_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave of a database's refusal what was wrong, and cut the row that was refused.

    PostgreSQL quotes it in the error's details, with prompts and addresses.
    """
    stated = event.get("exc_info")
    found = sys.exc_info()[1] if stated is True else stated
    waiting = [found[1] if isinstance(found, tuple) else found]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        primary = getattr(getattr(error, "diag", None), "message_primary", None)
        if primary:
            error.args = (primary,)
        waiting += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
    return event


class StandardError(io.TextIOBase):
    """Standard error as it is at the moment of writing, whoever has redirected it meanwhile."""

    @override
    def write(self, text: str, /) -> int:
        """Write a text; what nobody can read any more, as on a closed terminal, is no error."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    @override
    def flush(self) -> None:
        """Write out what waits."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure_logging(*, as_json: bool, level: str) -> None:
    """Set logging up for this process: JSON lines, or colours at a terminal."""
    stream = cast("TextIO", StandardError())
    renderer = redacting(
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_values,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_values,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
