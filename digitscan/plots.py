"""Plots of a training and of an evaluation. The only module that needs Matplotlib."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from digitscan.errors import UsageError
from digitscan.pictures import make_folder
from digitscan.report import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from digitscan.judge import Judgement, Mistake
    from digitscan.train import EpochResult

NO_MATPLOTLIB = "plots need Matplotlib: pip install 'digitscan[plots]'"

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#777777"
"""Colours of M. Okabe and K. Ito (2008), which colour-blind people can tell apart."""

_BINS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_DPI = 150

_COLUMNS = 4
"""Of the sheet of errors."""


def prepare(folder: Path) -> None:
    """Make the folder before the work. Raises UsageError without Matplotlib, OutputError where it can't be made."""
    _check()
    make_folder(folder)


def _check() -> None:
    if find_spec("matplotlib") is None:
        raise UsageError(NO_MATPLOTLIB)


def draw_training(results: Sequence[EpochResult], path: Path) -> None:
    """Loss and accuracy of each epoch, on the training data and on what was held out of it.

    Raises UsageError without Matplotlib, OutputError where the picture can't be written.
    """
    figure = _figure(10, 4)
    epochs = [result.epoch for result in results]
    best = max((result.epoch for result in results if result.best), default=None)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [getattr(result, name) for result in results], "o-", color=_BLUE, ms=3, label="training")
        held_out = [getattr(result, f"validation_{name}") for result in results]
        axes.plot(epochs, held_out, "o-", color=_ORANGE, ms=3, label="validation")
        if best is not None:
            axes.axvline(best, color=_GREY, ls=":", label=f"best: epoch {best}")
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def draw_evaluation(judgement: Judgement, folder: Path) -> None:
    """`confusion.png`, `reliability.png`, `trade.png` and `errors.png` in this folder. Raises OutputError."""
    drawn = {
        "confusion": _confusion(judgement.confusion),
        "reliability": _reliability(judgement),
        "trade": _trade(judgement),
        "errors": _errors(judgement),
    }
    for name, figure in drawn.items():
        _save(figure, folder / f"{name}.png")


def _figure(width: float, height: float) -> Any:
    """A figure of its own, without pyplot: no window, nothing that stays."""
    _check()
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=_DPI, layout="constrained")


def _save(figure: Any, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_file(path, content.getvalue())


def _confusion(counts: NDArray[np.int64]) -> Any:
    """Counts, coloured by their share of the digit's row; what is right has no colour, for errors to stand out."""
    figure = _figure(6.5, 6)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    errors = np.where(np.eye(*counts.shape) > 0, np.nan, shares)
    picture = axes.imshow(errors, cmap="Oranges", vmin=0, vmax=max(float(np.nanmax(errors)), 1e-9))
    for (row, column), number in np.ndenumerate(counts):
        if number:
            dark = row != column and errors[row, column] > 0.6 * np.nanmax(errors)
            weight, colour = ("bold", _BLUE) if row == column else ("normal", "white" if dark else "black")
            axes.text(column, row, f"{number}", ha="center", va="center", fontsize=8, weight=weight, color=colour)
    axes.set(xlabel="read as", ylabel="is", title=f"{counts.sum():,} digits, {_percent(counts)} right")
    axes.set_xticks(range(11), [*map(str, range(10)), "none"])
    axes.set_yticks(range(10), [*map(str, range(10))])
    figure.colorbar(picture, ax=axes, shrink=0.8, format=_as_percent(1), label="errors among the digit's")
    return figure


def _percent(counts: NDArray[np.int64]) -> str:
    return f"{np.trace(counts) / max(1, counts.sum()):.2%}"


def _as_percent(decimals: int | None = None) -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals)


def _reliability(judgement: Judgement) -> Any:
    """What confidences are worth: the share of what is right in each bin, with intervals of 95 % (E. Wilson, 1927)."""
    figure = _figure(6, 6)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot((0, 1), (0, 1), color=_GREY, ls=":", label="as promised")
    # What is no doubt at all, 1, belongs to the last bin.
    bins = np.digitize(judgement.confidences, _BINS[1:-1])
    for place in np.unique(bins):
        inside = bins == place
        n, right = int(inside.sum()), float(judgement.right[inside].mean())
        low, high = _wilson(right, n)
        mean = float(judgement.confidences[inside].mean())
        axes.errorbar(mean, right, [[max(0, right - low)], [max(0, high - right)]], fmt="o", color=_BLUE, capsize=3)
    axes.set(ylabel=f"right among these {judgement.unit}", ylim=(-0.02, 1.02), title="Reliability of confidences")
    axes.legend(loc="upper left")
    below.hist(judgement.confidences, _BINS, color=_BLUE, edgecolor="white")
    below.set(xlabel="confidence", ylabel=judgement.unit, xlim=(-0.02, 1.02))
    below.set_yscale("symlog", linthresh=1)  # Like log, but with 0.
    for one in (axes, below):
        one.grid(alpha=0.3)
    return figure


def _wilson(share: float, n: int) -> tuple[float, float]:
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def _trade(judgement: Judgement) -> Any:
    """What accepting the surest brings: the errors among them, for every threshold."""
    figure = _figure(6.5, 5)
    axes = figure.subplots()
    order = np.argsort(-judgement.confidences, kind="stable")
    confidences, wrong = judgement.confidences[order], np.cumsum(~judgement.right[order])
    # Of equal confidences, all are accepted or none.
    ends = np.append(np.flatnonzero(np.diff(confidences)), len(order) - 1) if len(order) else np.array([], int)
    accepted, errors = (ends + 1) / max(1, judgement.total), wrong[ends] / (ends + 1)
    axes.plot(accepted, errors, color=_BLUE)
    for threshold in (0.5, 0.8, 0.9, 0.95, 0.99):
        at = np.flatnonzero(confidences[ends] >= threshold)
        if at.size:
            point = float(accepted[at[-1]]), float(errors[at[-1]])
            axes.plot(*point, "o", color=_ORANGE)
            axes.annotate(f"{threshold:g}", point, (-4, 6), textcoords="offset points", ha="right", fontsize=9)
    axes.set(
        xlabel=f"accepted, of {judgement.total:,} {judgement.unit}",
        ylabel="errors among the accepted",
        title="Accepting what has at least a confidence",
        xlim=(0, 1.02),
        ylim=(0, None),
    )
    axes.xaxis.set_major_formatter(_as_percent())
    axes.yaxis.set_major_formatter(_as_percent())
    axes.grid(alpha=0.3)
    return figure


def _errors(judgement: Judgement) -> Any:
    rows = max(1, -(-len(judgement.worst) // _COLUMNS))
    figure = _figure(10, 1 + 1.4 * rows)
    figure.suptitle(f"The surest of the wrong {judgement.unit}" if judgement.worst else "No errors")
    for axes in figure.subplots(rows, _COLUMNS, squeeze=False).flat:
        axes.set_axis_off()
    for axes, mistake in zip(figure.axes, judgement.worst, strict=False):
        _draw_mistake(axes, mistake)
    return figure


def _draw_mistake(axes: Any, mistake: Mistake) -> None:
    picture = mistake.picture if mistake.picture.ndim == 2 else mistake.picture[:, :, ::-1]
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    read = f"read {mistake.read}, {int(100 * mistake.confidence)} %"
    axes.set_title(f"is {mistake.right}\n{read}", fontsize=8)
