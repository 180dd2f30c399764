from __future__ import annotations

import csv
import errno
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan.errors import Interrupted, NoInputError, OutputError, UsageError
from digitscan.report import CsvReport, ReaderGone, Summary, frame, read_report, rows
from digitscan.schema import COLUMNS, Box, Digit, Number, PageFailure, PageNumbers, Per, Settings


def number(text: str, confidence: float = 0.95, line: int = 1, position: int = 1) -> Number:
    digits = tuple(Digit(digit, confidence, Box(10 * i, 5, 8, 12)) for i, digit in enumerate(text))
    return Number(line, position, confidence, digits)


HEAD = ",".join(COLUMNS[Per.NUMBER]).encode() + b"\n"
PAGE = PageNumbers("s/a.png", 1, (number("007"), number("42", 0.5, position=2), number("9", 1.0, line=2)))
EMPTY = PageNumbers("s/b.png", 2, ())
FAILED = PageFailure("s/c.pdf", 3, "it is broken")
ALL = (PAGE, EMPTY, FAILED)


def table(per: Per) -> list[tuple[object, ...]]:
    return [row for page in ALL for row in rows(page, Settings(per=per))]


def test_rows_per_number() -> None:
    assert table(Per.NUMBER) == [
        ("s/a.png", 1, 1, 1, "007", 0.95, "ok", 0, 5, 28, 12, ""),
        ("s/a.png", 1, 1, 2, "42", 0.5, "review", 0, 5, 18, 12, ""),
        ("s/a.png", 1, 2, 1, "9", 1.0, "ok", 0, 5, 8, 12, ""),
        ("s/b.png", 2, None, None, "", None, "empty", None, None, None, None, ""),
        ("s/c.pdf", 3, None, None, "", None, "error", None, None, None, None, "it is broken"),
    ]


def test_rows_per_digit() -> None:
    found = table(Per.DIGIT)
    assert [row[4:7] for row in found[:3]] == [(1, "0", 0.95), (2, "0", 0.95), (3, "7", 0.95)]
    assert found[2] == ("s/a.png", 1, 1, 1, 3, "7", 0.95, "ok", 20, 5, 8, 12, "")
    assert [row[7] for row in found] == ["ok"] * 3 + ["review"] * 2 + ["ok", "empty", "error"]


def test_rows_per_page() -> None:
    assert table(Per.PAGE) == [
        ("s/a.png", 1, "007 42|9", 0.5, "review", ""),
        ("s/b.png", 2, "", None, "empty", ""),
        ("s/c.pdf", 3, "", None, "error", "it is broken"),
    ]


@pytest.mark.parametrize(("confidence", "shown"), [(0.99996, 0.9999), (0.57, 0.57), (1.0, 1.0), (1e-9, 0.0)])
def test_confidence_is_cut(confidence: float, shown: float) -> None:
    assert rows(PageNumbers("a", 1, (number("1", confidence),)), Settings())[0][5] == shown


@given(st.floats(0, 1), st.integers(0, 10_000))
def test_a_row_shows_the_threshold_only_if_it_reached_it(confidence: float, threshold: int) -> None:
    settings = Settings(min_confidence=threshold / 10_000)
    row = rows(PageNumbers("a", 1, (number("1", confidence),)), settings)[0]
    assert (row[6] == "ok") == (row[5] >= settings.min_confidence)


def test_summary() -> None:
    summary = Summary()
    for page in ALL:
        summary.add(page, Settings(per=Per.DIGIT))
    assert summary == Summary(pages=3, numbers=3, digits=6, review=1, empty=1, errors=1)
    assert (summary.exit_code, Summary().exit_code) == (6, 0)


@pytest.mark.parametrize("per", Per)
def test_frame(per: Per) -> None:
    found = frame(ALL, Settings(per=per))
    assert tuple(found.columns) == COLUMNS[per]
    assert found["page"].dtype == "Int64"
    assert found["confidence"].dtype == "float64"
    assert found["message"].iloc[-1] == "it is broken"
    assert not frame([], Settings(per=per)).size


def test_frame_keeps_zeros_and_names_as_they_are() -> None:
    found = frame([PageNumbers("=a", 1, (number("007"),)), EMPTY], Settings())
    assert list(found["text"]) == ["007", ""]
    assert list(found["file"]) == ["=a", "s/b.png"]
    assert found["line"].isna().tolist() == [False, True]


def write(output: Path, *pages: PageNumbers | PageFailure, excel: bool = False) -> CsvReport:
    with CsvReport(str(output), Settings(), excel=excel) as report:
        for page in pages:
            report.add(page)
    return report


def test_csv(tmp_path: Path) -> None:
    report = write(tmp_path / "r.csv", PAGE, EMPTY, FAILED)
    assert (tmp_path / "r.csv").read_text() == (
        "file,page,line,number,text,confidence,status,x,y,width,height,message\n"
        "s/a.png,1,1,1,007,0.9500,ok,0,5,28,12,\n"
        "s/a.png,1,1,2,42,0.5000,review,0,5,18,12,\n"
        "s/a.png,1,2,1,9,1.0000,ok,0,5,8,12,\n"
        "s/b.png,2,,,,,empty,,,,,\n"
        "s/c.pdf,3,,,,,error,,,,,it is broken\n"
    )
    assert report.summary.pages == 3
    assert os.listdir(tmp_path) == ["r.csv"]  # noqa: PTH208


def test_a_report_without_pages_has_its_head(tmp_path: Path) -> None:
    write(tmp_path / "r.csv", excel=True)
    assert (tmp_path / "r.csv").read_bytes().startswith(b"\xef\xbb\xbffile,page,")


