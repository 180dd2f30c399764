from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from digitscan import log
from digitscan.display import show_summary
from digitscan.errors import NoInputError, UsageError
from digitscan.report import CsvReport, read_report
from digitscan.schema import Box, Digit, LogFormat, Number, PageFailure, PageNumbers, Per, Settings
from digitscan.summary import ReportSummary, summarize

if TYPE_CHECKING:
    from pathlib import Path


def page(file: str, number: int, *confidences: float) -> PageNumbers:
    digit = Digit("1", 0.5, Box(0, 0, 9, 9))
    return PageNumbers(file, number, tuple(Number(1, place, c, (digit,)) for place, c in enumerate(confidences, 1)))


PAGES = (
    page("s/a.pdf", 1, 0.5, 0.79, 1.0),
    page("s/a.pdf", 2, 0.8, 0.95),
    page("s/t/b.png", 1, 0.1, 0.2),
    page("s/t/c.png", 1),
    PageFailure("s/\udcff[red]\x1b[0m.png", 1, "broken"),
)


def summary(path: Path, *pages: PageNumbers | PageFailure, per: Per = Per.NUMBER) -> ReportSummary:
    with CsvReport(str(path), Settings(per=per)) as report:
        for one in pages:
            report.add(one)
    return summarize(read_report(path, list(Per)))


def test_rows_are_counted_by_status(tmp_path: Path) -> None:
    statuses = summary(tmp_path / "r.csv", *PAGES).statuses.set_index("status")
    assert statuses["rows"].to_dict() == {"review": 4, "ok": 3, "empty": 1, "error": 1}
    assert statuses["share"].sum() == pytest.approx(1)


def test_every_confidence_is_in_its_bin(tmp_path: Path) -> None:
    confidences = summary(tmp_path / "r.csv", *PAGES).confidences.set_index("confidence")["rows"]
    assert confidences[confidences > 0].to_dict() == {
        "0.1 to 0.2": 1,
        "0.2 to 0.3": 1,
        "0.5 to 0.6": 1,
        "0.7 to 0.8": 1,
        "0.8 to 0.9": 1,
        "0.95 to 0.99": 1,
        "0.99 to 1": 1,
    }


def test_the_page_with_most_to_review_is_the_worst(tmp_path: Path) -> None:
    pages = summary(tmp_path / "r.csv", *PAGES).pages
    assert pages[["file", "page", "rows", "review"]].to_numpy().tolist() == [
        *(["s/t/b.png", "1", 2, 2], ["s/a.pdf", "1", 3, 2])
    ]
    assert pages["least"].tolist() == [0.1, 0.5]


def test_folders_have_totals(tmp_path: Path) -> None:
    folders = summary(tmp_path / "r.csv", *PAGES).folders.set_index("folder")
    assert folders.loc["s"].to_dict() == {
        "files": 2,
        "pages": 3,
        "rows": 6,
        "empty": 0,
        "error": 1,
        "ok": 3,
        "review": 2,
    }
    assert folders.loc["s/t"].to_dict() == {
        "files": 2,
        "pages": 2,
        "rows": 3,
        "empty": 1,
        "error": 0,
        "ok": 0,
        "review": 2,
    }


@pytest.mark.parametrize("per", Per)
def test_reports_of_every_kind_are_shown(tmp_path: Path, per: Per) -> None:
    stream = io.StringIO()
    show_summary(Console(file=stream, width=200), summary(tmp_path / "r.csv", *PAGES, per=per))
    shown = stream.getvalue().encode().decode()
    assert all(title in shown for title in ("Status", "Confidence", "Worst pages", "Folders"))
    assert "\x1b" not in shown


def test_a_report_without_rows_has_nothing_to_show(tmp_path: Path) -> None:
    found = summary(tmp_path / "r.csv")
    assert [len(frame) for frame in (found.statuses, found.pages, found.slowest)] == [0, 0, 0]


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    bad = page("s/\udcff[red]\x1b[0m.png", 1, 0.1)
    stream = io.StringIO()
    show_summary(Console(file=stream, width=200), summary(tmp_path / "r.csv", bad))
    assert "s/\\udcff[red]\\x1b[0m.png" in stream.getvalue()


def test_the_slowest_pages_are_those_of_the_log(tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    log.start(log_file, LogFormat.JSON, io.StringIO().write)
    for seconds in (0.5, 0.2):
        log.page(replace(PAGES[0], seconds=seconds))
    log.page(replace(PAGES[1], seconds=0.4))
    log.page(PAGES[-1])
    log.start(None, LogFormat.TEXT, None)
    with CsvReport(str(tmp_path / "r.csv"), Settings()) as report:
        report.add(PAGES[0])
    slowest = summarize(read_report(tmp_path / "r.csv", list(Per)), log_file).slowest
    assert slowest.to_numpy().tolist() == [["s/a.pdf", 2, 0.4, 2], ["s/a.pdf", 1, 0.2, 3]]
    assert not len(summary(tmp_path / "r.csv", *PAGES).slowest)


@pytest.mark.parametrize(
    ("content", "error"), [(None, NoInputError), ("2026-11-24 INFO read", UsageError), ("3", UsageError)]
)
def test_what_is_no_log_is_refused(tmp_path: Path, content: str | None, error: type[Exception]) -> None:
    log_file = tmp_path / "log"
    if content:
        log_file.write_text(content, "utf-8")
    with pytest.raises(error, match="log"):
        list(log.read_events(log_file, "read"))
