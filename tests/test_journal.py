from __future__ import annotations

import os
import time
from contextlib import closing
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan.errors import OutputError, UsageError
from digitscan.journal import Journal, _decoded, _encoded
from digitscan.schema import Box, Digit, Layout, Number, PageFailure, PageNumbers, PageResult, Rest, Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from digitscan.schema import Source

BAD, LATE = "bad", "late"
"""Words for pages that can't be read, for a fault of the file and for another."""

AHEAD = 3


class Reader:
    """Reads files whose words are pages, some files ahead as a scan does, and remembers what it has read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, sources: Iterator[Source]) -> Generator[PageResult]:
        while batch := list(islice(sources, AHEAD)):
            for source in batch:
                yield from [source] if isinstance(source, PageResult) else self._pages(source)

    def _pages(self, source: str | Rest) -> Iterator[PageResult]:
        file, first = source if isinstance(source, Rest) else (source, 1)
        words = Path(file).read_text("utf-8").split()
        for page, word in islice(enumerate(words, 1), first - 1, None):
            self.read.append(f"{Path(file).name}{page}")
            if word in (BAD, LATE):
                yield PageFailure(file, page, word, transient=word == LATE)
            else:
                yield PageNumbers(file, page, (number(word),))


def number(word: str) -> Number:
    return Number(1, 1, 0.5, (Digit(word, 0.5, Box(1, 2, 3, 4)),))


class Place:
    """A folder of scans, and its report."""

    def __init__(self, folder: Path) -> None:
        self.scans = folder / "scans"
        self.scans.mkdir()
        self.report = str(folder / "r.csv")
        self.clock = time.time_ns() - 10**12

    def write(self, **files: str) -> None:
        for name, words in files.items():
            (self.scans / name).write_text(words, "utf-8")
            self.clock += 10**9
            os.utime(self.scans / name, ns=(self.clock, self.clock))

    def found(self) -> list[str | PageFailure]:
        return [str(path) for path in sorted(self.scans.iterdir())]

    def run(
        self,
        reader: Reader | None = None,
        *,
        stop: int | None = None,
        prune: bool = False,
        checksum: bool = False,
        settings: Settings | None = None,
        model: str = "m",
        failures: tuple[PageFailure, ...] = (),
    ) -> list[str]:
        """The report's pages, the first `stop` of them where the run is stopped there."""
        with (
            Journal(self.report, settings or Settings(), model, checksum=checksum, prune=prune) as journal,
            closing(journal.resume([*self.found(), *failures], reader or Reader())) as pages,
        ):
            return [shown(page) for page in islice(pages, stop)]


def shown(page: PageResult) -> str:
    text = page.message if isinstance(page, PageFailure) else page.numbers[0].text
    return f"{Path(page.file).name}{page.page} {text}"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write(a="1", b="2 3 4", d="5", e="6 7", f="8", g="9")
    return place


def test_nothing_is_read_twice(place: Place) -> None:
    first = place.run()
    again = Reader()
    assert place.run(again) == first == ["a1 1", "b1 2", "b2 3", "b3 4", "d1 5", "e1 6", "e2 7", "f1 8", "g1 9"]
    assert again.read == []


def test_the_report_stays_the_only_other_file(place: Place, tmp_path: Path) -> None:
    place.run()
    assert sorted(os.listdir(tmp_path)) == [".r.csv.digitscan", "scans"]  # noqa: PTH208


def test_new_and_changed_files_are_read_in_their_place(place: Place) -> None:
    place.run()
    place.write(b="22 3", c="0", h="10")
    reader = Reader()
    now = place.run(reader)
    assert now[1:4] == ["b1 22", "b2 3", "c1 0"]
    assert now[-1] == "h1 10"
    assert reader.read == ["b1", "b2", "c1", "h1"]


def test_vanished_files_come_last_as_they_came_before(place: Place) -> None:
    place.run()
    for name in "eb":
        (place.scans / name).unlink()
    kept = ["b1 2", "b2 3", "b3 4", "e1 6", "e2 7"]
    assert place.run() == ["a1 1", "d1 5", "f1 8", "g1 9", *kept]
    (place.scans / "a").unlink()
    assert place.run() == ["d1 5", "f1 8", "g1 9", "a1 1", *kept]
    place.write(b="2 3 4")
    assert place.run() == ["b1 2", "b2 3", "b3 4", "d1 5", "f1 8", "g1 9", "a1 1", "e1 6", "e2 7"]


