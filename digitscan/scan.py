"""Joins the steps: pages are read and segmented in worker processes, classified here in large batches, and decoded.

Results come in the order of the input, whatever finishes first. Only a bounded number of pages is under way at a time,
so memory doesn't grow with their number.
"""

from __future__ import annotations

import time
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from digitscan.classifier import Classifier
from digitscan.decode import PLAIN_WEIGHTS, decode
from digitscan.errors import ModelError
from digitscan.image import OUT_OF_MEMORY, count_pages, is_out_of_memory, read_pages
from digitscan.ink import find_ink, find_single_ink
from digitscan.linereader import LineReader
from digitscan.normalize import normalize, normalize_all
from digitscan.order import PAGES_A_PART, InOrder, rest_of
from digitscan.pool import LossyPool
from digitscan.quantile import median
from digitscan.remote import is_url
from digitscan.schema import (
    CLASS_COUNT,
    Ink,
    Layout,
    Page,
    PageFailure,
    PageGlyphs,
    PageNumbers,
    PageResult,
    PathWeights,
    Rest,
    Settings,
    StripPredictor,
)
from digitscan.segment import segment
from digitscan.strips import DIGIT_ROWS
from digitscan.turn import turned, turned_back

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from digitscan.form import Form
    from digitscan.model import ModelCard
    from digitscan.order import Part
    from digitscan.schema import Source

_PARTS_A_WORKER = 4
"""Parts of files under way for each worker: enough that none waits, few enough that memory stays flat."""

_POOL_PAGES = 8
"""Fewer pages than this are read in this process: starting workers would take longer."""

_MOST_THREADS = 4
"""For networks that take milliseconds: more threads would wait for each other."""

_BATCH_GLYPHS = 1024
_BATCH_PAGES = 16
"""The classifier gets this many candidates, or those of this many pages, at a time. More would not be faster, and rows
and progress would come later.
"""


class Sight(NamedTuple):
    """What pages are cut up with: the line reader, if there is one, and the forms that they are, if they are forms."""

    read_strips: StripPredictor | None = None
    forms: tuple[Form, ...] = ()


_sight = Sight()
"""In a worker: its own; sent once, not with each task."""


