"""A report in parts, with a manifest: for more rows than one file should have, in a folder or in an object store.

A part has the rows of as many files as every other, in the order in which they are found, so it is known beforehand
which files it stands for. The manifest keeps a digest of their names and versions: with `--resume` a part is read again
where that differs, wherever the former run was lost. Nothing else is remembered, on this machine or elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tempfile
from collections import deque
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, Self

from digitscan import __version__, remote
from digitscan.errors import Interrupted, OutputError, UsageError
from digitscan.report import Summary, columns, csv_bytes, csv_head, dtypes, rows
from digitscan.schema import Format, PageFailure
from digitscan.sources import stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from digitscan.report import Row
    from digitscan.schema import PageResult, Settings, Source

_FILES = 10_000
"""Files of a part: what is read again, at most, after the loss of a run. With 20 numbers a page its CSV has 12 MB."""

_ROWS_A_GROUP = 50_000
"""Rows of a Parquet file that are in memory together."""

_MANIFEST = "manifest.json"
_PART = re.compile(r"part-\d{5,}\.(csv|parquet)")
_TEMPORARY = ".digitscan-"


def is_in_parts(output: str | None) -> bool:
    """Whether a report goes to a folder. Raises UsageError where it can't be a single object in a store."""
    if output is None or output.endswith("/"):
        return output is not None
    if remote.is_url(output):
        raise UsageError(f"a report behind a URL is written in parts, to a folder: -o {output}/")
    return False


def lock_path(output: str | None) -> str | None:
    """What to lock while a report is written: the report, or the manifest of its parts, whose folder is made.

    None in a store: there are no locks. Raises OutputError where the folder can't be made.
    """
    if output is None or not is_in_parts(output):
        return output
    if remote.is_url(output):
        return None
    with _output_errors(output):
        Path(output).mkdir(exist_ok=True)
    return str(Path(output, _MANIFEST))


class _Part(NamedTuple):
    """A line of the manifest."""

    name: str
    sources: str
    """SHA-256 of the names and versions of its files."""
    again: int = 0
    """Files that the next run should read again: for a passing fault, or because their version isn't known."""
    counts: dict[str, int] | None = None
    """Those of its pages, as in `report.Summary`."""


class _Folder(Protocol):
    """Where the parts go. Everything raises OSError."""

    @property
    def temporary(self) -> Path | None:
        """Where files are made before they are put in place; None is the system's folder for such."""

    def names(self) -> set[str]: ...

    def read(self, name: str) -> bytes: ...

    def put(self, file: Path, name: str) -> None: ...

    def remove(self, name: str) -> None: ...