@given(st.text(min_size=1))
def test_any_name_comes_back(name: str) -> None:
    class Output(io.BytesIO):
        buffer = property(lambda self: self)

    output = Output()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        with CsvReport(None, Settings()) as report:
            report.add(PageFailure(name, 1, "m"))
    _, row = csv.reader(io.StringIO(output.getvalue().decode(), newline=""))
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row[0].removeprefix("'") == name.encode("utf-8", "backslashreplace").decode()


def test_names_that_are_not_utf8_leave_the_report_valid(tmp_path: Path) -> None:
    write(tmp_path / "r.csv", PageFailure("a\udcff.png", 1, "m"))
    assert "a\\udcff.png" in (tmp_path / "r.csv").read_text("utf-8")


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    old, link, new = tmp_path / "old.csv", tmp_path / "link.csv", tmp_path / "new.csv"
    old.write_text("old")
    old.chmod(0o640)
    link.symlink_to(old)
    write(link, PAGE)
    write(new, PAGE)
    (tmp_path / "plain").touch()
    assert link.is_symlink()
    assert "007" in old.read_text()
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == (tmp_path / "plain").stat().st_mode


def stopped(output: Path, error: type[BaseException], *pages: PageNumbers) -> None:
    with CsvReport(str(output), Settings()) as report:
        for page in pages:
            report.add(page)
        raise error


def test_an_exception_leaves_the_old_file_alone(tmp_path: Path) -> None:
    output = tmp_path / "r.csv"
    output.write_text("old")
    with pytest.raises(ZeroDivisionError):
        stopped(output, ZeroDivisionError, PAGE)
    assert output.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.csv"]  # noqa: PTH208


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
def test_an_interruption_keeps_what_was_finished(tmp_path: Path, error: type[BaseException]) -> None:
    output, partial = tmp_path / "r.csv", tmp_path / "r.csv.partial"
    output.write_text("old")
    with pytest.raises(Interrupted, match=r"r\.csv\.partial"):
        stopped(output, error, PAGE)
    assert output.read_text() == "old"
    assert partial.read_text().count("\n") == 4
    write(output, PAGE)
    assert os.listdir(tmp_path) == ["r.csv"]  # noqa: PTH208


def test_an_interruption_before_the_first_page_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="before the first page"):
        stopped(tmp_path / "r.csv", KeyboardInterrupt)
    assert not os.listdir(tmp_path)  # noqa: PTH208


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    for name in (".r[1].csv.0123456789abcdef.tmp", ".r[1].csv.b.0123456789abcdef.tmp", ".r1.csv.0123456789abcdef.tmp"):
        (tmp_path / name).touch()
    write(tmp_path / "r[1].csv", PAGE)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"r[1].csv", ".r[1].csv.b.0123456789abcdef.tmp", ".r1.csv.0123456789abcdef.tmp"}


@pytest.mark.parametrize("name", ["", "missing/r.csv", "file/r.csv"])
def test_a_bad_output_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't be written") as caught, CsvReport(str(tmp_path / name), Settings()):
        pytest.fail("the block was entered")
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "r.csv").write_text("old")
    with pytest.raises(OutputError, match="No space left"):
        write(tmp_path / "r.csv", PAGE)
    assert (tmp_path / "r.csv").read_text() == "old"
    assert os.listdir(tmp_path) == ["r.csv"]  # noqa: PTH208


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_devices_are_written_and_stay_devices() -> None:
    write(Path(os.devnull), PAGE)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    with pytest.raises(OutputError, match="No space left"):
        write(Path("/dev/full"), PAGE)


STDOUT = """
import sys
from digitscan.report import CsvReport, ReaderGone
from digitscan.schema import PageFailure, Settings
try:
    with CsvReport("-", Settings()) as report:
        for page in range(100_000):
            report.add(PageFailure("a", page, "m"))
except ReaderGone as gone:
    sys.exit(gone.exit_code)
"""


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_reader_that_leaves_ends_it_quietly() -> None:
    command = [sys.executable, "-c", STDOUT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"file,page")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == ReaderGone.exit_code


def test_rows_reach_stdout_page_by_page(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with CsvReport(None, Settings()) as report:
        report.add(EMPTY)
        assert capfdbinary.readouterr().out.endswith(b"s/b.png,2,,,,,empty,,,,,\n")
        report.add(FAILED)
    assert capfdbinary.readouterr().out == b"s/c.pdf,3,,,,,error,,,,,it is broken\n"


# Reading reports


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    name = 'a,"b"\r\n\udcff\'.png'
    with CsvReport(str(tmp_path / "r.csv"), Settings()) as report:
        report.add(PageFailure(name, 1, "=x"))
        report.add(PageFailure("'=1", 2, ""))
    table = read_report(tmp_path / "r.csv")
    assert table["file"].tolist() == [name, "'=1"]
    assert table["message"].tolist() == ["=x", ""]
    assert table["page"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a whole CSV file"),
        (HEAD + b"a.png,1,1,1,5,0.5,ok,1,1,1,1,,more\n", "is not a whole CSV file"),
        (HEAD + b"a.png,1\na.png,1,1,1,5,0.5,ok,1,1,1,1,,more\n", "is not a whole CSV file"),
        (HEAD + b'"a.png,1,1\n', "is not a whole CSV file"),
        (b"\xff\xfe\0", "is not a whole CSV file"),
        (b"\x89PNG\r\n\0\0", "is not a whole CSV file"),
        (b"file,lines\na,1\n", "one row a number"),
        (",".join(COLUMNS[Per.DIGIT]).encode() + b"\n", "one row a number"),
    ],
)
def test_what_is_no_report_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(UsageError, match=said) as error:
        read_report(tmp_path / "r.csv")
    assert "\n" not in str(error.value)
    with pytest.raises(NoInputError):
        read_report(tmp_path / "gone.csv")
