"""Turns what was read on the pages into rows, and the rows into a CSV or a pandas DataFrame."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import stat
import sys
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from decimal import ROUND_FLOOR, Decimal
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from digitscan.errors import DigitscanError, Interrupted, NoInputError, OutputError, PageError, UsageError
from digitscan.lock import real_target
from digitscan.schema import COLUMNS, FORM_COLUMNS, FORM_ENDING, Box, PageFailure, Per, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from types import TracebackType

    import pandas as pd

    from digitscan.schema import PageNumbers, Settings

    _ErrorInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

Row = tuple[str | int | float | None, ...]
"""Cells in the order of the columns; None where a page has no digits to speak of."""

_BOM = b"\xef\xbb\xbf"

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")
"""What OWASP's page on CSV injection names, signs also in full width, and the apostrophe that disarms them."""

_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?")
"""A number, which no spreadsheet runs."""

_NOT_UTF8 = re.compile(r"\\u(dc[89a-f][0-9a-f])")

_SPECIAL = re.compile(r'[,"\r\n]')

_TEXT = ("mode.string_storage", "python")
"""Option of pandas: keeps text as Python does. Arrow, which it takes where that is installed, has no text but UTF-8."""

_DTYPES = {
    **dict.fromkeys(("page", "line", "number", "position", "x", "y", "width", "height"), "Int64"),
    **dict.fromkeys(("file", "text", "lines", "status", "message"), "str"),
    "confidence": "float64",
}


FIELD_COLUMNS = (*COLUMNS[Per.NUMBER], "field")
"""Columns of a table with one row a field of a form, for the review page."""


def columns(settings: Settings) -> tuple[str, ...]:
    """The columns of the report: those of `COLUMNS`, or, for forms, a column a field and perhaps its confidence."""
    if not settings.fields:
        return COLUMNS[settings.per]
    sure = (confidence_column(name) for name in settings.fields if settings.confidences)
    return *FORM_COLUMNS, *settings.fields, *sure, *FORM_ENDING


def confidence_column(field: str) -> str:
    """The column with a field's confidence."""
    return f"{field}_confidence"


def dtypes(settings: Settings) -> dict[str, str]:
    """The columns of the report and the pandas dtype of each."""
    sure = set(map(confidence_column, settings.fields))
    return {name: "float64" if name in sure else _DTYPES.get(name, "str") for name in columns(settings)}


def rows(page: PageNumbers | PageFailure, settings: Settings) -> list[Row]:
    """Makes the rows of one page, at least one, with the columns that `columns` gives.

    A row's confidence is that of its number, of its digit, or the least of its page. Its status is `review` where
    that is below `settings.min_confidence`. It is cut, not rounded, to four decimals: 1.0 means no doubt at all, and
    a row never shows a confidence that it was sent to review for not having.
    """
    cells = {Per.NUMBER: _number_cells, Per.DIGIT: _digit_cells, Per.PAGE: _page_cells}[settings.per]
    return _rows(page, settings, columns(settings), _form_cells if settings.fields else cells)


def field_rows(page: PageNumbers | PageFailure, settings: Settings) -> list[Row]:
    """Makes a row a field of a form that was read, with the columns `FIELD_COLUMNS`; one for any other page."""
    return _rows(page, settings, FIELD_COLUMNS, _number_cells)


_Cells = dict[str, str | int | float | None]


def _rows(
    page: PageNumbers | PageFailure,
    settings: Settings,
    names: Sequence[str],
    cells: Callable[[PageNumbers, Settings], Iterable[_Cells]],
) -> list[Row]:
    if isinstance(page, PageFailure):
        return [_row(page, names, {"status": Status.ERROR, "message": page.message})]
    if not page.numbers:
        return [_row(page, names, {"status": Status.EMPTY})]
    return [_row(page, names, row) for row in cells(page, settings)]


def _row(page: PageNumbers | PageFailure, names: Sequence[str], cells: _Cells) -> Row:
    blank: _Cells = {"file": page.file, "page": page.page, "text": "", "lines": "", "message": ""}
    return tuple((blank | cells).get(column) for column in names)


def _number_cells(page: PageNumbers, settings: Settings) -> Iterator[_Cells]:
    for number in page.numbers:
        place: _Cells = {"line": number.line, "number": number.number, "text": number.text}
        cells = place | _certainty(number.confidence, settings) | _place(number.box)
        if number.field:
            cells |= {"field": number.field.name, "message": number.field.problem}
            cells |= {"status": Status.REVIEW} if number.field.problem else {}
        yield cells


