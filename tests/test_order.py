"""Pages come in the order of the files, however many parts are read ahead and whatever is lost."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from digitscan.order import PAGES_A_PART, InOrder
from digitscan.pool import Loss, Outcome
from digitscan.schema import PageFailure, Rest

if TYPE_CHECKING:
    from digitscan.order import Part
    from digitscan.schema import PageGlyphs

LOSSES = {"kill": Loss.DEATH, "sleep": Loss.DELAY}


class Workers:
    """Reads files whose pages are words, at once; what is in `LOSSES` befalls the reader of the page."""

    def __init__(self, files: dict[str, list[str]]) -> None:
        self.files = files
        self.asked: list[tuple[str, int]] = []

    def read(self, file: str, first: int) -> Part:
        self.asked.append((file, first))
        items: list[PageGlyphs | PageFailure] = []
        part: Part = Future()
        for number, word in enumerate(self.files[file][first - 1 :][:PAGES_A_PART], first):
            if word in LOSSES:
                part.set_result(Outcome(items, LOSSES[word]))
                return part
            items.append(PageFailure(file, number, word))
        part.set_result(Outcome(items))
        return part


def expected(file: str, words: list[str]) -> list[tuple[str, int, bool]]:
    """File and number of each page, and whether its reader was lost; after two losses in a row the file is left."""
    pages = []
    for number, word in enumerate(words, 1):
        pages.append((file, number, word in LOSSES))
        if word in LOSSES and words[number : number + 1] and words[number] in LOSSES:
            break
    return pages


@given(
    st.lists(st.lists(st.sampled_from(["ok"] * 9 + [*LOSSES]), min_size=1, max_size=40), max_size=6), st.integers(1, 9)
)
def test_every_page_comes_once_and_in_order(files: list[list[str]], limit: int) -> None:
    named = {str(number): words for number, words in enumerate(files)}
    pages = InOrder(Workers(named).read, iter(named), limit)
    found = [(page.file, page.page, page.message != "ok") for page in pages if isinstance(page, PageFailure)]
    assert found == [page for file, words in named.items() for page in expected(file, words)]


def test_a_long_file_is_read_ahead_where_no_other_waits() -> None:
    workers = Workers({"long": ["ok"] * 50})
    pages = iter(InOrder(workers.read, iter([Rest("long", 3)]), 4))
    assert next(pages).page == 3  # type: ignore[union-attr]
    assert workers.asked == [("long", 3)]  # It may be short.
    for _ in range(PAGES_A_PART):
        page = next(pages)
    assert page.page == 11  # type: ignore[union-attr]
    assert workers.asked == [("long", first) for first in (3, 11, 19, 27, 35)]
    assert len(list(pages)) == 50 - 11


def test_other_files_are_begun_while_a_long_one_is_read() -> None:
    workers = Workers({"long": ["ok"] * 20, **{str(number): ["ok"] for number in range(9)}})
    pages = iter(InOrder(workers.read, iter(workers.files), 3))
    for _ in range(PAGES_A_PART + 1):
        next(pages)
    assert workers.asked == [("long", 1), ("0", 1), ("1", 1), ("long", 9)]


def test_what_is_a_failure_already_is_handed_on() -> None:
    failure = PageFailure("closed folder", 1, "the folder can't be listed")
    assert list(InOrder(Workers({}).read, iter([failure]), 1)) == [failure]
