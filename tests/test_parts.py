from __future__ import annotations

import csv
import json
import os
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import digitscan.parts as parts_module
from digitscan.errors import Interrupted, OutputError, UsageError
from digitscan.parts import PartsReport, is_in_parts, lock_path
from digitscan.report import CsvReport, frame
from digitscan.schema import Box, Digit, Format, Number, PageFailure, PageNumbers, PageResult, Per, Rest, Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from digitscan.schema import Source

LATE = "late"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "_FILES", 2)


class Place:
    """A folder of scans whose words are pages, and the folder of their report."""

    def __init__(self, folder: Path) -> None:
        self.scans = folder / "scans"
        self.scans.mkdir()
        self.report = f"{folder}/report/"
        self.read: list[str] = []
        self._clock = 10**18

    def write(self, **files: str) -> None:
        for name, words in files.items():
            (self.scans / name).write_text(words, "utf-8")
            self._clock += 10**9
            os.utime(self.scans / name, ns=(self._clock, self._clock))

    def _pages(self, sources: Iterator[Source]) -> Generator[PageResult]:
        for source in sources:
            assert not isinstance(source, Rest)
            yield from [source] if isinstance(source, PageResult) else self._file(source)

    def _file(self, file: str) -> Iterator[PageResult]:
        self.read.append(Path(file).name)
        for page, word in enumerate(Path(file).read_text("utf-8").split(), 1):
            if word == LATE:
                yield PageFailure(file, page, word, transient=True)
            else:
                yield PageNumbers(file, page, (Number(1, 1, 0.98765, (Digit(word, 0.98765, Box(1, 2, 3, 4)),)),))

    def run(
        self,
        *,
        resume: bool = True,
        stop: str = "",
        form: Format = Format.CSV,
        settings: Settings | None = None,
        failures: tuple[PageFailure, ...] = (),
    ) -> PartsReport:
        """Reads all, or what comes before the file `stop`; `read` has the files that were read."""
        self.read = []
        lock_path(self.report)
        found = [*map(str, sorted(self.scans.iterdir())), *failures]
        report = PartsReport(self.report, settings or Settings(), "m", form=form, resume=resume)
        with report:
            for page in report.resume(found, self._pages):
                if stop and Path(page.file).name == stop:
                    raise KeyboardInterrupt
                report.add(page)
        return report

    @property
    def manifest(self) -> dict[str, object]:
        return dict(json.loads(Path(self.report, "manifest.json").read_text("utf-8")))

    def names(self) -> list[str]:
        return sorted(os.listdir(self.report))  # noqa: PTH208

    def texts(self) -> list[str]:
        """The column `text` of all parts."""
        files = [Path(self.report, name).read_text("utf-8") for name in self.names() if name.endswith(".csv")]
        return [row["text"] or row["message"] for file in files for row in csv.DictReader(StringIO(file))]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write(a="1", b="2 3 4", d="5", e="6 7", f="8")
    return place


def test_parts_have_the_rows_of_one_report(place: Place, tmp_path: Path) -> None:
    report = place.run(failures=(PageFailure("shut", 1, "closed"),))
    assert place.names() == ["manifest.json", "part-00000.csv", "part-00001.csv", "part-00002.csv"]
    with CsvReport(str(tmp_path / "one.csv"), Settings()) as one:
        for page in [*place._pages(map(str, sorted(place.scans.iterdir()))), PageFailure("shut", 1, "closed")]:
            one.add(page)
    head, body = (tmp_path / "one.csv").read_text("utf-8").split("\n", 1)
    contents = [Path(place.report, f"part-0000{part}.csv").read_text("utf-8").split("\n", 1) for part in range(3)]
    assert [first for first, _ in contents] == [head] * 3
    assert "".join(rest for _, rest in contents) == body
    assert report.summary == one.summary
    assert place.manifest["complete"]


