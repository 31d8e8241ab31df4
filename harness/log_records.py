"""Makes log records harmless before any handler writes them: they quote guests and servers.

pytest, the command line and users bring handlers of their own, so this is done to the records.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from harness.model.escapes import printable

# Ours, and those of libraries that log what servers answer.
_LOGGERS = ("harness", "httpx", "httpcore", "paramiko")


@contextmanager
def inert_records() -> Iterator[None]:
    """Remove terminal escapes from the records of our loggers while this is open."""
    usual = logging.getLogRecordFactory()

    def make(*args: object, **names: object) -> logging.LogRecord:
        record = usual(*args, **names)
        return _inert(record) if record.name.partition(".")[0] in _LOGGERS else record

    logging.setLogRecordFactory(make)
    try:
        yield
    finally:
        if logging.getLogRecordFactory() is make:
            logging.setLogRecordFactory(usual)


def _inert(record: logging.LogRecord) -> logging.LogRecord:
    try:
        record.msg, record.args = printable(record.getMessage()), ()
    except (TypeError, ValueError):
        return record  # a wrong format, which the handler reports with its place
    if record.exc_info and record.exc_info[0] is not None:
        trace = "".join(traceback.format_exception(*record.exc_info))
        record.exc_text = printable(trace.rstrip("\n"))
    return record
