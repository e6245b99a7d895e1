"""One way to log: structured events to standard error, without secrets."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

KEY_TEXT = re.compile(r"kino_(live|test|demo)_[0-9A-Za-z]{12}_[0-9A-Za-z]+")


def redact_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut API keys out of every text, should one ever get this far."""
    for name, value in event.items():
        if isinstance(value, str) and "kino_" in value:
            event[name] = KEY_TEXT.sub(r"kino_\1_…", value)
    return event


def configure_logging(*, as_json: bool, level: str) -> None:
    """Set logging up for this process: JSON lines, or colours at a terminal."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact_keys,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact_keys,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