def test_prune_drops_vanished_files(place: Place) -> None:
    place.run()
    (place.scans / "e").unlink()
    rest = ["a1 1", "b1 2", "b2 3", "b3 4", "d1 5", "f1 8", "g1 9"]
    assert place.run(prune=True) == rest
    assert place.run() == rest


def test_prune_keeps_what_lies_in_a_folder_that_cannot_be_listed(place: Place) -> None:
    place.run()
    (place.scans / "e").unlink()
    closed = PageFailure(str(place.scans), 1, "closed")
    assert place.run(prune=True, failures=(closed,))[-3:] == ["scans1 closed", "e1 6", "e2 7"]
    other = PageFailure(str(place.scans)[:-1], 1, "closed")
    assert place.run(prune=True, failures=(other,))[-1] == "scan1 closed"


def test_what_failed_for_no_fault_of_the_file_is_tried_again(place: Place) -> None:
    place.write(b=f"2 {LATE} 4", d=BAD, e=LATE)
    first = place.run()
    reader = Reader()
    assert place.run(reader) == first
    assert reader.read == ["b1", "b2", "b3", "e1"]
    place.write(e="6")
    assert place.run()[5] == "e1 6"


def test_a_long_file_is_read_on_where_it_was_stopped(place: Place) -> None:
    place.write(b=f"1 {BAD} 3 {BAD} 5")
    for stop, again in ((3, ["b2", "b3"]), (4, ["b4", "b5"]), (5, ["b4", "b5"]), (6, ["d1"])):
        Path(f"{place.scans}/../.r.csv.digitscan").unlink(missing_ok=True)
        place.run(stop=stop)
        reader = Reader()
        place.run(reader)
        assert reader.read[: len(again)] == again


@pytest.mark.parametrize(
    ("settings", "model", "again"),
    [
        (Settings(), "other", True),
        (Settings(layout=Layout.LINE), "m", True),
        (Settings(rotate=90), "m", True),
        (Settings(dpi=300), "m", True),
        (Settings(min_confidence=0.1, jobs=3), "m", False),
    ],
)
def test_what_changes_the_reading_makes_all_be_read_again(
    place: Place, settings: Settings, model: str, again: bool
) -> None:
    first, reader = place.run(), Reader()
    assert place.run(reader, settings=settings, model=model) == first
    assert len(reader.read) == (9 if again else 0)


def test_a_checksum_tells_what_time_does_not(place: Place) -> None:
    place.run(checksum=True)
    status = (place.scans / "a").stat()
    place.write(a="7", d="5")
    os.utime(place.scans / "a", ns=(status.st_mtime_ns, status.st_mtime_ns))
    by_time, by_content = Reader(), Reader()
    place.run(by_content, checksum=True)
    assert by_content.read == ["a1"]
    place.write(e="6 7")
    place.run(by_time)
    assert by_time.read == ["d1", "e1", "e2"]


def test_a_checksum_is_wanted_where_there_was_none(place: Place) -> None:
    place.run()
    reader = Reader()
    place.run(reader, checksum=True)
    assert len(reader.read) == 9


def test_a_file_that_changes_while_it_is_read_is_read_again(place: Place) -> None:
    class Changing(Reader):
        def __call__(self, sources: Iterator[Source]) -> Generator[PageResult]:
            for page in super().__call__(sources):
                if Path(page.file).name == "b":
                    place.write(b=f"2 3 {page.page}")
                yield page

    place.run(Changing())
    reader = Reader()
    assert place.run(reader)[1:4] == ["b1 2", "b2 3", "b3 3"]
    assert reader.read == ["b1", "b2", "b3"]


@pytest.mark.parametrize("bad", ["", "a", "b", "g"])
def test_a_run_that_was_stopped_anywhere_is_completed(place: Place, bad: str) -> None:
    place.run()
    (place.scans / "f").unlink()
    place.write(a="1", b="22 3 4", c="x y")
    if bad:
        place.write(**{bad: f"z {BAD} z"})
    reference = Path(f"{place.report}.copy")
    reference.write_bytes(Path(f"{place.scans}/../.r.csv.digitscan").read_bytes())
    whole = place.run()
    for stop in range(len(whole) + 1):
        Path(f"{place.scans}/../.r.csv.digitscan").write_bytes(reference.read_bytes())
        first, second = Reader(), Reader()
        assert place.run(first, stop=stop) == whole[:stop]
        assert place.run(second) == whole
        twice = set(first.read[:-1]) & set(second.read)
        assert not twice or bad, "a page that was finished is read again"