def _digit_cells(page: PageNumbers, settings: Settings) -> Iterator[_Cells]:
    for number in page.numbers:
        for position, digit in enumerate(number.digits, 1):
            place: _Cells = {"line": number.line, "number": number.number, "position": position, "text": digit.text}
            yield place | _certainty(digit.confidence, settings) | _place(digit.box)


def _page_cells(page: PageNumbers, settings: Settings) -> Iterator[_Cells]:
    lines = groupby(page.numbers, key=lambda number: number.line)
    text = "|".join(" ".join(number.text for number in line) for _, line in lines)
    cells: _Cells = {"lines": text}
    yield cells | _certainty(min(number.confidence for number in page.numbers), settings)


def _form_cells(page: PageNumbers, settings: Settings) -> Iterator[_Cells]:
    """One row: the page's confidence is that of its least certain field."""
    fields = [(number.field, number.confidence) for number in page.numbers if number.field]
    sure = {confidence_column(field.name): _cut(confidence) for field, confidence in fields}
    is_doubtful = any(number.is_doubtful(settings.min_confidence) for number in page.numbers)
    yield {
        **sure,
        **{field.name: field.text for field, _ in fields},
        "form": page.form,
        "confidence": _cut(min(confidence for _, confidence in fields)),
        "status": Status.REVIEW if is_doubtful else Status.OK,
        "message": "; ".join(field.problem for field, _ in fields if field.problem),
    }


def _place(box: Box) -> _Cells:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def _certainty(confidence: float, settings: Settings) -> _Cells:
    return {"confidence": _cut(confidence), "status": _status(confidence, settings)}


def _cut(confidence: float) -> float:
    # Decimal, because 0.57 * 10000 is less than 5700.
    return float(Decimal(repr(float(confidence))).quantize(Decimal("0.0001"), ROUND_FLOOR))


def _status(confidence: float, settings: Settings) -> Status:
    return Status.REVIEW if confidence < settings.min_confidence else Status.OK


def frame(pages: Iterable[PageNumbers | PageFailure], settings: Settings) -> pd.DataFrame:
    """Makes a DataFrame with the report's columns.

    Text is str, so that leading zeros stay, and empty where there is none. Counts and boxes are Int64, with NA where
    the page has no digits or couldn't be read; `confidence` is float64, with NaN there.
    """
    import pandas as pd

    with pd.option_context(*_TEXT):
        names = columns(settings)
        table = pd.DataFrame([row for page in pages for row in rows(page, settings)], columns=list(names))
        return table.astype(dtypes(settings))


@dataclass(slots=True)
class Summary:
    """Counts what a run has read, the same whatever a row stands for."""

    pages: int = 0
    """All pages that came, readable or not. A file that couldn't be opened is one."""
    numbers: int = 0
    digits: int = 0
    review: int = 0
    """Numbers below `Settings.min_confidence`."""
    empty: int = 0
    """Pages without digits."""
    errors: int = 0
    """Pages that couldn't be read."""

    def add(self, page: PageNumbers | PageFailure, settings: Settings) -> None:
        """Counts one page."""
        self.pages += 1
        if isinstance(page, PageFailure):
            self.errors += 1
            return
        self.empty += not page.numbers
        self.numbers += len(page.numbers)
        self.digits += sum(len(number.digits) for number in page.numbers)
        self.review += sum(number.is_doubtful(settings.min_confidence) for number in page.numbers)

    def join(self, other: Summary) -> None:
        """Counts what another has counted."""
        for count in fields(self):
            setattr(self, count.name, getattr(self, count.name) + getattr(other, count.name))

    def counts(self, seconds: float) -> dict[str, int | float]:
        """What a program that watches over runs wants to know, by name."""
        return {
            "pages": self.pages,
            "numbers": self.numbers,
            "review": self.review,
            "empty": self.empty,
            "errors": self.errors,
            "seconds": round(seconds, 1),
        }

    @property
    def exit_code(self) -> int:
        """0, or that of `PageError` when some pages failed."""
        return PageError.exit_code if self.errors else 0


class ReaderGone(DigitscanError):  # noqa: N818 (nothing is wrong)
    """Whoever read the output, such as `head`, has closed it. Nothing needs saying."""

    exit_code = 0


