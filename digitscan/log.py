"""The log of a run, one line an event: text for people, JSON for programs."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from digitscan.errors import NoInputError, OutputError, UsageError
from digitscan.schema import LogFormat, PageFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from digitscan.schema import PageResult

    Value = str | int | float | list[str] | None

_MOST_BYTES = 10_000_000
_OLD_FILES = 5

_logger = logging.getLogger("digitscan")
_logger.addHandler(logging.NullHandler())  # Without a log nothing is said.


def start(path: Path | None, form: LogFormat, show: Callable[[str], None] | None) -> None:
    """From now on write events to a file, if there is a path, and call `show`, if it is given: it gets every page.

    The file is appended to. It never grows beyond 10 MB: then it becomes `PATH.1`, and so on up to `PATH.5`. What can't
    be written to it later, as on a full disk, is left out: the report counts more than its log.

    Raises:
        OutputError: The file can't be opened.
    """
    logging.raiseExceptions = False
    _logger.setLevel(logging.DEBUG if show else logging.INFO)
    _logger.propagate = False
    for handler in _logger.handlers[1:]:
        _logger.removeHandler(handler)
        with suppress(OSError):  # What a full disk didn't take.
            handler.close()
    if path:
        from logging.handlers import RotatingFileHandler

        try:
            file = RotatingFileHandler(path, maxBytes=_MOST_BYTES, backupCount=_OLD_FILES, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"the log {path} can't be written: {error.strerror or error}") from error
        file.setFormatter(_Json() if form is LogFormat.JSON else _Text())
        _logger.addHandler(file)
    if show:
        shown = _Shown(show)
        shown.setFormatter(_Text())
        _logger.addHandler(shown)


def event(name: str, level: int = logging.INFO, /, **fields: Value) -> None:
    """Log an event and what belongs to it."""
    _logger.log(level, name, extra={"fields": fields})


def page(read: PageResult) -> None:
    """Log a page: one that could not be read as a warning, others for those who want to see all."""
    if isinstance(read, PageFailure):
        event("unreadable", logging.WARNING, file=read.file, page=read.page, message=read.message)
    else:
        seconds = round(read.seconds, 3)
        event("read", logging.DEBUG, file=read.file, page=read.page, numbers=len(read.numbers), seconds=seconds)


def failure(message: str, exit_code: int) -> None:
    """Log what ended the run."""
    event("stopped", logging.ERROR, exit=exit_code, message=message)


def read_events(path: Path, name: str) -> Iterator[dict[str, Value]]:
    """The events of this name in a log of JSON lines, in order, with all their fields.

    Raises NoInputError where it can't be read, UsageError where it is something else.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                found = json.loads(line)
                if found["event"] == name:
                    yield found
    except OSError as error:
        raise NoInputError(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} is no log of digitscan classify --log-format json") from error


class _Shown(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(self.format(record))


class _Text(logging.Formatter):
    """`2026-11-24T02:30:00+0100 INFO summary pages=3 ...`; text that isn't plain is quoted as in JSON."""

    def format(self, record: logging.LogRecord) -> str:
        pairs = (f"{name}={_plain(value)}" for name, value in _fields(record).items())
        return " ".join((_time(record), record.levelname, record.getMessage(), *pairs))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        head = {"time": _time(record), "level": record.levelname, "event": record.getMessage()}
        return json.dumps(head | _fields(record))


def _fields(record: logging.LogRecord) -> dict[str, Value]:
    fields: dict[str, Value] = record.__dict__["fields"]
    return fields


def _time(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.created))


def _plain(value: Value) -> str:
    is_plain = isinstance(value, int | float) or (isinstance(value, str) and value.isascii() and value.isprintable())
    return str(value) if is_plain and not set(str(value)) & set(' "=') and value != "" else json.dumps(value)