class Predictor(Protocol):
    """Anything that turns glyphs, uint8 (N, 28, 28), into class probabilities, float32 (N, 12)."""

    def __call__(self, glyphs: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Classify all glyphs; N may be 0."""


class Memory(Protocol):
    """What remembers pages that were read before: `journal.Journal`, or the parts of a report."""

    def resume(
        self, found: Iterable[str | PageFailure], read: Callable[[Iterator[Source]], Generator[PageResult]], /
    ) -> Generator[PageResult]:
        """Every page that is to be reported, in order, of which only those that aren't known are read by `read`."""


class Reader(NamedTuple):
    """What reads pages: a classifier, a line reader if there is one, how their beliefs are weighed, and their cards.

    With `forms`, each page is one of them.
    """

    classify: Predictor
    read_strips: StripPredictor | None = None
    weights: PathWeights = PLAIN_WEIGHTS
    cards: tuple[ModelCard, ...] = ()
    forms: tuple[Form, ...] = ()

    @property
    def identity(self) -> str:
        """Differs between readers that may read differently."""
        parts = [card.tflite_sha256 for card in self.cards], self.weights, *(form.sha256 for form in self.forms)
        return repr(parts)


def load_reader(model: str | None, threads: int = 1) -> Reader:
    """The reader of a model and of the line reader that its card names; None is the model in the package. In this
    process its networks run in so many `threads`, but few, and in workers in one.

    Raises ModelError where one of them is missing, damaged, or not what it should be.
    """
    threads = min(threads, _MOST_THREADS)
    classifier = Classifier.load(model, threads)
    card = classifier.card
    line_reader = (
        LineReader.load(str(Path(classifier.name).with_name(card.line_reader)), threads) if card.line_reader else None
    )
    if line_reader and line_reader.card.tflite_sha256 != card.line_reader_sha256:
        raise ModelError(
            f"{line_reader.name} is not the line reader that {classifier.name} was calibrated with; "
            "run digitscan calibrate"
        )
    weights = card.path_weights or PLAIN_WEIGHTS
    if _sizes(weights) != _sizes(PLAIN_WEIGHTS):
        raise ModelError(f"{classifier.name}.json has path weights of another version; run digitscan calibrate")
    return Reader(classifier, line_reader, weights, (card, line_reader.card) if line_reader else (card,))


def _sizes(weights: PathWeights) -> tuple[int, int, int]:
    return len(weights.digit), len(weights.mark), len(weights.pair)


class Executor(Protocol):
    """What has sources read: this machine (`read_here`), or a cluster."""

    def __call__(self, sources: Iterable[Source], reader: Reader, settings: Settings, /) -> Generator[PageResult]:
        """Every page of every source, in order; only a bounded number of them is under way."""


def scan(
    files: Iterable[str | PageFailure],
    reader: Reader,
    settings: Settings,
    journal: Memory | None = None,
    execute: Executor | None = None,
) -> Generator[PageResult]:
    """Every page of every file, in order; a page that can't be read comes as a `PageFailure`.

    A failure among `files` (an unreadable folder) is handed on in its place. A page that ends the worker process that
    reads it, or that takes longer than `settings.page_timeout`, is a failure too. What a journal knows is not read.
    Pages are read by `execute`, or else by this machine. Raises DigitscanError where no worker process can be started,
    and what the journal and the executor raise.
    """
    run = execute or read_here

    def read(sources: Iterable[Source]) -> Generator[PageResult]:
        return run(sources, reader, settings)

    yield from journal.resume(files, read) if journal else read(files)


def read_here(sources: Iterable[Source], reader: Reader, settings: Settings) -> Generator[PageResult]:
    """The executor of this machine: a pool of processes reads, this one classifies."""
    for batch in _batches(_read(sources, Sight(reader.read_strips, reader.forms), settings)):
        yield from _classify(batch, reader)


def read_page(page: Rest, reader: Reader, settings: Settings) -> Generator[PageResult]:
    """The first page of what is left of a file, if there is one, read in this process."""
    yield from _classify([*_read_part(*page, settings, Sight(reader.read_strips, reader.forms), 1)], reader)


def page_glyphs(page: Page, settings: Settings, read_strips: StripPredictor | None = None) -> PageGlyphs:
    """The lattices of one page, whose boxes lead to the page before it is turned, and their normalised candidates."""
    upright = page._replace(pixels=turned(page.pixels, settings.rotate))
    ink = page_ink(upright, settings.layout)
    back = turned_back(page.pixels.shape, settings.rotate) @ np.vstack([ink.to_page, (0, 0, 1)]) * page.reduction
    segments = segment(ink._replace(to_page=back), settings.layout, read_strips)
    return PageGlyphs(page.file, page.number, segments.lattices, normalize_all(segments.inks), segments.frames)


def page_ink(page: Page, layout: Layout) -> Ink:
    """The ink of one upright page, found as its layout wants."""
    if layout is Layout.DIGIT:
        return find_single_ink(page.pixels)
    return find_ink(page.pixels, deskew=layout is Layout.PAGE)


def _read(files: Iterable[Source], sight: Sight, settings: Settings) -> Iterator[PageGlyphs | PageResult]:
    """Pages in order, read here or in a pool of workers."""
    waiting = iter(files)
    first = list(islice(waiting, _POOL_PAGES))
    jobs = settings.cores
    # What takes too long can be stopped in another process only.
    if settings.page_timeout is None:
        if jobs == 1:
            return _read_here(chain(first, waiting), sight, settings)
        if len(first) < _POOL_PAGES:
            return _read_few(first, sight, settings, jobs)
    return _read_in_pool(chain(first, waiting), sight, settings, jobs)


def _read_here(files: Iterable[Source], sight: Sight, settings: Settings) -> Iterator[PageGlyphs | PageResult]:
    for file in files:
        if isinstance(file, PageResult):
            yield file
        else:
            yield from _read_part(*rest_of(file), settings, sight, None)


def _read_few(files: list[Source], sight: Sight, settings: Settings, jobs: int) -> Iterator[PageGlyphs | PageResult]:
    """Few files, read here; but where they turn out to have many pages, workers read what is left."""
    number = 0
    for index, file in enumerate(files):
        for page in _read_here([file], sight, settings):
            yield page
            number += 1
            if number == _POOL_PAGES and not isinstance(file, PageResult):
                left = [Rest(page.file, page.page + 1), *files[index + 1 :]]
                if sum(_count_left(each, settings) for each in left) >= _POOL_PAGES:
                    yield from _read_in_pool(left, sight, settings, jobs)
                    return


def _read_in_pool(
    files: Iterable[Source], sight: Sight, settings: Settings, jobs: int
) -> Iterator[PageGlyphs | PageResult]:
    with LossyPool(jobs, settings.page_timeout, _take_sight, sight) as pool:

        def read(file: str, first: int) -> Part:
            return pool.submit(_read_in_worker, file, first, settings)

        yield from InOrder(read, iter(files), jobs * _PARTS_A_WORKER)


def count_few(files: Collection[str | PageFailure], settings: Settings) -> int | None:
    """How many pages these files have, what can't be read being one; None where they are too many, or too far away, to
    open them all.
    """
    if len(files) >= _POOL_PAGES or any(is_url(each) for each in files if isinstance(each, str)):
        return None
    return sum(max(1, _count_left(each, settings)) for each in files)


def _count_left(source: Source, settings: Settings) -> int:
    if isinstance(source, PageResult):
        return 0
    file, first = rest_of(source)
    return max(0, count_pages(file, settings) - first + 1)


def _take_sight(sight: Sight) -> None:
    global _sight
    _sight = sight


def _read_in_worker(file: str, first: int, settings: Settings) -> Iterator[PageGlyphs | PageFailure]:
    return _read_part(file, first, settings, _sight, PAGES_A_PART)


def _read_part(
    file: str, first: int, settings: Settings, sight: Sight, count: int | None
) -> Iterator[PageGlyphs | PageFailure]:
    """The pages of a file from `first` on, `count` of them at most; fewer are the last."""
    started = time.perf_counter()
    for page in islice(read_pages(file, settings, first, reduced=not sight.forms), count):
        found = page if isinstance(page, PageFailure) else _glyphs(page, settings, sight)
        seconds = time.perf_counter() - started
        yield found._replace(seconds=seconds) if isinstance(found, PageGlyphs) else found
        started = time.perf_counter()


def _glyphs(page: Page, settings: Settings, sight: Sight) -> PageGlyphs | PageFailure:
    try:
        if sight.forms:
            from digitscan.fields import form_glyphs

            return form_glyphs(page, sight.forms, sight.read_strips)
        found = page_glyphs(page, settings, sight.read_strips)
        if not _is_too_small(found, page.reduction):
            return found
        # Only JPEGs are reduced, and these have one page.
        whole = next(read_pages(page.file, settings))
        return whole if isinstance(whole, PageFailure) else page_glyphs(whole, settings, sight.read_strips)
    except (MemoryError, cv2.error) as error:
        if not is_out_of_memory(error):
            raise
        return PageFailure(page.file, page.number, OUT_OF_MEMORY, transient=True)


def _is_too_small(found: PageGlyphs, reduction: int) -> bool:
    """Whether a page that was decoded at a part of its size has digits with fewer rows than the networks see."""
    heights = [lattice.height * np.hypot(*lattice.to_page[:, 0]) / reduction for lattice in found.lattices]
    return reduction > 1 and len(heights) > 0 and median(np.array(heights)) < DIGIT_ROWS


def _batches(pages: Iterator[PageGlyphs | PageResult]) -> Iterator[list[PageGlyphs | PageResult]]:
    batch: list[PageGlyphs | PageResult] = []
    glyphs = 0
    for page in pages:
        batch.append(page)
        glyphs += len(page.glyphs) if isinstance(page, PageGlyphs) else 0
        if glyphs >= _BATCH_GLYPHS or len(batch) >= _BATCH_PAGES:
            yield batch
            batch, glyphs = [], 0
    if batch:
        yield batch


def _classify(batch: list[PageGlyphs | PageResult], reader: Reader) -> Iterator[PageResult]:
    pages = [page for page in batch if isinstance(page, PageGlyphs)]
    glyphs = [page.glyphs for page in pages]
    probabilities = reader.classify(np.concatenate(glyphs)) if glyphs else np.empty((0, CLASS_COUNT), np.float32)
    end = 0
    for page in batch:
        if not isinstance(page, PageGlyphs):
            yield page
            continue
        start, end = end, end + len(page.glyphs)
        if page.form:
            from digitscan.fields import read_form

            yield read_form(page, page.form, reader.forms[page.form.form], probabilities[start:end], reader.weights)
            continue
        lines = decode(page.lattices, probabilities[start:end], page.frames, reader.weights, page.glyphs)
        yield PageNumbers(page.file, page.page, tuple(chain.from_iterable(lines)), page.seconds)


def normalize_digit(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of one digit, uint8 (H, W), as MNIST would have it: uint8 (28, 28)."""
    return normalize(find_single_ink(pixels).level)