class CsvReport:
    r"""Writes pages as CSV, in a `with` block: to a file as a whole or not at all, or to stdout page by page.

    A file is written beside `output` under a temporary name and put in its place, with its owner and permissions,
    when the block ends without an exception. Otherwise the old file stays as it was. There may be one report with the
    same `output` at a time, see `lock.py`; what killed processes left is removed. If the user stopped the run,
    what was finished is kept as `output` + `.partial` (which the next complete report removes). What isn't a regular
    file, such as `/dev/null` or a FIFO, is written directly.

    The CSV is UTF-8 with `\n` at the end of a line, and always valid: bytes of a file name that aren't UTF-8 appear
    as `\udcXX`, because one odd name must not make the report unreadable for other programs. Text that a spreadsheet
    would run as a formula gets a leading apostrophe, as OWASP advises; so does text that begins with an apostrophe,
    so that taking one away gives the text back in every case.

    Raises:
        OutputError: The output can't be written (from the `with` statement, `add`, or the end of the block).
        ReaderGone: Whoever read the output has closed it.
        Interrupted: In place of a KeyboardInterrupt in the block; the message says what was kept.
    """

    def __init__(self, output: str | None, settings: Settings, *, excel: bool = False) -> None:
        """Prepares a report that goes to the file `output`, or to stdout for None and "-"; `excel` adds the BOM."""
        self.summary = Summary()
        self._output = None if output == "-" else output
        self._settings = settings
        self._head = csv_head(settings, excel=excel)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stream = self._stack.enter_context(_sink(self._output))
        self._stack.push(self._end)
        return self

    def __exit__(self, *error: *_ErrorInfo) -> bool | None:
        return self._stack.__exit__(*error)

    def add(self, page: PageNumbers | PageFailure) -> None:
        """Writes the rows of one page through to the output, and counts it."""
        self._write(csv_bytes(rows(page, self._settings)))
        self.summary.add(page, self._settings)

    def _write(self, data: bytes) -> None:
        """Writes `data`, and before it the head if that is due: a run that finds nothing to read prints nothing."""
        with _output_errors(self._output):
            self._stream.write(self._head + data)
            self._stream.flush()
        self._head = b""

    def _end(self, *error: *_ErrorInfo) -> None:
        if error[0] is None:
            self._write(b"")


def write_table(path: Path | str | None, head: Row, table: Iterable[Row], *, excel: bool = False) -> None:
    """Writes another table as CSV, to a file as a whole or not at all, or to stdout for None and "-".

    `excel` adds the BOM. Raises OutputError.
    """
    output = None if path in (None, "-") else str(path)
    with _sink(output) as stream, _output_errors(output):
        stream.write((_BOM if excel else b"") + csv_bytes([head, *table]))
        stream.flush()


def write_file(path: Path, content: bytes) -> None:
    """Writes a file as a whole or not at all. Raises OutputError."""
    with _replaced(path) as stream, _output_errors(str(path)):
        stream.write(content)
        stream.flush()


def csv_head(settings: Settings, *, excel: bool = False) -> bytes:
    """What a report begins with: the names of its columns, after the BOM for Excel."""
    return (_BOM if excel else b"") + csv_bytes([columns(settings)])


def csv_bytes(table: Iterable[Row]) -> bytes:
    """Rows as a report has them."""
    text = "".join(",".join(_cell(cell) for cell in row) + "\n" for row in table)
    return text.encode("utf-8", "backslashreplace")


def cell_text(cell: str | int | float | None) -> str:
    """What is written for a cell, before a comma or a quote in it makes the CSV quote it."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4f}"
    text = str(cell)
    return "'" + text if text.startswith(_FORMULA) and not _NEGATIVE.fullmatch(text) else text


def _cell(cell: str | int | float | None) -> str:
    text = cell_text(cell)
    # Not csv.writer: before Python 3.13 it leaves a carriage return without quotes, and readers see a new row.
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def read_report(path: Path, kinds: Collection[Per] = (Per.NUMBER,), *, forms: bool = False) -> pd.DataFrame:
    """Reads a report with rows of one of these kinds, in the file's order; all cells as `plain_text`.

    With `forms`, a report of forms is one, too. Other columns than the report's may follow them. `attrs["excel"]` says
    whether it begins with the BOM. Raises NoInputError where the file can't be read, and UsageError where it isn't
    such a report.
    """
    import pandas as pd

    pd.set_option(*_TEXT)  # Also for whatever is made of the table: it goes to a command, not to a user's program.
    try:
        content = path.read_bytes()
        table = pd.read_csv(BytesIO(content), dtype=str, na_filter=False, encoding="utf-8-sig")
        if not isinstance(table.index, pd.RangeIndex):
            raise ValueError("rows with more cells than there are columns")
    except OSError as error:
        raise NoInputError(f"{path} can't be read: {error.strerror or error}") from error
    except ValueError as error:  # Those of pandas and of decoding are ValueErrors.
        raise UsageError(f"{path} is not a whole CSV file in UTF-8; give a report of digitscan classify") from error
    is_form = tuple(table.columns[: len(FORM_COLUMNS)]) == FORM_COLUMNS and {*FORM_ENDING} < {*table.columns}
    if is_form and not forms:
        raise UsageError(f"{path} has a row a form; for its fields call digitscan classify --form FORM --review FILE")
    if not is_form and not any(tuple(table.columns[: len(COLUMNS[per])]) == COLUMNS[per] for per in kinds):
        names = " or ".join(kinds)
        raise UsageError(f"{path} doesn't have one row a {names}; give a report of digitscan classify --per {names}")
    table = table.map(plain_text)
    table.attrs["excel"] = content.startswith(_BOM)
    return table


def plain_text(cell: str) -> str:
    """What a cell of a report stands for: nothing that disarms it, and bytes that aren't UTF-8 as Python has them."""
    return _NOT_UTF8.sub(lambda match: chr(int(match[1], 16)), cell.removeprefix("'"))