def test_nothing_is_read_twice(place: Place) -> None:
    first = place.run()
    again = place.run()
    assert place.read == []
    assert again.summary == first.summary
    assert place.texts() == [*"12345678"]


def test_a_run_that_was_stopped_goes_on(place: Place) -> None:
    with pytest.raises(Interrupted, match="1 parts of the report are finished"):
        place.run(resume=False, stop="e")
    assert not place.manifest["complete"]
    assert place.names() == ["manifest.json", "part-00000.csv"]
    place.run()
    assert place.read == ["d", "e", "f"]
    assert place.texts() == [*"12345678"]


def test_what_is_not_reached_stays_known(place: Place) -> None:
    place.run()
    place.write(a="11")
    with pytest.raises(Interrupted):
        place.run(stop="a")
    place.run()
    assert place.read == ["a", "b"]
    assert place.texts() == ["11", *"2345678"]


def test_only_parts_with_changes_are_read_again(place: Place) -> None:
    place.run()
    place.write(d="55")
    place.run()
    assert place.read == ["d", "e"]
    assert place.texts() == [*"1234", "55", *"678"]


def test_a_new_file_moves_all_that_come_after_it(place: Place) -> None:
    place.run()
    place.write(c="0")
    place.run()
    assert place.read == ["c", "d", "e", "f"]
    assert place.texts() == [*"1234", "0", *"5678"]


def test_parts_of_a_longer_report_are_removed(place: Place) -> None:
    place.run()
    Path(place.report, "notes.txt").write_text("mine")
    (place.scans / "f").unlink()
    place.run()
    assert place.names() == ["manifest.json", "notes.txt", "part-00000.csv", "part-00001.csv"]


def test_a_passing_fault_is_tried_again(place: Place) -> None:
    place.write(d=LATE)
    place.run()
    place.run()
    assert place.read == ["d", "e"]


def test_a_part_that_vanished_is_made_again(place: Place) -> None:
    place.run()
    Path(place.report, "part-00001.csv").unlink()
    place.run()
    assert place.read == ["d", "e"]


@pytest.mark.parametrize("settings", [Settings(per=Per.DIGIT), Settings(dpi=99), Settings(min_confidence=0.1)])
def test_other_settings_make_all_anew(place: Place, settings: Settings) -> None:
    place.run()
    place.run(settings=settings)
    assert len(place.read) == 5


def test_without_resume_all_is_read(place: Place) -> None:
    place.run()
    place.run(resume=False)
    assert len(place.read) == 5


def test_parquet_has_the_same_columns(place: Place) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    place.run(form=Format.PARQUET, failures=(PageFailure("=\udcff", 1, "closed"),))
    assert place.names()[1:] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    table = pq.read_table(Path(place.report, "part-00002.parquet")).to_pandas()
    pages = [*place._file(str(place.scans / "f")), PageFailure("=\\udcff", 1, "closed")]
    expected = frame(pages, Settings())
    assert list(table.columns) == list(expected.columns)
    assert table.astype(expected.dtypes).equals(expected)


def test_parquet_in_several_groups_of_rows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parts_module, "_ROWS_A_GROUP", 2)
    place.run(form=Format.PARQUET)
    found = pq.read_table(Path(place.report, "part-00000.parquet")).to_pydict()
    assert found["text"] == [*"1234"]


def test_a_damaged_manifest(place: Place) -> None:
    place.run()
    Path(place.report, "manifest.json").write_text('{"parts": [1]}')
    with pytest.raises(OutputError, match="is damaged; delete it"):
        place.run()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output in (f"{tmp_path}/file/", f"{tmp_path}/no/report/"):
        with pytest.raises(OutputError, match="can't be written"):
            lock_path(output)


def test_what_goes_to_a_folder() -> None:
    assert [is_in_parts(output) for output in (None, "-", "r.csv", "r/", "s3://b/r/")] == [False] * 3 + [True] * 2
    with pytest.raises(UsageError, match=r"-o s3://b/r\.csv/"):
        is_in_parts("s3://b/r.csv")
