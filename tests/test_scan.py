from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from writing import ByHeart, all_digits, draw_digit, on_paper, write_page

import digitscan.scan as scan_module
from digitscan.decode import PLAIN_WEIGHTS
from digitscan.errors import UsageError
from digitscan.files import find_pages
from digitscan.journal import Journal
from digitscan.order import PAGES_A_PART
from digitscan.pool import LossyPool
from digitscan.scan import Reader, count_few, normalize_digit, page_glyphs, scan
from digitscan.schema import Layout, Page, PageFailure, PageNumbers, Rest, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from digitscan.schema import Box, Source

    Result = PageNumbers | PageFailure

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals")

HERE = Settings(jobs=1)
MISSING = PageFailure("closed folder", 1, "the folder can't be listed: Permission denied")


def texts(page: Result) -> list[str] | None:
    """The numbers of a page, None for one that couldn't be read."""
    return None if isinstance(page, PageFailure) else [number.text for number in page.numbers]


def places(pages: list[Result]) -> list[tuple[str, int]]:
    return [(page.file, page.page) for page in pages]


def write_tiff(path: Path, count: int) -> None:
    """A file whose pages hold their own number."""
    assert cv2.imwritemulti(str(path), [write_page([str(number)], 24, margin=16).pixels for number in range(count)])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[str | PageFailure]:
    """More files than are read without a pool: pages, long files, a damaged one, and a folder that can't be read."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(8):
        assert cv2.imwrite(str(folder / f"{number}.png"), write_page([str(100 + number)], 24, margin=16).pixels)
    (folder / "3.5.png").write_bytes(b"no picture")
    for count in (15, 16, 17, 33):
        write_tiff(folder / f"4-{count}.tiff", count)
    found = list(find_pages([str(folder)]))
    return [*found[:3], MISSING, *found[3:]]


@pytest.fixture(scope="module")
def alone(many: list[str | PageFailure]) -> list[Result]:
    """What comes of them without a pool."""
    return list(scan(many, Reader(ByHeart()), HERE))


# --- pages in, numbers out ---


def test_a_folder_is_read_page_by_page(scans: Path, by_heart: ByHeart) -> None:
    pages = list(scan(find_pages([str(scans)]), Reader(by_heart), HERE))
    assert [texts(page) for page in pages] == [
        *(["31415", "007", "92653"], ["27182"]),
        *(["11"], ["22"], ["33"]),
        *([], None),
    ]
    names = ["a.png", "b.jpg", "c.tiff", "c.tiff", "c.tiff", "d.png", "e.jpg"]
    assert places(pages) == list(zip([str(scans / name) for name in names], [1, 1, 1, 2, 3, 1, 1], strict=True))


def test_boxes_are_where_the_digits_are(tmp_path: Path, by_heart: ByHeart) -> None:
    page = write_page(["31415 007", "92653"])
    assert cv2.imwrite(str(tmp_path / "a.png"), page.pixels)
    (read,) = scan([str(tmp_path / "a.png")], Reader(by_heart), HERE)
    assert isinstance(read, PageNumbers)
    for box, true in zip(boxes(read), page.boxes, strict=True):
        assert (box.x, box.y) == pytest.approx((true.x, true.y), abs=4)
        assert (box.width, box.height) == pytest.approx((true.width, true.height), abs=7)


def test_lines_and_numbers_count_from_1(scans: Path, by_heart: ByHeart) -> None:
    (page,) = scan([str(scans / "a.png")], Reader(by_heart), HERE)
    assert isinstance(page, PageNumbers)
    assert [(number.line, number.number) for number in page.numbers] == [(1, 1), (1, 2), (2, 1)]


def test_a_skewed_page_is_read(tmp_path: Path, by_heart: ByHeart) -> None:
    pixels = write_page(["3141592653"] * 6, 36, margin=100).pixels
    height, width = pixels.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1)
    turned = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    assert cv2.imwrite(str(tmp_path / "a.png"), turned)
    (page,) = scan([str(tmp_path / "a.png")], Reader(by_heart), HERE)
    assert isinstance(page, PageNumbers)
    assert [number.line for number in page.numbers] == [1, 2, 3, 4, 5, 6]


def test_nothing_to_read(by_heart: ByHeart) -> None:
    assert list(scan([], Reader(by_heart), HERE)) == []
    assert by_heart.batches == []


def test_failures_alone_need_no_classifier(by_heart: ByHeart) -> None:
    assert list(scan([MISSING, MISSING], Reader(by_heart), HERE)) == [MISSING, MISSING]
    assert by_heart.batches == []


def test_an_unreadable_file_is_a_failure_with_a_reason(tmp_path: Path, by_heart: ByHeart) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    for page in scan([str(tmp_path / "a.png"), str(tmp_path / "gone.png")], Reader(by_heart), HERE):
        assert isinstance(page, PageFailure)
        assert page.message
        assert "\n" not in page.message


# --- pages on their side ---


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_a_turned_page_reads_the_same_and_its_boxes_lie_on_the_same_ink(
    rotate: int, tmp_path: Path, by_heart: ByHeart
) -> None:
    pixels = write_page(["31415 007", "92653"]).pixels
    stored = np.rot90(pixels, rotate // 90)
    for name, page in (("upright", pixels), ("turned", stored)):
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), page)
    (upright,) = scan([str(tmp_path / "upright.png")], Reader(by_heart), HERE)
    (turned,) = scan([str(tmp_path / "turned.png")], Reader(by_heart), replace(HERE, rotate=rotate))
    assert texts(turned) == texts(upright) == ["31415", "007", "92653"]
    assert isinstance(upright, PageNumbers)
    assert isinstance(turned, PageNumbers)
    for straight, lying in zip(boxes(upright), boxes(turned), strict=True):
        there = np.rot90(crop(stored, lying), -rotate // 90)
        np.testing.assert_array_equal(there, crop(pixels, straight))


def boxes(page: PageNumbers) -> list[Box]:
    return [digit.box for number in page.numbers for digit in number.digits]


def crop(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return pixels[box.y : box.y + box.height, box.x : box.x + box.width]


def test_pages_are_turned_by_quarters_alone() -> None:
    for rotate in (45, -90, 360):
        with pytest.raises(UsageError, match="rotate"):
            Settings(rotate=rotate)


# --- layouts ---


@pytest.mark.parametrize(("layout", "lines"), [(Layout.PAGE, ["31", "42"]), (Layout.LINE, ["3142"])])
def test_in_a_picture_of_one_line_all_is_one_line(
    layout: Layout, lines: list[str], tmp_path: Path, by_heart: ByHeart
) -> None:
    left, right = write_page(["31", ""], margin=20).pixels, write_page(["", "42"], margin=20).pixels
    assert cv2.imwrite(str(tmp_path / "a.png"), np.hstack([left[:, :-20], right]))
    (page,) = scan([str(tmp_path / "a.png")], Reader(by_heart), Settings(jobs=1, layout=layout))
    assert texts(page) == lines


def test_pictures_of_single_digits(tmp_path: Path, by_heart: ByHeart) -> None:
    for number, digit in enumerate(all_digits()[::11]):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), digit)
    pages = list(scan(find_pages([str(tmp_path)]), Reader(by_heart), Settings(jobs=1, layout=Layout.DIGIT)))
    assert [texts(page) for page in pages] == [[str(number)] for number in range(10)]


def test_every_picture_of_a_digit_is_one_glyph() -> None:
    page = Page("a.png", 1, on_paper(np.pad(np.hstack([draw_digit("4", 40), draw_digit("2", 40)]), 20)))
    assert len(page_glyphs(page, Settings(layout=Layout.DIGIT)).glyphs) == 1


def test_a_page_becomes_its_candidates() -> None:
    page = Page("a.png", 1, write_page(["0123456789"] * 10).pixels)
    found = page_glyphs(page, Settings())
    assert found.glyphs.shape == (sum(len(lattice.edges) for lattice in found.lattices), 28, 28)
    assert (found.file, found.page) == ("a.png", 1)


def test_normalised_digits_are_those_of_mnist() -> None:
    for digit in all_digits()[:10]:
        np.testing.assert_array_equal(normalize_digit(digit), digit)


# --- order, batches, workers ---


def test_order_is_that_of_the_input(many: list[str | PageFailure], alone: list[Result]) -> None:
    order = [item.file if isinstance(item, PageFailure) else item for item in many]
    ranks = [order.index(page.file) for page in alone]
    assert ranks == sorted(ranks)
    assert alone[3] == MISSING


def test_long_files_come_complete(alone: list[Result]) -> None:
    for count in (15, 16, 17, 33):
        pages = [page for page in alone if page.file.endswith(f"-{count}.tiff")]
        assert [page.page for page in pages] == list(range(1, count + 1))
        assert [texts(page) for page in pages] == [[str(number)] for number in range(count)]


def test_a_pool_gives_the_same(many: list[str | PageFailure], alone: list[Result]) -> None:
    assert list(scan(many, Reader(ByHeart()), Settings(jobs=2))) == alone


def test_the_batch_makes_no_difference(many: list[str | PageFailure], alone: list[Result]) -> None:
    by_heart = ByHeart()
    one_by_one = [page for file in many for page in scan([file], Reader(by_heart), HERE)]
    assert places(one_by_one) == places(alone)
    assert [texts(page) for page in one_by_one] == [texts(page) for page in alone]


def test_candidates_of_many_pages_are_classified_together(many: list[str | PageFailure]) -> None:
    by_heart = ByHeart()
    pages = list(scan(many, Reader(by_heart), HERE))
    assert len(by_heart.batches) < len(pages) / 10


def test_pages_come_before_all_are_read(tmp_path: Path, by_heart: ByHeart) -> None:
    """So that memory doesn't grow with their number."""
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 20), 255, np.uint8))
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield str(tmp_path / "a.png")

    pages = scan(endless(), Reader(by_heart), HERE)
    assert isinstance(next(pages), PageNumbers)
    assert taken < 1000


