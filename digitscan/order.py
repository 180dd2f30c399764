"""Has the pages of many files read by workers, part by part, and gives them in order, whatever is lost on the way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from digitscan.pool import Loss
from digitscan.schema import PageFailure, PageResult, Rest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future

    from digitscan.pool import Outcome
    from digitscan.schema import PageGlyphs, Source

    Part = Future[Outcome[PageGlyphs | PageFailure]]
    Read = Callable[[str, int], Part]
    """Has a worker read the pages of a file from one on: as many as make a part, or fewer where they are the last."""

PAGES_A_PART = 8
"""A worker returns after this many pages of a file: other workers read the next ones, and a PDF with thousands of pages
doesn't fill the memory.
"""

_LOSSES = {
    Loss.DEATH: "its reading was killed, usually for want of memory; use fewer --jobs or lower --max-pixels",
    Loss.DELAY: "its reading took longer than --page-timeout; raise that, or make the page smaller",
}


@dataclass(slots=True)
class _File:
    """A file that is being read: its next part begins with page `first`. Some parts may lie beyond its end."""

    name: str
    first: int
    parts: deque[Part]


class InOrder:
    """An iterator over the pages of files.

    `limit` parts are under way at a time. A page that ends the worker that reads it is a `PageFailure`, and so is what
    comes as one instead of a file.
    """

    def __init__(self, read: Read, files: Iterator[Source], limit: int) -> None:
        self._read = read
        self._files = files
        self._limit = limit
        self._under_way: deque[_File | PageResult] = deque()

    def __iter__(self) -> Iterator[PageGlyphs | PageResult]:
        while True:
            self._under_way.extend(map(self._begun, islice(self._files, self._room())))
            if not self._under_way:
                return
            head = self._under_way[0]
            if isinstance(head, _File):
                yield from self._next_part(head)
            else:
                yield head
                self._under_way.popleft()

    def _begun(self, source: Source) -> _File | PageResult:
        if isinstance(source, PageResult):
            return source
        file, first = rest_of(source)
        return _File(file, first, deque([self._read(file, first)]))

    def _room(self) -> int:
        return self._limit - sum(len(each.parts) if isinstance(each, _File) else 1 for each in self._under_way)

    def _next_part(self, file: _File) -> Iterator[PageGlyphs | PageFailure]:
        part = file.parts.popleft().result()
        yield from part.items
        first = file.first + len(part.items)
        if part.loss:
            self._await()
            file.parts.clear()
            self._go_on(file, (yield from _read_alone(partial(self._read, file.name), file.name, first, part.loss)))
        else:
            self._go_on(file, first if len(part.items) == PAGES_A_PART else None)

    def _await(self) -> None:
        from concurrent.futures import wait

        wait([part for file in self._under_way if isinstance(file, _File) for part in file.parts])

    def _go_on(self, file: _File, first: int | None) -> None:
        """With the file at this page; None where it has no more."""
        if first is None:
            self._under_way.popleft()
            return
        file.first = first
        # Nobody knows how long a file is. Workers that no other file waits for read ahead.
        for _ in range(max(1 - len(file.parts), self._room())):
            file.parts.append(self._read(file.name, first + len(file.parts) * PAGES_A_PART))


def rest_of(source: str | Rest) -> Rest:
    """A file, or what is left of it, as the pages from one on."""
    return source if isinstance(source, Rest) else Rest(source, 1)


def _read_alone(
    read: Callable[[int], Part], file: str, first: int, loss: Loss
) -> Generator[PageGlyphs | PageFailure, None, int | None]:
    """The pages of a file from the one at which a worker was lost to the end of the next part without a loss, while
    nothing else is read. Returns the page after these, None after the last one.

    So a page is blamed for what it does by itself: one whose worker died, maybe for want of memory that others had
    taken, is read once more. Where two pages in a row fail it may be the file that does it, without end: it is left.
    """
    failure = _failure(file, first, loss) if loss is Loss.DELAY else None
    while True:
        start = first + 1 if failure else first
        part = read(start).result()
        if failure and part.loss and not part.items:
            yield replace(failure, message=f"{failure.message}; the pages after it were not read")
            return None
        if failure:
            yield failure
        yield from part.items
        first = start + len(part.items)
        if not part.loss:
            return first if len(part.items) == PAGES_A_PART else None
        failure = _failure(file, first, part.loss)


def _failure(file: str, page: int, loss: Loss) -> PageFailure:
    return PageFailure(file, page, _LOSSES[loss], transient=True)
