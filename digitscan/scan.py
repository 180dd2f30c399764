"""Joins the steps: pages are read and segmented in worker processes, classified here in large batches, and decoded.

Results come in the order of the input, whatever finishes first. Only a bounded number of pages is under way at a time,
so memory doesn't grow with their number.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from digitscan.classifier import Classifier
from digitscan.decode import PLAIN_WEIGHTS, decode
from digitscan.errors import ModelError
from digitscan.image import read_pages
from digitscan.ink import find_ink, find_single_ink
from digitscan.linereader import LineReader
from digitscan.normalize import normalize, normalize_all
from digitscan.pool import workers
from digitscan.schema import CLASS_COUNT, Ink, Layout, Page, PageFailure, PageGlyphs, PageNumbers, PathWeights, Settings
from digitscan.segment import segment
from digitscan.turn import turned, turned_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future, ProcessPoolExecutor

    from numpy.typing import NDArray

_PAGES_A_TASK = 16
"""A worker returns after this many pages of a file, so that a PDF with thousands of pages doesn't fill the memory."""

_TASKS_A_WORKER = 4
"""Tasks under way for each worker: enough that none waits, few enough that memory stays flat."""

_POOL_FILES = 8
"""Fewer files than this are read in this process: starting workers would take longer."""

_BATCH_GLYPHS = 4096
_BATCH_PAGES = 256
"""The classifier gets this many candidates, or those of this many pages, at a time."""


