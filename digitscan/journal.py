"""What has been read for a report, beside it: for runs that read only what is new, and go on where one was stopped.

The journal of `report.csv` is `.report.csv.digitscan`, an SQLite database. A file of its own, because the report stays
a plain CSV that appears whole; SQLite, because its transactions outlive whatever stops a run: with a write-ahead log a
finished page survives the death of the process at once, without waiting for the disk, and a power cut costs the last
pages at most. It holds what was read, not the rows: the report is written anew by every run, in the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from digitscan import __version__
from digitscan.errors import OutputError, UsageError
from digitscan.lock import real_target
from digitscan.schema import Box, Digit, FieldValue, Number, PageFailure, PageNumbers, PageResult, Rest
from digitscan.sources import Stamp, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from digitscan.schema import Settings, Source

_VERSION = 1
"""Of the tables."""

_TABLES = """
CREATE TABLE IF NOT EXISTS file (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, -- nanoseconds
    sha256 TEXT NOT NULL, -- empty without --checksum
    reader TEXT NOT NULL, -- what its pages were read with
    complete INTEGER NOT NULL DEFAULT 0,
    place INTEGER, -- in the last report
    UNIQUE (path, complete) -- while a changed file is read, what was read before is kept
);
CREATE TABLE IF NOT EXISTS page (
    file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE,
    number INTEGER NOT NULL,
    failed INTEGER NOT NULL, -- 1, or 2 where another try may succeed
    content TEXT NOT NULL, -- JSON: numbers, or what is wrong
    PRIMARY KEY (file, number)
) WITHOUT ROWID;
CREATE TEMP TABLE reported (path BLOB PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX temp.reported_place ON reported (place);
CREATE TEMP TABLE closed (folder BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file that is being read."""

    id: int
    path: bytes
    stamp: Stamp


class Journal:
    """The journal of a report, in a `with` block, for one run.

    A file counts as known while its size and modification time are the same, or its SHA-256 with `checksum`, and it
    was read with the same model, version and settings. What failed for no fault of the file is always tried again.

    Raises:
        UsageError: The report goes to no regular file.
        OutputError: The journal can't be read or written (from any method).
    """

    def __init__(
        self, output: str | None, settings: Settings, reader: str, *, checksum: bool = False, prune: bool = False
    ) -> None:
        """`output` is the report, `reader` says what the pages are read with; `prune` forgets vanished files."""
        path = real_target(Path(output or "-"))
        if output in (None, "-") or (path.exists() and not path.is_file()):
            raise UsageError("--resume needs a report that is a file: -o FILE")
        self._path = path.with_name(f".{path.name}.digitscan")
        parts = (__version__, reader, settings.layout, settings.rotate, settings.dpi, settings.max_pixels)
        self._reader = hashlib.sha256(repr(parts).encode()).hexdigest()
        self._checksum = checksum
        self._prune = prune
        self._place = 0
        self._under_way: dict[str, _Entry] = {}

    def __enter__(self) -> Self:
        with self._errors():
            self._database = sqlite3.connect(self._path, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._errors():
            self._database.close()

    def _prepare(self) -> None:
        # The report's lock keeps others away; without the memory that they would share, network folders do as well.
        self._run("PRAGMA locking_mode = EXCLUSIVE")
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = NORMAL")
        self._run("PRAGMA foreign_keys = ON")
        (version,) = self._run("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise OutputError(f"{self._path} is of another version of digitscan; delete it to read everything again")
        self._database.executescript(_TABLES)
        self._run(f"PRAGMA user_version = {_VERSION}")

    def resume(
        self,
        found: Iterable[str | PageFailure],
        read: Callable[[Iterator[Source]], Generator[PageResult]],
    ) -> Generator[PageResult]:
        """Every page of the report, in order, of which only the new and the changed ones are read.

        First those of the files that were found, in that order, then those of files that were read once and have
        vanished, in the order of the last report; with `prune` these are dropped, unless their folder can't be listed.

        Args:
            found: Files, and failures to be handed on, as `files.find_pages` gives them.
            read: Reads what is left to read, and hands on what is a result already, as `scan.scan` does.
        """
        with self._errors():
            with closing(read(self._sources(found))) as pages:
                for page in pages:
                    self._record(page)
                    yield page
            self._complete_before(None)
            if self._prune:
                self._forget_vanished()
            yield from self._vanished()
            self._finish()

    # --- before a file is read ---

    def _sources(self, found: Iterable[str | PageFailure]) -> Iterator[Source]:
        for item in found:
            if isinstance(item, PageFailure):
                self._run("INSERT INTO closed VALUES (?)", os.fsencode(item.file.rstrip(os.sep) + os.sep))
                yield item
                continue
            path = os.fsencode(item)
            self._place += 1
            self._run("INSERT OR IGNORE INTO reported VALUES (?, ?)", path, self._place)
            stamp = stamp_of(item, self._checksum)
            if stamp is None:
                yield item
            else:
                yield from self._source(item, path, stamp)

    def _source(self, file: str, path: bytes, stamp: Stamp) -> Iterator[Source]:
        """What is known of a file, and what is left of it to read."""
        known = self._same(path, stamp, complete=True)
        if known and not self._first(known, "failed = 2"):
            yield from self._pages(known, file)
            return
        begun = self._same(path, stamp, complete=False)
        if begun is None:
            begun = self._begin(path, stamp)
        # A last page that failed may stand for all of the file.
        again = self._first(begun, "failed = 2 OR failed AND number = (SELECT max(number) FROM page WHERE file = ?1)")
        if again:
            self._run("DELETE FROM page WHERE file = ? AND number >= ?", begun, again)
        yield from self._pages(begun, file)
        (last,) = self._run("SELECT coalesce(max(number), 0) FROM page WHERE file = ?", begun).fetchone()
        self._under_way[file] = _Entry(begun, path, stamp)
        yield Rest(file, last + 1)

    def _same(self, path: bytes, stamp: Stamp, *, complete: bool) -> int | None:
        """The file's entry, if it is still the same and would be read in the same way."""
        query = "SELECT id, size, mtime, sha256, reader FROM file WHERE path = ? AND complete = ?"
        row = self._run(query, path, complete).fetchone()
        if row is None or row[4] != self._reader:
            return None
        is_same = row[3] == stamp.sha256 if self._checksum else row[1:3] == (stamp.size, stamp.mtime)
        return int(row[0]) if is_same else None

    def _begin(self, path: bytes, stamp: Stamp) -> int:
        self._run("DELETE FROM file WHERE path = ? AND NOT complete", path)
        insert = "INSERT INTO file (path, size, mtime, sha256, reader) VALUES (?, ?, ?, ?, ?) RETURNING id"
        (entry,) = self._run(insert, path, *stamp, self._reader).fetchone()
        return int(entry)

    def _first(self, entry: int, condition: str) -> int | None:
        """The first page that meets a condition in SQL."""
        (number,) = self._run(f"SELECT min(number) FROM page WHERE file = ?1 AND ({condition})", entry).fetchone()
        return int(number) if number else None

    def _pages(self, entry: int, file: str) -> Iterator[PageResult]:
        """The pages of an entry, one at a time: a file may have thousands."""
        number = 0
        query = "SELECT number, content FROM page WHERE file = ? AND number > ? ORDER BY number LIMIT 1"
        while row := self._run(query, entry, number).fetchone():
            number, content = row
            yield _decoded(file, number, content)

    # --- when a page was read ---

    def _record(self, page: PageResult) -> None:
        """Keep a page. Pages come in the order of the files: of those before its own there are no more."""
        if page.file not in self._under_way:
            return
        self._complete_before(page.file)
        failed = 1 + page.transient if isinstance(page, PageFailure) else 0
        values = self._under_way[page.file].id, page.page, failed, _encoded(page)
        self._run("INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?)", *values)

    def _complete_before(self, file: str | None) -> None:
        while (first := next(iter(self._under_way), None)) != file:
            assert first is not None, "the file is under way"
            self._complete(first, self._under_way.pop(first))

    def _complete(self, file: str, entry: _Entry) -> None:
        """All pages of a file were read: they replace those of its former content."""
        now = stamp_of(file, checksum=False)
        if now is None or now[:2] != entry.stamp[:2]:  # Which content was read nobody knows: the next run reads it.
            self._run("DELETE FROM file WHERE id = ?", entry.id)
            return
        with self._transaction():
            former = "DELETE FROM file WHERE path = ? AND complete RETURNING place"
            (place,) = self._run(former, entry.path).fetchone() or (None,)
            self._run("UPDATE file SET complete = 1, place = ? WHERE id = ?", place, entry.id)

    # --- when all was read ---

    def _forget_vanished(self) -> None:
        self._run(
            "DELETE FROM file WHERE path NOT IN (SELECT path FROM reported) AND NOT EXISTS"
            " (SELECT 1 FROM closed WHERE substr(path, 1, length(folder)) = folder)"
        )

    def _vanished(self) -> Iterator[PageResult]:
        """The pages of files that were read once and were not found now."""
        last = self._place
        self._run(
            "INSERT INTO reported SELECT path, ? + row_number() OVER (ORDER BY place NULLS LAST, id) FROM file"
            " WHERE complete AND path NOT IN (SELECT path FROM reported)",
            last,
        )
        query = (
            "SELECT reported.place, path, id FROM reported JOIN file USING (path)"
            " WHERE reported.place > ? AND complete ORDER BY reported.place LIMIT 1"
        )
        while row := self._run(query, last).fetchone():
            last, path, entry = row
            yield from self._pages(entry, os.fsdecode(path))

    def _finish(self) -> None:
        with self._transaction():
            place = "(SELECT place FROM reported WHERE reported.path = file.path)"
            self._run(f"UPDATE file SET place = {place} WHERE place IS NOT {place}")
            self._run("DELETE FROM file WHERE place IS NULL")

    # --- the database ---

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._database.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN")
        yield
        self._run("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:  # A full disk, say.
            raise OutputError(f"{self._path} can't be written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise OutputError(f"{self._path} is damaged ({error}); delete it to read everything again") from error


def _encoded(page: PageResult) -> str:
    """A page as JSON, which gives every float back as it was."""
    if isinstance(page, PageFailure):
        return json.dumps(page.message)
    numbers = [(each.line, each.number, each.confidence, *map(_cells, each.digits)) for each in page.numbers]
    if not page.form:
        return json.dumps(numbers)
    fields = [(each.name, each.text, each.problem, each.corners) for number in page.numbers if (each := number.field)]
    return json.dumps({"form": page.form, "numbers": numbers, "fields": fields})


def _cells(digit: Digit) -> tuple[object, ...]:
    box = digit.box
    return digit.text, digit.confidence, box.x, box.y, box.width, box.height


def _decoded(file: str, page: int, content: str) -> PageResult:
    """Inverse of `_encoded`."""
    decoded = json.loads(content)
    if isinstance(decoded, str):
        return PageFailure(file, page, decoded)
    form = decoded if isinstance(decoded, dict) else {"form": "", "numbers": decoded, "fields": [None] * len(decoded)}
    numbers = (
        Number(
            line, number, confidence, tuple(Digit(text, sure, Box(*box)) for text, sure, *box in digits), _field(field)
        )
        for (line, number, confidence, *digits), field in zip(form["numbers"], form["fields"], strict=True)
    )
    return PageNumbers(file, page, tuple(numbers), form=form["form"])


def _field(cells: list[Any] | None) -> FieldValue | None:
    if cells is None:
        return None
    name, text, problem, corners = cells
    return FieldValue(name, text, problem, tuple((x, y) for x, y in corners))
