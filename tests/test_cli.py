"""`digitscan classify` as a user meets it: options, streams and exit codes. Other commands have tests of their own."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import pytest
from writing import PROGRAM, ByHeart

from digitscan import __version__, cli
from digitscan.classifier import Classifier
from digitscan.lock import locked
from digitscan.schema import COLUMNS, Per

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Run = Callable[..., "Done"]

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and pipes")


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out)))

    @property
    def counts(self) -> dict[str, str]:
        """The table at the end."""
        lines = [line.split() for line in self.err.splitlines() if line.strip()]
        values = next(line for line in lines if line[0].isdecimal())
        return dict(zip(lines[0], values, strict=True))


@pytest.fixture
def bare_run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `digitscan ARGUMENTS...` in this process."""

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["digitscan", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def run(bare_run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same without a model: digits are known by heart."""
    return_by_heart(monkeypatch, ByHeart())
    return bare_run


def return_by_heart(monkeypatch: pytest.MonkeyPatch, classifier: ByHeart) -> None:
    monkeypatch.setattr(Classifier, "load", classmethod(lambda _, __=None, threads=1: classifier))  # noqa: ARG005


def start(*arguments: str | Path, session: bool = False) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=session
    )


@pytest.fixture(scope="session")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose report is longer than a pipe holds: nine files, one with 300 pages, and long names."""
    folder = tmp_path_factory.mktemp("long") / ("x" * 200) / ("y" * 200)
    folder.mkdir(parents=True)
    blank = np.full((24, 24), 255, np.uint8)
    assert cv2.imwritemulti(str(folder / "0.tiff"), [blank] * 300)
    for number in range(1, 9):
        assert cv2.imwrite(str(folder / f"{number}.png"), blank)
    return folder


class Stopping(ByHeart):
    """As if the user pressed Ctrl-C while the second batch is classified."""

    def __call__(self, glyphs: NDArray[np.uint8], /) -> NDArray[np.float32]:
        if self.batches:
            signal.raise_signal(signal.SIGINT)
        return super().__call__(glyphs)


# --- what is printed ---


def test_rows_on_stdout_and_the_rest_on_stderr(run: Run, good_scans: Path) -> None:
    done = run("classify", good_scans)
    assert done.code == 0
    assert tuple(done.rows[0]) == COLUMNS[Per.NUMBER]
    assert [(row["file"], row["line"], row["number"], row["text"]) for row in done.rows] == [
        (f"{good_scans}/a.png", line, number, text)
        for line, number, text in (("1", "1", "31415"), ("1", "2", "007"), ("2", "1", "92653"))
    ]
    assert (done.counts["pages"], done.counts["numbers"], done.counts["digits"]) == ("1", "3", "13")
    assert "Traceback" not in done.err


def test_stdout_is_data_only(run: Run, scans: Path) -> None:
    width = len(COLUMNS[Per.NUMBER])
    done = run("classify", scans)
    assert {len(row) for row in csv.reader(io.StringIO(done.out))} == {width}
    assert {row["status"] for row in done.rows} <= {"ok", "review", "empty", "error"}


def test_every_page_has_a_row(run: Run, scans: Path) -> None:
    pages = {(Path(row["file"]).name, row["page"]) for row in run("classify", scans).rows}
    assert pages == {*[(name, "1") for name in ("a.png", "b.jpg", "d.png", "e.jpg")], *[("c.tiff", n) for n in "123"]}


@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_quiet_says_nothing(run: Run, good_scans: Path, option: str) -> None:
    done = run("classify", good_scans, option)
    assert done.code == 0
    assert done.err == ""
    assert len(done.rows) == 3


def test_quiet_still_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    done = run("classify", tmp_path, "--quiet")
    assert (done.code, done.out) == (3, "")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("output", [[], ["-o", "-"], ["--output", "-"]])
def test_a_dash_is_stdout(run: Run, good_scans: Path, output: list[str]) -> None:
    done = run("classify", good_scans, *output)
    assert len(done.rows) == 3
    assert "report:" not in done.err
    assert not Path("-").exists()


def test_the_summary_says_where_the_report_is(run: Run, good_scans: Path, tmp_path: Path) -> None:
    report = tmp_path / "a report.csv"
    done = run("classify", good_scans, "-o", report)
    assert done.out == ""
    assert f"report: {report}\n" in done.err


def test_no_escape_codes_where_nobody_watches(run: Run, scans: Path) -> None:
    done = run("classify", scans)
    assert "\x1b" not in done.out + done.err


def test_the_last_line_is_for_programs(run: Run, scans: Path) -> None:
    pairs = dict(pair.split("=") for pair in run("classify", scans).err.splitlines()[-1].split())
    seconds = float(pairs.pop("seconds"))
    assert pairs == {"pages": "7", "numbers": "7", "review": "0", "empty": "1", "errors": "1"}
    assert 0 <= seconds < 600


# --- the log ---


def test_a_log_has_a_line_an_event(run: Run, scans: Path, tmp_path: Path) -> None:
    logged = tmp_path / "a.log"
    run("classify", scans, "--log-file", logged, "--quiet")
    start, unreadable, summary = (line.split(" ", 3)[1:] for line in logged.read_text("utf-8").splitlines())
    assert start[:2] == ["INFO", "start"]
    assert unreadable[:2] == ["WARNING", "unreadable"]
    assert unreadable[2].startswith(f'file={scans}/e.jpg page=1 message="')
    assert summary[:2] == ["INFO", "summary"]
    assert summary[2].startswith("pages=7 numbers=7 review=0 empty=1 errors=1 seconds=")
    run("classify", scans, "--log-file", logged, "--verbose")
    assert len(logged.read_text("utf-8").splitlines()) == 3 + 9


def test_a_log_in_json(run: Run, scans: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'a b="\n.png'
    odd.write_bytes(b"")
    run(
        "classify",
        scans,
        odd,
        "--log-file",
        tmp_path / "a.log",
        "--log-format",
        "json",
        "-o",
        tmp_path / "absent/r.csv",
    )
    run("classify", scans, odd, "--log-file", tmp_path / "a.log", "--log-format", "json")
    events = [json.loads(line) for line in (tmp_path / "a.log").read_text("utf-8").splitlines()]
    assert [each["event"] for each in events] == ["start", "stopped", "start", "unreadable", "unreadable", "summary"]
    assert events[1]["exit"] == 5
    assert events[4]["file"] == str(odd)
    assert events[5]["pages"] == 8


def test_verbose_shows_each_page(run: Run, scans: Path) -> None:
    assert run("classify", scans, "-v").err.count(" DEBUG read file=") == 6
    assert " DEBUG " not in run("classify", scans).err


def test_a_log_that_cannot_be_written_is_refused(run: Run, scans: Path, tmp_path: Path) -> None:
    done = run("classify", scans, "--log-file", tmp_path)
    assert (done.code, done.out) == (5, "")
    assert done.err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_log_that_is_full_does_not_stop_a_run(run: Run, good_scans: Path) -> None:
    done = run("classify", good_scans, "--log-file", "/dev/full", "--quiet")
    assert (done.code, done.err) == (0, "")


def test_a_log_that_is_long_begins_anew(run: Run, good_scans: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 10_000_000)
    run("classify", good_scans, "--log-file", tmp_path / "a.log")
    assert (tmp_path / "a.log.1").stat().st_size == 10_000_000
    assert (tmp_path / "a.log").stat().st_size < 1000


# --- the report as a file ---


def test_a_file_has_what_stdout_has(run: Run, scans: Path, tmp_path: Path) -> None:
    printed = run("classify", scans)
    written = run("classify", scans, "-o", tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text("utf-8") == printed.out
    assert (printed.code, written.code) == (6, 6)


def test_excel_wants_a_byte_order_mark(run: Run, good_scans: Path, tmp_path: Path) -> None:
    run("classify", good_scans, "-o", tmp_path / "plain.csv")
    run("classify", good_scans, "--excel", "-o", tmp_path / "excel.csv")
    plain, excel = (tmp_path / "plain.csv").read_bytes(), (tmp_path / "excel.csv").read_bytes()
    assert not plain.startswith(b"\xef\xbb\xbf")
    assert excel == b"\xef\xbb\xbf" + plain


def test_excel_on_stdout(good_scans: Path) -> None:
    with start("classify", good_scans, "--excel") as process:
        out, _ = process.communicate()
    assert out.startswith(b"\xef\xbb\xbffile,page,")


def test_the_old_report_stays_when_nothing_is_found(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "r.csv").write_text("old")
    assert run("classify", tmp_path / "empty", "-o", tmp_path / "r.csv").code == 3
    assert (tmp_path / "r.csv").read_text() == "old"


def test_resume_reads_only_what_is_new(run: Run, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, report = tmp_path / "s", tmp_path / "r.csv"
    shutil.copytree(scans, folder)
    arguments = ["classify", folder, "-o", report, "--resume"]
    assert run(*arguments).code == 6
    first = report.read_bytes()
    report.unlink()
    by_heart = ByHeart()
    return_by_heart(monkeypatch, by_heart)
    assert run(*arguments).code == 6
    assert report.read_bytes() == first
    assert by_heart.batches == []
    (folder / "a.png").unlink()
    run(*arguments)
    assert sorted(report.read_bytes().splitlines()) == sorted(first.splitlines())
    run(*arguments, "--prune")
    assert b"a.png" not in report.read_bytes()
    shutil.copyfile(scans / "a.png", folder / "a.png")
    run(*arguments, "--checksum")
    assert report.read_bytes() == first
    assert sum(by_heart.batches) > 0


# --- annotated pages ---


def test_annotate_draws_every_page_that_was_read(run: Run, scans: Path, tmp_path: Path) -> None:
    done = run("classify", scans, "-o", tmp_path / "r.csv", "--annotate", tmp_path / "pictures")
    assert done.code == 6
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {*(f"c.tiff-p{page}.png" for page in (1, 2, 3)), "a.png-p1.png", "b.jpg-p1.png", "d.png-p1.png"}


# --- the review page ---


def test_review_makes_the_page_that_classify_makes(run: Run, scans: Path, tmp_path: Path) -> None:
    report, page, again = tmp_path / "r.csv", tmp_path / "r.html", tmp_path / "again.html"
    done = run("classify", scans, "-o", report, "--min-confidence", "1", "--review", page)
    assert done.code == 6
    assert f"{page}: 7 numbers to look at\n" in done.err
    done = run("review", report, "-o", again)
    assert (done.code, done.out) == (0, "")
    assert f"{again}: 7 numbers to look at\n" in done.err
    assert page.read_bytes() == again.read_bytes()


def test_review_all_has_a_picture_of_every_number(run: Run, good_scans: Path, tmp_path: Path) -> None:
    run("classify", good_scans, "-o", tmp_path / "r.csv", "--min-confidence", "0")
    assert "0 numbers" in run("review", tmp_path / "r.csv", "-o", tmp_path / "r.html").err
    assert "3 numbers" in run("review", tmp_path / "r.csv", "-o", tmp_path / "r.html", "--all").err
    assert run("review", tmp_path / "r.csv", "-o", tmp_path / "r.html", "--quiet").err == ""


def test_review_says_what_it_could_not_find_again(run: Run, good_scans: Path, tmp_path: Path) -> None:
    run("classify", good_scans, "-o", tmp_path / "r.csv", "--min-confidence", "1")
    text = (tmp_path / "r.csv").read_text()
    (tmp_path / "r.csv").write_text(text.replace(",31415,", ",1,").replace(f"{good_scans}/a.png,1,2", "gone.png,1,2"))
    done = run("review", tmp_path / "r.csv", "-o", tmp_path / "r.html")
    assert done.code == 0
    assert "1 of them are read otherwise now" in done.err
    assert "1 of them have no picture" in done.err


def test_review_needs_a_row_a_number(run: Run, good_scans: Path, tmp_path: Path) -> None:
    done = run("classify", good_scans, "--per", "digit", "--review", tmp_path / "r.html", "-o", tmp_path / "r.csv")
    assert (done.code, done.err.count("\n")) == (2, 1)
    run("classify", good_scans, "--per", "digit", "-o", tmp_path / "r.csv")
    done = run("review", tmp_path / "r.csv", "-o", tmp_path / "r.html")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert not (tmp_path / "r.html").exists()


def test_apply_writes_the_corrected_report(run: Run, good_scans: Path, tmp_path: Path) -> None:
    run("classify", good_scans, "--excel", "-o", tmp_path / "r.csv")
    name = str(good_scans / "a.png")
    correction = {
        "file": name,
        "page": "1",
        "line": "2",
        "number": "1",
        "text": "92653",
        "corrected": "9",
        "glyphs": "",
    }
    (tmp_path / "c.json").write_text(json.dumps({"corrections": [correction]}))
    done = run("apply", tmp_path / "c.json", "-r", tmp_path / "r.csv")
    assert done.out.startswith("\ufeff")
    assert done.err == "1 corrected, 0 found right, 0 no numbers\n"
    assert [(row["text"], row["original"], row["status"]) for row in done.rows] == [
        *(("31415", "31415", "ok"), ("007", "007", "ok"), ("9", "92653", "checked"))
    ]
    assert run("apply", tmp_path / "c.json", "-r", tmp_path / "r.csv", "-o", tmp_path / "r.csv", "-q").err == ""
    assert (tmp_path / "r.csv").read_text("utf-8") == done.out
    done = run("apply", tmp_path / "c.json", "-r", tmp_path / "r.csv", "-o", tmp_path / "n.csv")
    assert (done.code, done.err.count("\n"), (tmp_path / "n.csv").exists()) == (2, 1, False)


# --- rows of other kinds, layouts ---


@pytest.mark.parametrize("per", Per)
def test_per(run: Run, good_scans: Path, per: Per) -> None:
    done = run("classify", good_scans, "--per", per)
    assert tuple(done.rows[0]) == COLUMNS[per]
    assert len(done.rows) == {Per.NUMBER: 3, Per.DIGIT: 13, Per.PAGE: 1}[per]


def test_per_page_joins_lines(run: Run, good_scans: Path) -> None:
    (row,) = run("classify", good_scans, "--per", "page").rows
    assert row["lines"] == "31415 007|92653"


def test_per_digit_counts_positions(run: Run, good_scans: Path) -> None:
    rows = run("classify", good_scans, "--per", "digit").rows
    assert [(row["number"], row["position"], row["text"]) for row in rows[4:8]] == [
        *(("1", "5", "5"), ("2", "1", "0"), ("2", "2", "0"), ("2", "3", "7"))
    ]


def test_layout_digit_gives_one_digit_a_file(run: Run) -> None:
    folder = Path(__file__).parents[1] / "sample_images" / "single" / "3"
    done = run("classify", folder, "--layout", "digit", "--jobs", "1")
    assert [row["text"] for row in done.rows] == ["3"] * 10


def test_layout_line_has_one_line(run: Run, good_scans: Path) -> None:
    assert {row["line"] for row in run("classify", good_scans, "--layout", "line").rows} <= {"1", ""}


def test_pages_upside_down_are_turned(run: Run, good_scans: Path, tmp_path: Path) -> None:
    upright = cv2.imread(str(good_scans / "a.png"), cv2.IMREAD_UNCHANGED)
    assert cv2.imwrite(str(tmp_path / "a.png"), cv2.rotate(upright, cv2.ROTATE_180))
    texts = [row["text"] for row in run("classify", good_scans).rows]
    assert [row["text"] for row in run("classify", tmp_path, "--rotate", "180").rows] == texts
    (tmp_path / "truth.csv").write_text("file,lines\na.png,31415 007|92653\n", "utf-8")
    done = run("evaluate", "--truth", tmp_path / "truth.csv", tmp_path, "--rotate", "180", "--json")
    assert json.loads(done.out)["images"]["share"] == 1
    assert run("classify", tmp_path, "--rotate", "45").code == 2


def test_min_confidence_decides_about_review(run: Run, good_scans: Path) -> None:
    assert {row["status"] for row in run("classify", good_scans, "--min-confidence", "0").rows} == {"ok"}
    assert {row["status"] for row in run("classify", good_scans, "--min-confidence", "1").rows} == {"review"}


def test_max_pixels_refuses_large_pages(run: Run, good_scans: Path) -> None:
    done = run("classify", good_scans, "--max-pixels", "100")
    assert done.code == 6
    assert [row["status"] for row in done.rows] == ["error"]
    assert "pixels" in done.rows[0]["message"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_jobs_make_no_difference(run: Run, scans: Path, jobs: str) -> None:
    assert run("classify", scans, "--jobs", jobs).out == run("classify", scans).out


def test_a_page_that_takes_too_long_is_an_error_row(run: Run, good_scans: Path) -> None:
    done = run("classify", good_scans, "--page-timeout", "0.001")
    assert (done.code, [row["status"] for row in done.rows]) == (6, ["error"])
    assert "--page-timeout" in done.rows[0]["message"]


# --- exit codes ---


def test_0_all_pages_read(run: Run, good_scans: Path) -> None:
    assert run("classify", good_scans).code == 0


def test_0_a_blank_page_is_no_failure(run: Run, scans: Path) -> None:
    done = run("classify", scans / "d.png")
    assert done.code == 0
    assert [row["status"] for row in done.rows] == ["empty"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["classify"],
        ["classify", "--layout", "word", "."],
        ["classify", "--min-confidence", "2", "."],
        ["classify", "--dpi", "ten", "."],
        ["classify", "--page-timeout", "0", "."],
        ["classify", "--wait", "-1", "."],
        ["classify", "--nonsense", "."],
        ["nonsense"],
    ],
)
def test_2_wrong_usage(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage" in done.err


@pytest.mark.parametrize("options", [["--resume"], ["--resume", "-o", "-"], ["--prune"], ["-o", "r.csv", "--checksum"]])
def test_2_resume_needs_a_report_and_its_options_need_it(run: Run, good_scans: Path, options: list[str]) -> None:
    done = run("classify", good_scans, *options)
    assert (done.code, done.out) == (2, "")
    assert "--resume" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", ["", "absent", "absent/*.png"])
def test_3_no_input(run: Run, tmp_path: Path, name: str) -> None:
    done = run("classify", tmp_path / name)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("digitscan: ")
    assert done.err.count("\n") == 1


def test_4_no_model(bare_run: Run, good_scans: Path, tmp_path: Path) -> None:
    done = bare_run("classify", good_scans, "--model", tmp_path / "absent")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("digitscan: ")
    assert done.err.count("\n") == 1


def test_4_no_digitscan_model(bare_run: Run, good_scans: Path, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"something")
    (tmp_path / "m.json").write_text("{}")
    done = bare_run("classify", good_scans, "--model", tmp_path / "m")
    assert (done.code, done.out) == (4, "")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("output", ["absent/r.csv", "."])
def test_5_output(run: Run, good_scans: Path, tmp_path: Path, output: str) -> None:
    done = run("classify", good_scans, "-o", tmp_path / output)
    assert (done.code, done.out) == (5, "")
    assert "can't be written" in done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_5_a_full_disk(run: Run, good_scans: Path) -> None:
    done = run("classify", good_scans, "-o", "/dev/full", "--quiet")
    assert done.code == 5
    assert done.err.count("\n") == 1


def test_6_some_pages_failed(run: Run, scans: Path) -> None:
    done = run("classify", scans)
    assert done.code == 6
    (failed,) = [row for row in done.rows if row["status"] == "error"]
    assert Path(failed["file"]).name == "e.jpg"
    assert failed["message"]
    assert (done.counts["pages"], done.counts["errors"], done.counts["empty"]) == ("7", "1", "1")


def test_7_another_run_has_the_report(run: Run, good_scans: Path, tmp_path: Path) -> None:
    with locked(str(tmp_path / "r.csv")):
        done = run("classify", good_scans, "-o", tmp_path / "r.csv")
        assert (done.code, done.out) == (7, "")
        assert done.err.startswith("digitscan: ")
        assert done.err.count("\n") == 1
        assert not (tmp_path / "r.csv").exists()


def test_130_interrupted_keeps_what_was_finished(
    bare_run: Run, long_report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    return_by_heart(monkeypatch, Stopping())
    (tmp_path / "r.csv").write_text("old")
    done = bare_run("classify", long_report, "--jobs", "1", "-o", tmp_path / "r.csv")
    assert done.code == 130
    assert "r.csv.partial" in done.err
    assert "Traceback" not in done.err
    assert (tmp_path / "r.csv").read_text() == "old"
    with (tmp_path / "r.csv.partial").open(newline="") as partial:
        pages = [int(row["page"]) for row in csv.DictReader(partial)]
    assert pages == list(range(1, len(pages) + 1))
    assert 1 <= len(pages) < 300


def test_130_interrupted_before_anything_is_read(
    bare_run: Run, good_scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "load", interrupted)
    done = bare_run("classify", good_scans)
    assert (done.code, done.out, done.err) == (130, "", "digitscan: stopped\n")


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_130_ctrl_c_at_the_terminal(long_report: Path, jobs: str) -> None:
    """The signal reaches the whole process group, workers and all, while the report waits for its reader."""
    with start("classify", long_report, "--jobs", jobs, session=True) as process:
        assert process.stdout is not None
        head = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        rest, err = process.communicate()
    assert process.returncode == 130
    assert head.startswith(b"file,page")
    assert rest
    assert err.startswith(b"digitscan: stopped")
    assert err.count(b"\n") == 1


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_130_terminated_as_by_systemd(long_report: Path, jobs: str) -> None:
    """The signal reaches every process of a service."""
    with start("classify", long_report, "--jobs", jobs, session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.startswith(b"digitscan: stopped")
    assert err.count(b"\n") == 1
    deadline = time.monotonic() + 30
    while is_alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(process.pid)


def is_alive(group: int) -> bool:
    """Whether a process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@POSIX
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_reader_that_leaves_ends_it_quietly(long_report: Path, jobs: str) -> None:
    """As `| head -1` does."""
    with start("classify", long_report, "--jobs", jobs, "--quiet") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"file,page")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@POSIX
def test_head_in_a_shell(good_scans: Path) -> None:
    command = '"$0" -c "$1" classify "$2" --quiet | head -1; exit "${PIPESTATUS[0]}"'
    arguments = ["bash", "-c", command, sys.executable, PROGRAM, str(good_scans)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ",".join(COLUMNS[Per.NUMBER]) + "\n"


# --- help and version ---


def test_version(bare_run: Run) -> None:
    done = bare_run("--version")
    assert (done.code, done.out) == (0, f"digitscan {__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["classify", "--help"], ["train", "-h"], ["evaluate", "-h"]])
def test_help(bare_run: Run, arguments: list[str]) -> None:
    done = bare_run(*arguments)
    assert done.code == 0
    assert "Usage" in done.out
    assert done.err == ""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["classify", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "digitscan", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "digitscan.cli" in loaded
    assert loaded & {"numpy", "cv2", "pandas", "tensorflow", "keras", "ai_edge_litert", "pypdfium2"} == set()


def test_no_arguments_show_the_help(bare_run: Run) -> None:
    done = bare_run()
    assert "classify" in done.out + done.err
    assert done.code in {0, 2}


# --- beyond one machine ---


def test_a_report_in_parts(run: Run, scans: Path, tmp_path: Path) -> None:
    whole = run("classify", scans)
    for options in ([], ["--resume"]):
        done = run("classify", scans, "-o", f"{tmp_path}/report/", *options)
        assert (done.code, done.out) == (6, "")
        assert {**done.counts, "seconds": ""} == {**whole.counts, "seconds": ""}
        assert (tmp_path / "report" / "part-00000.csv").read_text("utf-8") == whole.out
    assert "report/" in done.err


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "parquet"],
        ["--format", "parquet", "-o", "r/", "--excel"],
        ["-o", "s3://bucket/report.csv"],
        ["--scheduler", "tcp://127.0.0.1:9", "--page-timeout", "9"],
        ["--scheduler", "tcp://127.0.0.1:9", "--review", "r.html"],
    ],
)
def test_what_does_not_go_together(run: Run, scans: Path, options: list[str]) -> None:
    done = run("classify", scans, *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1


def test_reading_here_needs_no_package_of_the_extras(good_scans: Path) -> None:
    blocked = "import sys\nfor name in ('fsspec', 'dask', 'distributed', 'pyarrow'): sys.modules[name] = None\n"
    command = [sys.executable, "-c", blocked + PROGRAM, "classify", str(good_scans), "-q"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    for option in (["--scheduler", "tcp://127.0.0.1:9"], ["-o", "r/", "--format", "parquet"]):
        done = subprocess.run([*command, *option], check=False, capture_output=True, text=True, cwd=good_scans.parent)
        assert (done.returncode, done.stdout) == (2, "")
        assert "pip install 'digitscan[" in done.stderr
        assert done.stderr.count("\n") == 1