changes = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["", "1", "2 3", "4 5 6", BAD, LATE, f"7 {BAD} 8 {LATE} 9"])),
    max_size=4,
)


@given(st.lists(st.tuples(changes, st.none() | st.integers(0, 12), st.booleans()), max_size=8))
def test_interruptions_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, nights: list[tuple[list[tuple[str, str]], int | None, bool]]
) -> None:
    """Whatever changes between runs, and wherever one stops: the next complete report lacks and repeats nothing."""
    place = Place(tmp_path_factory.mktemp("nights"))
    old: list[str] = []
    ever: dict[str, set[tuple[str, ...]]] = {}
    for change, stop, prune in nights:
        for name, words in change:
            (place.scans / name).unlink(missing_ok=True)
            if words:
                place.write(**{name: words})
                ever.setdefault(name, set()).add(lines(name, words))
        present = {Path(str(file)).name: Path(str(file)).read_text("utf-8") for file in place.found()}
        fresh = [line for name, words in present.items() for line in lines(name, words)]
        reported = place.run(stop=stop, prune=prune)
        assert reported[: len(fresh)] == fresh[:stop]
        if stop is None or len(reported) < stop:
            kept = {name: tuple(group) for name, group in groupby(reported[len(fresh) :], key=lambda line: line[0])}
            assert all(pages in ever[name] for name, pages in kept.items())
            expected = [] if prune else [line[0] for line in old if line[0] not in present]
            assert [*kept][: len(set(expected))] == [*dict.fromkeys(expected)]
            old = reported


def lines(name: str, words: str) -> tuple[str, ...]:
    return tuple(f"{name}{page} {word}" for page, word in enumerate(words.split(), 1))


digit_records = st.builds(
    Digit, st.text("0123456789", min_size=1, max_size=1), st.floats(0, 1), st.just(Box(1, 2, 3, 4))
)
number_records = st.builds(
    *(Number, st.integers(1), st.integers(1), st.floats(0, 1)),
    *(st.lists(digit_records, min_size=1).map(tuple), st.none()),
)


@given(
    st.builds(PageNumbers, st.just("f"), st.just(3), st.lists(number_records).map(tuple))
    | st.builds(PageFailure, st.just("f"), st.just(3), st.text())
)
def test_pages_come_back_as_they_were(page: PageResult) -> None:
    assert _decoded("f", 3, _encoded(page)) == page


@pytest.mark.skipif(os.name != "posix", reason="names that aren't UTF-8, FIFOs")
def test_odd_names_and_what_is_no_file(place: Place) -> None:
    path = os.fsdecode(os.fsencode(place.scans) + b"/z\xff\n'")
    Path(path).write_text("1", "utf-8")
    os.mkfifo(place.scans / "y")
    reader = Reader()
    with (
        Journal(place.report, Settings(), "m", checksum=True) as journal,
        closing(journal.resume([str(place.scans / "gone"), str(place.scans / "y"), path], handed_on)) as pages,
    ):
        assert [page.file for page in pages] == [str(place.scans / "gone"), str(place.scans / "y"), path]
    (place.scans / "y").unlink()
    place.run(reader, checksum=True)
    assert Path(path).name + "1" not in reader.read


def handed_on(sources: Iterator[Source]) -> Generator[PageResult]:
    for source in sources:
        assert not isinstance(source, PageResult)
        yield PageNumbers(source.file if isinstance(source, Rest) else source, 1, (number("1"),))


@pytest.mark.parametrize("output", [None, "-", os.devnull])
def test_a_stream_has_no_journal(output: str | None) -> None:
    with pytest.raises(UsageError, match="-o FILE"):
        Journal(output, Settings(), "m")


@pytest.mark.parametrize(
    "content", [b"no database, whatever its name may say" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_journal_is_named(place: Place, tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".r.csv.digitscan").write_bytes(content)
    with pytest.raises(OutputError, match=r"\.r\.csv\.digitscan is damaged .* delete it") as caught:
        place.run()
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_said(place: Place) -> None:
    place.write(a="1 " * 300)
    with Journal(place.report, Settings(), "m") as journal:
        journal._run("PRAGMA max_page_count = 1")
        with pytest.raises(OutputError, match="full"):
            list(journal.resume(place.found(), Reader()))
    assert len(place.run()) == 308