class PartsReport:
    """Writes pages to the parts of a report, in a `with` block, and remembers for the next run which are done.

    It is also what a scan asks for what is known: see `scan.Memory`. A part appears whole or not at all, and the
    manifest names it then; `complete` in it is true when all are there. Parts that are left of a longer report are
    removed at the end.

    Raises:
        UsageError: Parquet is wanted, and pyarrow isn't installed.
        OutputError: A part can't be written (from any method).
        Interrupted: In place of a KeyboardInterrupt in the block.
    """

    def __init__(
        self,
        output: str,
        settings: Settings,
        reader: str,
        *,
        form: Format = Format.CSV,
        excel: bool = False,
        resume: bool = False,
        checksum: bool = False,
    ) -> None:
        """`output` is the folder, `reader` says what the pages are read with; with `resume` known parts are kept."""
        self.summary = Summary()
        self._output = output
        self._settings = settings
        self._writer = _writer(form, settings, excel=excel)
        self._resume = resume
        self._checksum = checksum
        self._suffix = form.value
        self._folder: _Folder = _Store(output) if remote.is_url(output) else _Directory(output)
        parts = (__version__, reader, replace(settings, model=None, jobs=0, page_timeout=None), form, excel, _FILES)
        self._run = hashlib.sha256(repr((*parts, checksum)).encode()).hexdigest()
        self._done: dict[int, _Part] = {}
        self._begun: deque[_Begun] = deque()

    def __enter__(self) -> Self:
        with _output_errors(self._output):
            self._known = self._read_manifest() if self._resume else {}
            self._write_manifest(complete=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is None:
            self._finish()
            return
        for begun in self._begun:
            begun.drop()
        if issubclass(kind, KeyboardInterrupt | Interrupted):
            raise Interrupted(
                f"stopped; {len(self._done)} parts of the report are finished in {self._output}; go on with --resume"
            ) from error

    def resume(
        self, found: Iterable[str | PageFailure], read: Callable[[Iterator[Source]], Generator[PageResult]]
    ) -> Generator[PageResult]:
        """The pages of those parts that aren't kept, in order; the others are only counted."""
        with closing(read(self._sources(iter(found)))) as pages:
            yield from pages

    def _sources(self, found: Iterator[str | PageFailure]) -> Iterator[Source]:
        index = 0
        while files := list(islice(found, _FILES)):
            part = self._described(index, files)
            known = self._known.pop(index, None)
            if known and not known.again and (known.name, known.sources) == (part.name, part.sources):
                self._keep(index, known)
            else:
                self._begun.append(_Begun(index, part, {_name(file) for file in files}, self._create))
                yield from files
            index += 1
        self._known = {}  # What a former report had more.

    def _described(self, index: int, files: list[str | PageFailure]) -> _Part:
        digest, unknown = hashlib.sha256(), 0
        for file in files:
            version = file.message if isinstance(file, PageFailure) else stamp_of(file, self._checksum)
            unknown += version is None
            digest.update(repr((_name(file), version)).encode("utf-8", "surrogateescape") + b"\n")
        return _Part(f"part-{index:05}.{self._suffix}", digest.hexdigest(), unknown)

    def _keep(self, index: int, part: _Part) -> None:
        self._done[index] = part
        self.summary.join(Summary(**(part.counts or {})))

    def add(self, page: PageResult) -> None:
        """Write the rows of one page."""
        while page.file not in self._begun[0].files:
            self._end_part()
        with _output_errors(self._output):
            self._begun[0].add(page, self._settings)
        self.summary.add(page, self._settings)

    def _end_part(self) -> None:
        begun = self._begun.popleft()
        with _output_errors(self._output):
            file, part = begun.close()
            self._folder.put(file, part.name)
            self._done[begun.index] = part
            self._write_manifest(complete=False)

    def _create(self) -> tuple[Path, _Rows]:
        file = _temporary_file(self._folder.temporary)
        return file, self._writer(file.open("wb"))

    def _finish(self) -> None:
        while self._begun:
            self._end_part()
        with _output_errors(self._output):
            self._write_manifest(complete=True)
            names = {part.name for part in self._done.values()}
            for name in self._folder.names():
                if _PART.fullmatch(name) and name not in names:
                    self._folder.remove(name)

    def _read_manifest(self) -> dict[int, _Part]:
        names = self._folder.names()
        if _MANIFEST not in names:
            return {}
        try:
            manifest = json.loads(self._folder.read(_MANIFEST))
            parts = {int(index): _Part(**part) for index, part in manifest["parts"].items()}
            is_same = manifest["run"] == self._run
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise OutputError(f"{self._output}{_MANIFEST} is damaged; delete it to read everything again") from error
        return {index: part for index, part in parts.items() if is_same and part.name in names}

    def _write_manifest(self, *, complete: bool) -> None:
        parts = sorted((self._known | self._done).items())
        manifest = {
            "digitscan": __version__,
            "complete": complete,
            "run": self._run,
            "columns": columns(self._settings),
            "parts": {str(index): part._asdict() for index, part in parts},
        }
        file = _temporary_file(self._folder.temporary)
        with file.open("wb") as stream:
            stream.write(json.dumps(manifest, indent=1).encode())
        self._folder.put(file, _MANIFEST)


def _name(file: str | PageFailure) -> str:
    return file.file if isinstance(file, PageFailure) else file


class _Begun:
    """A part whose pages come. Its file is made with the first of them: others may wait long before their turn."""

    def __init__(self, index: int, part: _Part, files: set[str], create: Callable[[], tuple[Path, _Rows]]) -> None:
        self.index = index
        self.part = part
        self.files = files
        self._create = create
        self._made: tuple[Path, _Rows] | None = None
        self._summary = Summary()

    def _open(self) -> tuple[Path, _Rows]:
        if self._made is None:
            self._made = self._create()
        return self._made

    def add(self, page: PageResult, settings: Settings) -> None:
        self._open()[1].add(rows(page, settings))
        self._summary.add(page, settings)
        if isinstance(page, PageFailure) and page.transient:
            self.part = self.part._replace(again=self.part.again + 1)

    def close(self) -> tuple[Path, _Part]:
        """The file, and what the manifest says of it."""
        file, written = self._open()
        written.close()
        return file, self.part._replace(counts=asdict(self._summary))

    def drop(self) -> None:
        if self._made:
            file, written = self._made
            with suppress(OSError):
                written.close()
            file.unlink(missing_ok=True)


class _Rows(Protocol):
    """An open file of rows."""

    def add(self, table: list[Row]) -> None: ...

    def close(self) -> None: ...


def _writer(form: Format, settings: Settings, *, excel: bool) -> Callable[[BinaryIO], _Rows]:
    if form is Format.CSV:
        return lambda stream: _CsvRows(stream, csv_head(settings, excel=excel))
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--format parquet needs pyarrow: pip install 'digitscan[parquet]' ({error})") from error
    return lambda stream: _ParquetRows(stream, dtypes(settings))


class _CsvRows:
    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self._stream = stream
        stream.write(head)

    def add(self, table: list[Row]) -> None:
        self._stream.write(csv_bytes(table))

    def close(self) -> None:
        self._stream.close()


class _ParquetRows:
    """The same columns, with null where the CSV has an empty cell of a number."""

    def __init__(self, stream: BinaryIO, columns: dict[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"str": pa.string(), "Int64": pa.int64(), "float64": pa.float64()}
        self._schema = pa.schema([(name, types[dtype]) for name, dtype in columns.items()])
        self._stream = stream
        self._writer = pq.ParquetWriter(stream, self._schema)
        self._table: list[Row] = []

    def add(self, table: list[Row]) -> None:
        self._table += table
        if len(self._table) >= _ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = zip(*self._table, strict=True) if self._table else [()] * len(self._schema)
        arrays = [
            pa.array(map(_parquet_cell, column), kind) for column, kind in zip(columns, self._schema.types, strict=True)
        ]
        self._writer.write_table(pa.table(arrays, self._schema))
        self._table = []

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._stream.close()


def _parquet_cell(cell: str | float | None) -> str | float | None:
    return str(cell).encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell


class _Directory:
    """A folder of this machine."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    @property
    def temporary(self) -> Path:
        return self._path

    def names(self) -> set[str]:
        names = {entry.name for entry in self._path.iterdir()}
        for name in names:
            if name.startswith(_TEMPORARY):  # By a run that was killed: the lock keeps others away.
                self.remove(name)
        return names

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def put(self, file: Path, name: str) -> None:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        file.replace(self._path / name)

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)


class _Store:
    """A folder of an object store."""

    temporary = None

    def __init__(self, url: str) -> None:
        self._url = url

    def names(self) -> set[str]:
        try:
            return {name for name, _ in remote.entries(self._url)}
        except FileNotFoundError:
            return set()

    def read(self, name: str) -> bytes:
        return remote.read(remote.join(self._url, name))

    def put(self, file: Path, name: str) -> None:
        try:
            remote.write(remote.join(self._url, name), str(file))
        finally:
            file.unlink()

    def remove(self, name: str) -> None:
        remote.remove(remote.join(self._url, name))


def _temporary_file(folder: Path | None) -> Path:
    return Path(folder or tempfile.gettempdir(), f"{_TEMPORARY}{secrets.token_hex(8)}.tmp")


@contextmanager
def _output_errors(output: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{output} can't be written: {error.strerror or error}") from error
