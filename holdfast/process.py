"""What every process that serves does alike: compile, tune Python, encrypt.

venue, joined gateway → PROCESS
"""

import ctypes
import gc
import ssl
import sys
import time
from pathlib import Path
from typing import Protocol

import structlog

from holdfast.directory.master_key import master_key_path
from holdfast.engine.engine import Engine
from holdfast.errors import StartError
from holdfast.gateway.binance.lane import replies, requests
from holdfast.gateway.line import form, reports, run
from holdfast.gateway.server.certificates import development_certificate, expires_ts_s
from holdfast.gateway.server.tls import server_context

log = structlog.get_logger()

IMAGE_SECONDS = 0.1  # Depth images, candles and tickers on streams.
HOUSEKEEPING_SECONDS = 0.05
STOP_SECONDS_MAX = 1.5  # For clients who do not answer a close; what is in hand takes milliseconds.
SWITCH_SECONDS = 0.0005  # The longest that another thread waits for Python's lock.
GC_THRESHOLDS = (20_000, 20, 50)
KEPT_BYTES = 256 * 2**20  # Freed memory that is kept: having it given anew takes longer than what it is for.
KEPT_PIECE_BYTES = 32 * 2**20  # The most that every glibc allows; what is larger comes from the system each time.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # Of <malloc.h>.


class Encryption(Protocol):
    """What a person said about TLS."""

    @property
    def host(self) -> str: ...
    @property
    def tls(self) -> bool: ...
    @property
    def tls_certificate(self) -> Path | None: ...
    @property
    def tls_key(self) -> Path | None: ...


def warm_up() -> None:
    """Compile every kernel, or load it from the cache."""
    Engine.warm_up()
    requests.warm_up()
    replies.warm_up()
    form.warm_up()
    run.warm_up()
    reports.warm_up()


def settle() -> None:
    """Tune Python for what follows, now that everything is loaded; see docs/performance.md."""
    sys.setswitchinterval(SWITCH_SECONDS)
    keep_freed_memory()
    gc.collect()
    gc.freeze()  # The compiler and the libraries: every full collection would visit all of it.
    gc.set_threshold(*GC_THRESHOLDS)


def keep_freed_memory() -> None:
    """Have the C library give memory that was freed to whoever asks next, and not back to the system."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # Only glibc has it.
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, KEPT_PIECE_BYTES)


def tls_of(options: Encryption, venue_id: str) -> tuple[ssl.SSLContext | None, int]:
    """The server's context and when its certificate ends, in seconds since 1970. Raises StartError."""
    if not options.tls:
        return None, 0
    certificate, key = options.tls_certificate, options.tls_key
    if certificate is None or key is None:
        made = development_certificate(master_key_path(venue_id).parent / "tls", [options.host], time.time())
        certificate, key = made.certificate, made.key
        log.info("development certificate", authority=str(made.authority))
    try:
        return server_context(certificate, key), expires_ts_s(certificate)
    except (OSError, ValueError) as error:
        raise StartError(f"The TLS certificate {certificate} cannot be used: {error}.") from error
