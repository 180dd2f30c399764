"""What the command line draws with rich: tables, and the progress of a training."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from digitscan.progress import stderr_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from digitscan.corrections import Correction
    from digitscan.formcheck import Match
    from digitscan.model import ModelCard, ModelResult, Tuning
    from digitscan.progress import Messages
    from digitscan.review import Review
    from digitscan.summary import ReportSummary
    from digitscan.train import EpochResult
    from digitscan.truth import Share, TruthResult


_NAMES = ("file", "folder", "status", "confidence")
"""Columns of tables that begin at the left."""

_BAR = 40
"""Characters of a bar that stands for all."""


def stdout() -> Console:
    """Where results that were asked for go."""
    return Console(highlight=False)


def stderr() -> Console:
    """Where what happens is told."""
    return Console(file=stderr_stream(), highlight=False)


class TrainingView:
    """The table of epochs with a progress bar under it; plain lines where stderr is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._table = Table(
            "epoch", "loss", "accuracy", "validation loss", "validation accuracy", "seconds", box=box.SIMPLE
        )
        for column in self._table.columns:
            column.justify = "right"
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f} accuracy {task.fields[accuracy]:.4f}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("epoch 1", loss=0.0, accuracy=0.0)
        self.results: list[EpochResult] = []
        """Of all epochs so far."""

    @contextmanager
    def shown(self) -> Iterator[TrainingView]:
        """Drawn on a terminal while the block runs."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(Group(self._table, self._progress), console=self._console, refresh_per_second=8):
            yield self

    def lines(self, done: int, lines: int) -> None:
        """While synthetic lines are written."""
        self._progress.update(self._task, description="lines written", completed=done, total=lines)

    def batch(self, epoch: int, step: int, steps: int, loss: float, accuracy: float) -> None:
        """After each batch."""
        self._progress.update(
            self._task, description=f"epoch {epoch}", completed=step, total=steps, loss=loss, accuracy=accuracy
        )

    def epoch(self, result: EpochResult) -> None:
        """After each epoch: a row of the table."""
        self.results.append(result)
        cells = (
            f"{result.epoch}/{result.epochs}",
            f"{result.loss:.4f}",
            f"{result.accuracy:.4f}",
            f"{result.validation_loss:.4f}",
            f"{result.validation_accuracy:.4f}" + (" *" if result.best else "  "),
            f"{result.seconds:.1f}",
        )
        self._table.add_row(*cells)
        if not self._console.is_terminal:
            names = (str(column.header) for column in self._table.columns)
            line = ", ".join(f"{name} {cell.strip()}" for name, cell in zip(names, cells, strict=True))
            self._console.print(line, soft_wrap=True, highlight=False)

    def tuned(self, tuning: Tuning, source: str) -> None:
        """What corrections brought, and what they cost."""
        table = Table("read right", "before", "after", title="Trained on corrections", box=box.SIMPLE)
        rows = (
            (f"test digits of {source}", tuning.test_before, tuning.test_after),
            (f"{tuning.held_out:,} corrected digits, held out", tuning.corrections_before, tuning.corrections_after),
        )
        for name, *shares in rows:
            table.add_row(Text(name), *map(_percent, shares))
        self._console.print(table)
        used = f"corrected digits trained on: {tuning.digits:,}"
        unused = f"; numbers that were cut wrongly and teach nothing: {tuning.unused:,}"
        self._console.print(used + unused, soft_wrap=True, highlight=False)


def show_card(console: Console, card: ModelCard) -> None:
    """What was trained and how good it is."""
    console.print(
        f"{card.name}: {card.arch}, {card.parameters:,} parameters, {card.mflop:.2f} MFLOP, "
        f"epoch {card.best_epoch} of {card.epochs}, "
        f"[bold]{card.test_accuracy:.2%}[/bold] of {card.test_n:,} test digits",
        soft_wrap=True,
        highlight=False,
    )


def show_result(console: Console, result: ModelResult) -> None:
    """Accuracy, a row a digit, and the confusion matrix."""
    scores = Table("digit", "precision", "recall", "F1", "n", title="Digits", box=box.SIMPLE)
    for score in result.per_digit:
        scores.add_row(
            str(score.digit), *(f"{value:.4f}" for value in (score.precision, score.recall, score.f1)), str(score.n)
        )
    heads = [str(digit) for digit in range(10)] + ["none"]
    confusion = Table("is \\ read as", *heads, title="Confusion", box=box.SIMPLE)
    for digit, row in enumerate(result.confusion):
        confusion.add_row(
            str(digit), *(f"[green]{n}[/]" if i == digit else f"[red]{n}[/]" if n else "·" for i, n in enumerate(row))
        )
    for table in (scores, confusion):
        for column in table.columns:
            column.justify = "right"
        console.print(table)
    console.print(f"accuracy [bold]{result.accuracy:.4f}[/bold] of {result.n:,} digits", highlight=False)


def show_review(messages: Messages, review: Review, output: Path) -> None:
    """Where the page is, and what it lacks."""
    messages.print(f"{output}: {review.to_review:,} numbers to look at")
    if review.changed:
        messages.print(
            f"{review.changed:,} of them are read otherwise now, and have no runners-up: "
            "give the options and the model that classify had"
        )
    if review.missing:
        messages.print(f"{review.missing:,} of them have no picture: their pages can't be read any more")


def show_corrections(messages: Messages, corrections: Sequence[Correction]) -> None:
    """How many there are of each kind."""
    right = sum(one.corrected == one.text for one in corrections)
    none = sum(not one.corrected for one in corrections)
    wrong = len(corrections) - right - none
    messages.print(f"{wrong:,} corrected, {right:,} found right, {none:,} no numbers")


def show_matches(console: Console, matches: Sequence[Match]) -> None:
    """How well each page matches a form."""
    table = Table("file", "page", "match", "", box=box.SIMPLE)
    table.columns[0].overflow = "fold"
    for match in matches:
        table.add_row(_frame_cell(match.file), str(match.page), _percent(match.quality), Text(match.message))
    console.print(table)


_SUMMARY_TITLES = ("Status", "Confidence", "Worst pages", "Slowest pages", "Folders")


def show_summary(console: Console, summary: ReportSummary) -> None:
    """The tables, each under its name; shares also as bars."""
    for title, frame in zip(_SUMMARY_TITLES, summary, strict=True):
        if len(frame):
            console.print(_frame_table(title, frame))


def _frame_table(title: str, frame: pd.DataFrame) -> Table:
    table = Table(title=title, box=box.SIMPLE)
    for name in frame.columns:
        table.add_column(name, justify="left" if name in _NAMES else "right", overflow="fold")
    if "share" in frame:
        table.add_column()
        bars = ["█" * round(_BAR * share) for share in frame["share"]]
        frame = frame.assign(share=frame["share"].map(_percent), bar=bars)
    for row in frame.itertuples(index=False):
        table.add_row(*map(_frame_cell, row))
    return table


def _frame_cell(value: float | str) -> Text:
    if isinstance(value, str):
        # A file's name may hold what a terminal would obey, or can't write.
        return Text("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value))
    return Text(f"{value:.4f}" if isinstance(value, float) else f"{value:,}")


def show_truth(console: Console, result: TruthResult) -> None:
    """How much was read right, and what accepting only confident lines would bring."""
    right = Table("", "right", "of", "share", title="Read right", box=box.SIMPLE)
    for name, share in (
        ("images", result.images),
        ("lines", result.lines),
        ("digits", result.digits),
        ("images, with the gaps between numbers", result.images_exact),
        ("lines, with the gaps between numbers", result.lines_exact),
    ):
        right.add_row(name, *_share_cells(share))
    trades = Table("threshold", "accepted lines", "right among them", title="Confidence", box=box.SIMPLE)
    for trade in result.trades:
        trades.add_row(f"{trade.threshold:.4f}", _percent(trade.accepted), _percent(trade.right))
    if result.reliable:
        least = result.reliable
        trades.add_row(f"least: {least.threshold:.4f}", _percent(least.accepted), _percent(least.right), style="bold")
    for table in (right, trades):
        for column in table.columns[table is right :]:
            column.justify = "right"
        console.print(table)
    console.print("to review: {} of {} numbers, {}".format(*_share_cells(result.rejected)))
    if result.failed:
        console.print(f"pages that could not be read: {result.failed:,}")


def _share_cells(share: Share) -> tuple[str, str, str]:
    return f"{share.part:,}", f"{share.whole:,}", _percent(share.value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"