class Predictor(Protocol):
    """Anything that turns glyphs, uint8 (N, 28, 28), into class probabilities, float32 (N, 12)."""

    def __call__(self, glyphs: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Classify all glyphs; N may be 0."""


class StripPredictor(Protocol):
    """Anything that turns strips, uint8 (STRIP_HEIGHT, W), into probabilities of their frames, float32 (T, 11)."""

    def __call__(self, strips: Sequence[NDArray[np.uint8]], /) -> list[NDArray[np.float32]]:
        """Read all strips, at least one."""


class Reader(NamedTuple):
    """What reads pages: a classifier, a line reader if there is one, and how their beliefs are weighed."""

    classify: Predictor
    read_strips: StripPredictor | None = None
    weights: PathWeights = PLAIN_WEIGHTS


@dataclass(frozen=True, slots=True)
class _Part:
    """What one task returns; `next_page` is where the file goes on, None at its end."""

    pages: tuple[PageGlyphs | PageFailure, ...]
    next_page: int | None


def load_reader(model: str | None, threads: int = 1) -> Reader:
    """The reader of a model and of the line reader that its card names; None is the model in the package.

    Raises ModelError where one of them is missing, damaged, or not what it should be.
    """
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
    return Reader(classifier, line_reader, card.path_weights or PLAIN_WEIGHTS)


def scan(files: Iterable[str | PageFailure], reader: Reader, settings: Settings) -> Iterator[PageNumbers | PageFailure]:
    """Every page of every file, in order; a page that can't be read comes as a `PageFailure`.

    A failure among `files` (an unreadable folder) is handed on in its place.
    """
    for batch in _batches(_read(files, settings)):
        yield from _classify(batch, reader)


def page_glyphs(page: Page, settings: Settings) -> PageGlyphs:
    """The lattices of one page, whose boxes lead to the page before it is turned, and their normalised candidates."""
    upright = replace(page, pixels=turned(page.pixels, settings.rotate))
    ink = page_ink(upright, settings.layout)
    back = turned_back(page.pixels.shape, settings.rotate) @ np.vstack([ink.to_page, (0, 0, 1)])
    segments = segment(replace(ink, to_page=back), settings.layout)
    strips = tuple(strip.pixels for strip in segments.strips)
    return PageGlyphs(page.file, page.number, segments.lattices, normalize_all(segments.inks), strips)


def page_ink(page: Page, layout: Layout) -> Ink:
    """The ink of one upright page, found as its layout wants."""
    if layout is Layout.DIGIT:
        return find_single_ink(page.pixels)
    return find_ink(page.pixels, deskew=layout is Layout.PAGE)


def _read(files: Iterable[str | PageFailure], settings: Settings) -> Iterator[PageGlyphs | PageFailure]:
    """Pages in order, read here or in a pool of workers."""
    waiting = iter(files)
    first = list(islice(waiting, _POOL_FILES))
    jobs = settings.jobs or os.cpu_count() or 1
    if jobs == 1 or len(first) < _POOL_FILES:
        return _read_here(chain(first, waiting), settings)
    return _read_in_pool(chain(first, waiting), settings, jobs)


def _read_here(files: Iterable[str | PageFailure], settings: Settings) -> Iterator[PageGlyphs | PageFailure]:
    for file in files:
        if isinstance(file, PageFailure):
            yield file
            continue
        for page in read_pages(file, settings):
            yield page if isinstance(page, PageFailure) else page_glyphs(page, settings)


def _read_in_pool(
    files: Iterable[str | PageFailure], settings: Settings, jobs: int
) -> Iterator[PageGlyphs | PageFailure]:
    with workers(jobs) as pool:
        yield from _in_order(pool, iter(files), settings, jobs * _TASKS_A_WORKER)


def _in_order(
    pool: ProcessPoolExecutor, files: Iterator[str | PageFailure], settings: Settings, limit: int
) -> Iterator[PageGlyphs | PageFailure]:
    under_way: deque[tuple[str, Future[_Part]] | PageFailure] = deque()

    def task(file: str, first: int) -> tuple[str, Future[_Part]]:
        return file, pool.submit(_read_part, file, first, settings)

    while True:
        for item in islice(files, limit - len(under_way)):
            under_way.append(item if isinstance(item, PageFailure) else task(item, 1))
        if not under_way:
            return
        head = under_way.popleft()
        if isinstance(head, PageFailure):
            yield head
            continue
        file, future = head
        part = future.result()
        yield from part.pages
        if part.next_page:
            under_way.appendleft(task(file, part.next_page))


def _read_part(file: str, first: int, settings: Settings) -> _Part:
    pages = tuple(
        page if isinstance(page, PageFailure) else page_glyphs(page, settings)
        for page in islice(read_pages(file, settings, first), _PAGES_A_TASK)
    )
    return _Part(pages, first + _PAGES_A_TASK if len(pages) == _PAGES_A_TASK else None)


def _batches(pages: Iterator[PageGlyphs | PageFailure]) -> Iterator[list[PageGlyphs | PageFailure]]:
    batch: list[PageGlyphs | PageFailure] = []
    glyphs = 0
    for page in pages:
        batch.append(page)
        glyphs += 0 if isinstance(page, PageFailure) else len(page.glyphs)
        if glyphs >= _BATCH_GLYPHS or len(batch) >= _BATCH_PAGES:
            yield batch
            batch, glyphs = [], 0
    if batch:
        yield batch


def _classify(batch: list[PageGlyphs | PageFailure], reader: Reader) -> Iterator[PageNumbers | PageFailure]:
    pages = [page for page in batch if isinstance(page, PageGlyphs)]
    glyphs = [page.glyphs for page in pages]
    probabilities = reader.classify(np.concatenate(glyphs)) if glyphs else np.empty((0, CLASS_COUNT), np.float32)
    strips = [strip for page in pages for strip in page.strips]
    frames = reader.read_strips(strips) if reader.read_strips and strips else None
    glyph_end = strip_end = 0
    for page in batch:
        if isinstance(page, PageFailure):
            yield page
            continue
        glyph_start, glyph_end = glyph_end, glyph_end + len(page.glyphs)
        strip_start, strip_end = strip_end, strip_end + len(page.strips)
        own = frames[strip_start:strip_end] if frames else None
        lines = decode(page.lattices, probabilities[glyph_start:glyph_end], own, reader.weights, page.glyphs)
        yield PageNumbers(page.file, page.page, tuple(chain.from_iterable(lines)))


def normalize_digit(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of one digit, uint8 (H, W), as MNIST would have it: uint8 (28, 28)."""
    return normalize(find_single_ink(pixels).level)