def test_a_few_files_start_no_workers(scans: Path, by_heart: ByHeart) -> None:
    pages = scan(find_pages([str(scans)]), Reader(by_heart), Settings(jobs=4))
    next(pages)
    assert multiprocessing.active_children() == []
    assert len(list(pages)) == 6


@pytest.mark.parametrize(("count", "in_workers"), [(15, False), (16, True)])
def test_a_few_files_with_many_pages_are_read_on_by_workers(
    count: int, in_workers: bool, tmp_path: Path, by_heart: ByHeart, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiff(tmp_path / "long.tiff", count)
    files = [str(tmp_path / "long.tiff")]
    pools: list[int] = []

    class Pool(LossyPool):
        def __init__(self, jobs: int, *arguments: Any) -> None:
            pools.append(jobs)
            super().__init__(jobs, *arguments)

    monkeypatch.setattr(scan_module, "LossyPool", Pool)
    pages = list(scan(files, Reader(by_heart), Settings(jobs=2)))
    assert places(pages) == [(files[0], page) for page in range(1, count + 1)]
    assert [texts(page) for page in pages] == [[str(number)] for number in range(count)]
    assert pools == [2] * in_workers


def test_pages_of_few_files_are_counted(tmp_path: Path, scans: Path) -> None:
    write_tiff(tmp_path / "a.tiff", 3)
    (tmp_path / "b.png").write_bytes(b"no picture")
    files: list[str | PageFailure] = [*map(str, sorted(tmp_path.iterdir())), MISSING, str(scans / "a.png")]
    assert count_few(files, HERE) == 6
    assert count_few(files * 2, HERE) is None
    assert count_few(["https://example.org/a.pdf"], HERE) is None


def test_weights_of_the_model_are_used(scans: Path, by_heart: ByHeart) -> None:
    nothing_is_a_digit = PLAIN_WEIGHTS._replace(digit=(*PLAIN_WEIGHTS.digit[:3], -1e3, *PLAIN_WEIGHTS.digit[4:]))
    (page,) = scan([str(scans / "a.png")], Reader(by_heart, weights=nothing_is_a_digit), HERE)
    assert texts(page) == []


@pytest.mark.skipif(os.name != "posix", reason="names that aren't UTF-8")
def test_names_that_are_not_utf8_are_read(tmp_path: Path, by_heart: ByHeart) -> None:
    encoded, data = cv2.imencode(".png", write_page(["42"]).pixels)
    assert encoded
    path = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.png")
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(data.tobytes())
    (page,) = scan([path], Reader(by_heart), HERE)
    assert (page.file, texts(page)) == (path, ["42"])


# --- workers that are lost ---


@pytest.fixture
def fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for `write_fatal`."""
    monkeypatch.setattr(scan_module, "_read_in_worker", read_fatal)
    return tmp_path


def write_fatal(folder: Path, name: str, *pages: str) -> str:
    """A file for `read_fatal`: words for its pages."""
    (folder / name).write_text(" ".join(pages), "utf-8")
    return str(folder / name)


def read_fatal(file: str, first: int, _: Settings) -> Iterator[PageFailure]:
    """Reads files whose pages say what befalls their reader: kill, once (and never again), or sleep."""
    words = enumerate(Path(file).read_text("utf-8").split(), 1)
    for number, word in islice(words, first - 1, first - 1 + PAGES_A_PART):
        mark = Path(f"{file}-{number}")
        if word == "kill" or (word == "once" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "sleep":
            time.sleep(1000)
        yield PageFailure(file, number, word)


def lost(pages: Iterable[Result]) -> list[str]:
    """Name, page and the first words of the message."""
    return [f"{Path(page.file).name} {page.page} {page.message[:22]}" for page in pages]  # type: ignore[union-attr]


@POSIX
def test_a_killed_worker_costs_the_page_that_kills_it(fatal: Path, by_heart: ByHeart) -> None:
    files = [write_fatal(fatal, f"{name}", "ok") for name in range(8)]
    files[3] = write_fatal(fatal, "3", "a", "kill", "b", *["c"] * 30, "kill")
    files[5] = write_fatal(fatal, "5", "once")
    pages = list(scan(files, Reader(by_heart), Settings(jobs=2)))
    assert lost(pages) == [
        *("0 1 ok", "1 1 ok", "2 1 ok", "3 1 a", "3 2 its reading was killed", "3 3 b"),
        *(f"3 {page} c" for page in range(4, 34)),
        *("3 34 its reading was killed", "4 1 ok", "5 1 once", "6 1 ok", "7 1 ok"),
    ]
    assert multiprocessing.active_children() == []


@POSIX
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_page_that_takes_too_long_is_given_up(fatal: Path, by_heart: ByHeart, jobs: int) -> None:
    files = [write_fatal(fatal, "a", "x", "sleep", "y"), write_fatal(fatal, "b", "sleep"), write_fatal(fatal, "c", "z")]
    pages = list(scan(files, Reader(by_heart), Settings(jobs=jobs, page_timeout=0.5)))
    assert lost(pages) == [
        *("a 1 x", "a 2 its reading took longe", "a 3 y", "b 1 its reading took longe", "c 1 z"),
    ]


@POSIX
def test_a_file_that_kills_again_and_again_is_left(fatal: Path, by_heart: ByHeart) -> None:
    pages = list(
        scan([write_fatal(fatal, "a", "x", *["kill"] * 9)], Reader(by_heart), Settings(jobs=1, page_timeout=9))
    )
    assert lost(pages) == ["a 1 x", "a 2 its reading was killed"]
    assert pages[1].message.endswith("the pages after it were not read")  # type: ignore[union-attr]


def test_what_is_a_result_already_is_handed_on(tmp_path: Path, by_heart: ByHeart) -> None:
    write_tiff(tmp_path / "a.tiff", 3)
    done = PageNumbers("b", 1, ())
    sources = [done, Rest(str(tmp_path / "a.tiff"), 3), MISSING]

    class Knowing(Journal):
        def resume(self, _: object, read: Callable[[Iterator[Source]], Iterator[Result]]) -> Iterator[Result]:
            return read(iter(sources))

    pages = list(scan([], Reader(by_heart), HERE, Knowing(str(tmp_path / "r.csv"), HERE, "")))
    assert pages[0] == done
    assert pages[2] == MISSING
    assert (pages[1].page, texts(pages[1])) == (3, ["2"])


def test_no_memory_for_a_page_is_an_error_row(scans: Path, by_heart: ByHeart, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(scan_module, "find_ink", full)
    (page,) = scan([str(scans / "a.png")], Reader(by_heart), HERE)
    assert isinstance(page, PageFailure)
    assert "not enough memory" in page.message
    assert page.transient


@pytest.mark.parametrize("rotate", [0, 90])
@pytest.mark.parametrize(("height", "seen"), [(60, [2]), (26, [2, 1])])
def test_large_jpegs_are_decoded_at_the_size_that_their_digits_need(
    tmp_path: Path, by_heart: ByHeart, monkeypatch: pytest.MonkeyPatch, height: int, seen: list[int], rotate: int
) -> None:
    page, _ = write_page(["31415 92653", "58979 32384", "62643 38327"], height, margin=200)
    pixels = np.full((3000, 2600), page[0, 0], np.uint8)
    pixels[: page.shape[0], : page.shape[1]] = page
    for name in ("large.jpg", "large.png"):
        assert cv2.imwrite(str(tmp_path / name), np.rot90(pixels, rotate // 90))
    reductions: list[int] = []

    def watched(page: Page, *arguments: object) -> object:
        reductions.append(page.reduction)
        return page_glyphs(page, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scan_module, "page_glyphs", watched)
    settings = Settings(jobs=1, rotate=rotate)
    jpeg, png = scan([str(tmp_path / name) for name in ("large.jpg", "large.png")], Reader(by_heart), settings)
    assert reductions == [*seen, 1]
    assert isinstance(jpeg, PageNumbers)
    assert isinstance(png, PageNumbers)
    assert texts(jpeg) == texts(png)
    for one, other in zip(jpeg.numbers, png.numbers, strict=True):
        assert [abs(a - b) <= 4 for a, b in zip(one.box, other.box, strict=True)] == [True] * 4
