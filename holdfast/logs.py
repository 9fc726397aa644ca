"""Structured logs: one JSON object a line, in the data directory (of a joined gateway: on stderr), without secrets.

What a person should see at the terminal is printed by `holdfast.progress`; the log is for machines and for afterwards.
Keys whose names speak of secrets are blanked whatever they hold.
"""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog
from structlog.typing import EventDict, WrappedLogger

LOG_FILE = "venue.log"
LOG_BYTES_MAX = 20 * 1024 * 1024
LOG_FILES_KEPT = 5
_SECRET_WORDS = ("secret", "token", "signature", "password", "master", "private", "api_key", "authorization")


def configure(data: Path) -> None:
    """Log into DIR/venue.log from now on; before the directory exists, to nowhere."""
    handler = RotatingFileHandler(data / LOG_FILE, maxBytes=LOG_BYTES_MAX, backupCount=LOG_FILES_KEPT, delay=True)
    _configure(handler)


def configure_stderr() -> None:
    """Log to stderr from now on: a joined gateway writes nothing into the venue's directory."""
    _configure(logging.StreamHandler())


def _configure(handler: logging.Handler) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank every value whose key speaks of a secret."""
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "***"
    return event
