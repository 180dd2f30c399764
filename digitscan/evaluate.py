"""How well a model reads labelled digits, and how well pages are read whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitscan.errors import NoInputError
from digitscan.model import ModelResult, score_classes
from digitscan.report import write_table
from digitscan.schema import PageFailure, PageNumbers
from digitscan.truth import TruthResult, WrongLine, compare_page, score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from digitscan.truth import ComparedPage, Lines


def evaluate_model(
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> ModelResult:
    """Accuracy, per-digit scores and confusion of `predict` on labelled glyphs.

    `images` is uint8 (N, 28, 28), `labels` uint8 (N,) with 0 to 9, N at least 1; `predict` gives float32 (N, 12).
    """
    return score_classes(predict(images).argmax(axis=1), labels)


def write_csv(result: ModelResult, path: Path) -> None:
    """Write a row a digit: digit, precision, recall, f1, n. Raises OutputError."""
    rows = ((s.digit, s.precision, s.recall, s.f1, s.n) for s in result.per_digit)
    write_table(path, ("digit", "precision", "recall", "f1", "n"), rows)


def locate(names: Iterable[str], folders: Sequence[Path]) -> dict[str, str]:
    """The path of each file that a truth names, with that name, in the same order.

    A file is sought in `folders` in turn; one that is in none of them is given the first, for the scan to report.
    Raises NoInputError where no file at all is found.
    """
    found = {name: next((folder / name for folder in folders if (folder / name).exists()), None) for name in names}
    if not any(found.values()):
        raise NoInputError(f"none of the files that the truth names are in {' or '.join(map(str, folders))}")
    return {str(path or folders[0] / name): name for name, path in found.items()}


def evaluate_truth(
    truth: Mapping[str, Sequence[Lines]],
    names: Mapping[str, str],
    pages: Iterable[PageNumbers | PageFailure],
    min_confidence: float,
    watch: Callable[[ComparedPage, PageNumbers | PageFailure], None] | None = None,
) -> TruthResult:
    """Compare the pages of a scan with what is written on them.

    `truth` is that of `read_truth`, `names` what `locate` found, `pages` the scan of exactly these paths. A page of
    the truth that doesn't come counts as one that couldn't be read, one that comes beyond the truth as one without
    digits. `watch` is given each page as it was compared, and as it was read.
    """
    missing = {(name, number): lines for name, known in truth.items() for number, lines in enumerate(known, 1)}
    compared = []
    for page in pages:
        name = names[page.file]
        compared.append(compare_page(name, missing.pop((name, page.page), ()), page))
        if watch:
            watch(compared[-1], page)
    gone = (compare_page(name, lines, PageFailure(name, page, "")) for (name, page), lines in missing.items())
    return score([*compared, *gone], min_confidence)


def write_wrong_lines(result: TruthResult, path: Path) -> None:
    """Write a row for each line that was read wrongly, with the columns of `WrongLine`. Raises OutputError."""
    write_table(path, WrongLine._fields, result.wrong)
