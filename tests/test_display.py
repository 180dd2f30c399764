from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from digitscan import display
from digitscan.display import ScanView
from digitscan.report import Summary
from digitscan.schema import PageNumbers

SO_FAR = Summary(pages=1234, digits=98765, errors=3)


def test_what_matters_fits_on_a_narrow_terminal() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=80, color_system=None)
    view = ScanView(console, 5000)
    with view.shown():
        view.update(PageNumbers("a.png", 1, ()), SO_FAR)
    _, bar, counts, *_ = console.file.getvalue().split("\n")  # type: ignore[attr-defined]
    assert all(part in bar for part in ("0 %", "1/5000 files", "time left"))
    assert all(part in counts for part in ("1,234 pages", "98,765 digits", "pages/s", "digits/s", "3 errors"))


def test_without_a_terminal_there_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_SECONDS_BETWEEN_LINES", 0)
    console = Console(file=StringIO(), width=40)
    view = ScanView(console, None)
    with view.shown():
        view.update(PageNumbers("a.png", 1, ()), SO_FAR)
    (line,) = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert line.startswith("1,234 pages · 98,765 digits · ")
    assert line.endswith(" · 3 errors")
