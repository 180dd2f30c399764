"""A scan by a cluster: sources are handed to its workers in chunks, and their pages come back in order."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import cv2

from digitscan import __version__
from digitscan.errors import DigitscanError
from digitscan.image import count_pages
from digitscan.order import rest_of
from digitscan.remote import forget
from digitscan.scan import read_here, read_page
from digitscan.schema import Digit, PageFailure, PageResult, Rest, Settings
from digitscan.sources import absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from digitscan.cluster import Cluster, Task
    from digitscan.pool import Outcome
    from digitscan.scan import Reader
    from digitscan.schema import Source

    ReadChunk = Callable[[list[Rest], Reader, "Run"], list[PageResult]]
    _Reading = tuple[object, "Run"]

_MOST = 64
"""Sources of a chunk: some ten seconds of work, so that neither the scheduler's millisecond for a task counts, nor what
is lost with a worker."""

_SHARE = 8
"""A chunk is no more than this part of what each worker has had: at the end none is waited for much longer than others,
and small scans are divided among all."""

_CHUNKS_A_WORKER = 3
"""Under way: one that is read, one that waits, and one whose turn in the report hasn't come."""

_LOST = (
    "its reading killed the workers that tried it, usually for want of memory; give them more, or lower --max-pixels"
)

_token = ""
"""In a worker: that of the last scan."""

_ONE_AT_A_TIME = threading.Lock()
"""In a worker with several threads: neither LiteRT nor PDFium may be used by two of them."""


class Run(NamedTuple):
    """What a worker has to know of the scan that a chunk is part of."""

    settings: Settings
    version: str = __version__
    token: str = ""
    """Another one for each scan."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Sources, and the reading of those that aren't results already."""

    sources: list[Source]
    task: Task[PageResult] | None


class ChunkedScan:
    """The executor of a cluster; see `scan.Executor`.

    The pages are those that `scan.read_here` would give, but for what only pictures need: scores and glyphs. A page
    that kills its workers, as often as the scheduler allows, is a failure; others of its chunk are read again.
    """

    def __init__(self, cluster: Cluster, read: ReadChunk | None = None) -> None:
        """`read` takes the place of `read_chunk` where its cost is measured."""
        self._cluster = cluster
        self._read = read or read_chunk
        self._handed_out = 0

    def __call__(self, sources: Iterable[Source], reader: Reader, settings: Settings) -> Generator[PageResult]:
        """Raises DigitscanError where the scheduler is lost, or a worker has another version of digitscan."""
        waiting = iter(sources)
        run = Run(replace(settings, jobs=1, page_timeout=None), token=secrets.token_hex(8))
        reading = self._cluster.share(reader), run
        under_way: deque[_Chunk] = deque()
        while True:
            while len(under_way) < self._limit() and (chunk := list(islice(waiting, self._size()))):
                under_way.append(_Chunk(chunk, self._submit(chunk, reading)))
                self._handed_out += len(chunk)
            if not under_way:
                return
            head = under_way.popleft()
            yield from self._pages(head, reading)

    def _limit(self) -> int:
        return _CHUNKS_A_WORKER * max(1, self._cluster.count())

    def _size(self) -> int:
        return max(1, min(_MOST, self._handed_out // (_SHARE * max(1, self._cluster.count()))))

    def _submit(self, sources: Iterable[Source], reading: _Reading) -> Task[PageResult] | None:
        rests = [_rest(source) for source in sources if not isinstance(source, PageResult)]
        return self._cluster.submit(self._read, rests, *reading) if rests else None

    def _pages(self, chunk: _Chunk, reading: _Reading) -> Iterator[PageResult]:
        outcome = chunk.task.result() if chunk.task else None
        if outcome and outcome.loss:
            yield from self._one_by_one(chunk.sources, reading)
        else:
            yield from _in_place(chunk.sources, outcome.items if outcome else [])

    def _one_by_one(self, sources: Sequence[Source], reading: _Reading) -> Iterator[PageResult]:
        """The pages of a chunk that was lost, each read by itself, so that only the one that does it is blamed."""
        rests = [None if isinstance(source, PageResult) else _rest(source) for source in sources]
        counts = [rest and self._cluster.submit(_counted, rest.file, reading[1].settings) for rest in rests]
        for source, rest, count in zip(sources, rests, counts, strict=True):
            if rest is None or count is None:
                yield from _in_place([source], [])
            elif last := next(iter(count.result().items), None):
                for page in range(rest.first, max(last, rest.first) + 1):
                    yield from _in_place([source], self._page(Rest(rest.file, page), reading))
            else:
                yield from _in_place([source], [PageFailure(rest.file, rest.first, _LOST, transient=True)])

    def _page(self, page: Rest, reading: _Reading) -> list[PageResult]:
        outcome: Outcome[PageResult] = self._cluster.submit(_read_alone, page, *reading).result()
        if outcome.loss:
            return [PageFailure(page.file, page.first, _LOST, transient=True)]
        return outcome.items


def read_chunk(rests: list[Rest], reader: Reader, run: Run) -> list[PageResult]:
    """In a worker: the pages of a chunk. Comes out the same wherever it runs, as long as the files are the same."""
    with _prepared(run):
        return [_without_pictures(page) for page in read_here(rests, reader, run.settings)]


def _read_alone(page: Rest, reader: Reader, run: Run) -> list[PageResult]:
    with _prepared(run):
        return [_without_pictures(page) for page in read_page(page, reader, run.settings)]


@contextmanager
def _prepared(run: Run) -> Iterator[None]:
    """In a worker: as a scan wants it, for one chunk at a time."""
    global _token
    if run.version != __version__:
        raise DigitscanError(f"a worker has digitscan {__version__}, this is {run.version}; install the same on all")
    with _ONE_AT_A_TIME:
        if run.token != _token:
            forget()
            cv2.setNumThreads(1)
            _token = run.token
        yield


def _counted(file: str, settings: Settings) -> list[int]:
    """The number up to which there may be pages: one more than can be counted, where an end that is cut off shows."""
    with _ONE_AT_A_TIME:
        return [count_pages(file, settings) + 1]


def _without_pictures(page: PageResult) -> PageResult:
    if isinstance(page, PageFailure):
        return page
    numbers = (
        number._replace(digits=tuple(Digit(digit.text, digit.confidence, digit.box) for digit in number.digits))
        for number in page.numbers
    )
    return replace(page, numbers=tuple(numbers))


def _rest(source: str | Rest) -> Rest:
    """A source, for a process that works in another folder."""
    rest = rest_of(source)
    return rest._replace(file=absolute(rest.file))


def _in_place(sources: Iterable[Source], pages: Iterable[PageResult]) -> Iterator[PageResult]:
    """Pages of sources, in the order of these and under the names that these have; results among them stay."""
    left = deque(pages)
    for source in sources:
        if isinstance(source, PageResult):
            yield source
            continue
        rest = _rest(source)
        while left and left[0].file == rest.file:
            yield replace(left.popleft(), file=rest_of(source).file)