def _sink(output: str | None) -> AbstractContextManager[BinaryIO]:
    """Where the report goes; leaving the context finishes it, or clears up if there was an exception."""
    if output is None:
        return _stdout()
    path = Path(output)
    with _output_errors(output):
        if path.exists() and not path.is_file() and not path.is_dir():
            return _direct(path)
        target = real_target(path)
        for left in target.parent.glob(_temporary_name(glob.escape(target.name), "[0-9a-f]" * 16)):
            left.unlink(missing_ok=True)  # By a run that was killed: the caller sees to it that there is no other.
    return _replaced(path)


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    try:
        yield sys.stdout.buffer
    except (KeyboardInterrupt, Interrupted) as stop:
        raise Interrupted("stopped; the pages finished so far have been printed") from stop
    except ReaderGone:
        # What is left in the buffer is flushed at the interpreter's end, and mustn't fail there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def _direct(path: Path) -> Iterator[BinaryIO]:
    with _output_errors(str(path)):
        stream = path.open("wb")
    try:
        yield stream
    except (KeyboardInterrupt, Interrupted) as stop:
        raise Interrupted(f"stopped; the pages finished so far have been written to {path}") from stop
    finally:
        with suppress(OSError):  # Every page was flushed: an error has been raised already.
            stream.close()


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    target = real_target(path)
    temporary = target.with_name(_temporary_name(target.name, secrets.token_hex(8)))
    partial = target.with_name(target.name + ".partial")
    with _output_errors(str(path)):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        stream = temporary.open("xb")
    try:
        with _output_errors(str(path)):
            _take_over(target, temporary)
        yield stream
        with _output_errors(str(path)):
            os.fsync(stream.fileno())
            stream.close()
            temporary.replace(target)
            _sync_folder(target.parent)
            partial.unlink(missing_ok=True)
    except (KeyboardInterrupt, Interrupted) as stop:
        with _output_errors(str(partial)):
            stream.close()
            raise Interrupted(_keep(temporary, partial)) from stop
    finally:
        with suppress(OSError):  # On a full disk there may be a rest that can't be flushed.
            stream.close()
        temporary.unlink(missing_ok=True)


def _temporary_name(name: str, token: str) -> str:
    return f".{name}.{token}.tmp"


def _sync_folder(folder: Path) -> None:
    """Has the disk know the new name too, before anyone is told that the file is there."""
    with suppress(OSError):  # Windows and some network folders can't.
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _take_over(target: Path, temporary: Path) -> None:
    """Gives `temporary` the owner and the permissions of `target`; if that is new, the usual ones are right."""
    with suppress(FileNotFoundError):
        status = target.stat()
        if hasattr(os, "chown"):
            with suppress(PermissionError):  # Only root can give files away.
                os.chown(temporary, status.st_uid, status.st_gid)
        temporary.chmod(stat.S_IMODE(status.st_mode))


def _keep(temporary: Path, partial: Path) -> str:
    """Puts what was finished beside the report, and says so."""
    if not temporary.exists():  # Stopped when the report was in its place already.
        return "stopped; the report was finished"
    if temporary.stat().st_size == 0:
        return "stopped before the first page was finished; the report is as it was"
    temporary.replace(partial)
    return f"stopped; the pages finished so far are kept in {partial}, the report is as it was"


@contextmanager
def _output_errors(output: str | None) -> Iterator[None]:
    """Turns the system's errors into those that a caller of `CsvReport` expects."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone(output or "stdout") from error
    except OSError as error:
        raise OutputError(f"{output or 'stdout'} can't be written: {error.strerror or error}") from error
