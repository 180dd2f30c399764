"""What a scan says on standard error: a bar on a terminal, and plain lines. rich, which is slow to load, only draws."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal, TextIO

    from rich.console import Console, RenderableType

    from digitscan.report import Summary
    from digitscan.schema import PageFailure, PageNumbers

    Unit = Literal["files", "pages"]

_SECONDS_BETWEEN_LINES = 10.0
"""Where nobody watches, a line this often is enough to see that a run is alive."""


class Messages:
    """Lines for people; while something is drawn on their terminal they appear above it."""

    def __init__(self, stream: TextIO | None) -> None:
        """`stream` is where they go; None is nowhere."""
        self._stream = stream
        self._console: Console | None = None
        self.is_terminal = stream is not None and stream.isatty()
        """Whether a person may watch."""

    def print(self, line: str) -> None:
        """A line, however long."""
        if self._console:
            self._console.print(line, soft_wrap=True, markup=False, highlight=False)
        elif self._stream:
            self._stream.write(line + "\n")
            self._stream.flush()

    @contextmanager
    def drawn(self, picture: RenderableType) -> Iterator[None]:
        """Keep a picture, which may change, on the terminal for the time of a block."""
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=self._stream)
        try:
            with Live(picture, console=self._console, transient=True):
                yield
        finally:
            self._console = None


def stderr(quiet: bool = False) -> Messages:
    """Messages on standard error; with `quiet` there are none."""
    return Messages(None if quiet else stderr_stream())


def stderr_stream() -> TextIO:
    """Standard error, by another descriptor than 2: what arrives there while OpenCV decodes is taken for warnings."""
    return os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")


class ScanView:
    """A bar of what has been read, with the counts under it, on a terminal; elsewhere a plain line now and then."""

    def __init__(
        self, messages: Messages, total: int | None, unit: Unit = "files", workers: Callable[[], int] | None = None
    ) -> None:
        """`total` is how many files or pages there are, if that is known; `workers` says how many workers a cluster has
        just then.
        """
        self._messages = messages
        self._unit = unit
        self._workers = workers
        self._started = self._said = time.monotonic()
        self._file = ""
        self._bar = _Bar(total, unit) if messages.is_terminal else None

    def shown(self) -> AbstractContextManager[object]:
        """Drawn while a `with` block runs."""
        return self._messages.drawn(self._bar.picture) if self._bar else nullcontext()

    def update(self, page: PageNumbers | PageFailure, summary: Summary) -> None:
        """After each page."""
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._counts(summary, now), advance=self._unit == "pages" or page.file != self._file)
            self._file = page.file
        elif now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            self._messages.print(self._counts(summary, now))

    def _counts(self, summary: Summary, now: float) -> str:
        seconds = max(now - self._started, 1e-3)
        counts = f"{_counted(summary.pages, 'page')} · {_counted(summary.digits, 'digit')}"
        counts += f" · {summary.pages / seconds:,.1f} pages/s · {summary.digits / seconds:,.0f} digits/s"
        counts += f" · {_counted(self._workers(), 'worker')}" if self._workers else ""
        return counts + (f" · {_counted(summary.errors, 'error')}" if summary.errors else "")

    def finish(self, summary: Summary, output: str | None) -> dict[str, int | float]:
        """The counts of the whole run, where the report is, and a line for programs; what this says is returned."""
        seconds = time.monotonic() - self._started
        cells = {name: f"{count:,}" for name, count in asdict(summary).items()} | {"seconds": f"{seconds:,.1f}"}
        widths = [2 + max(map(len, cell)) for cell in cells.items()]
        for row in (cells.keys(), cells.values()):
            self._messages.print("".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
        if output not in (None, "-"):
            self._messages.print(f"report: {output}")
        counts = summary.counts(seconds)
        self._messages.print(" ".join(f"{name}={count}" for name, count in counts.items()))
        return counts


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'s' * (count != 1)}"


class _Bar:
    """The files or pages read of those that there are, the time left, and a line under it."""

    def __init__(self, total: int | None, unit: Unit) -> None:
        from rich.console import Group
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.text import Text

        self._progress = Progress(
            TextColumn("{task.percentage:>3.0f} %"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{unit}, time left"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("", total=total)
        self._line = Text()
        self.picture = Group(self._progress, self._line)

    def update(self, line: str, *, advance: bool) -> None:
        self._progress.advance(self._task, int(advance))
        self._line.plain = line
