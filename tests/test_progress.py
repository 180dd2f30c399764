from __future__ import annotations

import subprocess
import sys
from io import StringIO
from typing import Any

import pytest

from digitscan import progress
from digitscan.cli import _amount
from digitscan.progress import Messages, ScanView
from digitscan.report import Summary
from digitscan.schema import PageFailure, PageNumbers, Settings

SO_FAR = Summary(pages=1234, digits=98765, errors=3)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """80 columns wide, without colours."""
    for name, value in (("COLUMNS", "80"), ("NO_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    return Terminal()


def test_what_matters_fits_on_a_narrow_terminal(terminal: Terminal) -> None:
    view = ScanView(Messages(terminal), 5000)
    with view.shown():
        view.update(PageNumbers("a.png", 1, ()), SO_FAR)
    first, last = terminal.getvalue().split("0/5000 files")[0], terminal.getvalue().split("1/5000 files")[1]
    assert "0 %" in first
    _, counts, *_ = last.split("\n")
    assert "time left" in last
    assert all(part in counts for part in ("1,234 pages", "98,765 digits", "pages/s", "digits/s", "3 errors"))


def test_pages_of_a_few_files_are_counted(terminal: Terminal) -> None:
    view = ScanView(Messages(terminal), 3, "pages")
    with view.shown():
        for page in (1, 2):
            view.update(PageNumbers("a.pdf", page, ()), Summary(pages=page, digits=1))
    assert "2/3 pages, time left" in terminal.getvalue()


def test_messages_appear_above_the_bar(terminal: Terminal) -> None:
    messages, line = Messages(terminal), "[bold] is no markup, and a long line stays one: " + "x" * 80
    with ScanView(messages, 10).shown():
        messages.print(line)
    assert line in terminal.getvalue()


def test_without_a_terminal_there_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    stream = StringIO()
    view = ScanView(Messages(stream), None)
    with view.shown():
        view.update(PageNumbers("a.png", 1, ()), SO_FAR)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("1,234 pages · 98,765 digits · ")
    assert line.endswith(" · 3 errors")


def test_one_is_no_plural(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    stream = StringIO()
    ScanView(Messages(stream), None, workers=lambda: 1).update(PageNumbers("a.png", 1, ()), Summary(1, errors=1))
    assert stream.getvalue().startswith("1 page · 0 digits · ")
    assert stream.getvalue().endswith(" · 1 worker · 1 error\n")


def test_counts_stand_under_their_names() -> None:
    stream = StringIO()
    ScanView(Messages(stream), None).finish(SO_FAR, "r.csv")
    names, counts, report, pairs = stream.getvalue().splitlines()
    assert names.index("pages") + len("pages") == counts.index("1,234") + len("1,234")
    assert names.index("digits") + len("digits") == counts.index("98,765") + len("98,765")
    assert report == "report: r.csv"
    assert pairs.startswith("pages=1234 ")


def test_rich_is_loaded_for_the_bar_alone() -> None:
    code = (
        "import sys, io; from digitscan.progress import *; from digitscan.report import Summary\n"
        "ScanView(Messages(io.StringIO()), 1).finish(Summary(), None); sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("found", "amount"),
    [
        ({f"{number}.png": "x" for number in range(20)}, (20, "files")),
        (["missing.pdf", PageFailure("closed folder", 1, "")], (2, "pages")),
        (iter(["a.png"]), (None, "files")),
    ],
)
def test_the_bar_knows_what_is_known(terminal: Terminal, found: Any, amount: tuple[int | None, str]) -> None:
    assert _amount(found, Settings(), Messages(terminal)) == amount
