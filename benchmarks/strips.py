"""What the benchmarks on strips share: the truth of a folder, its halves, and how well it was read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from digitscan.evaluate import evaluate_truth, locate
from digitscan.schema import PageFailure, PageNumbers, Settings
from digitscan.truth import Lines, Share, TruthResult, read_truth

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HALVES = {"even": slice(0, None, 2), "odd": slice(1, None, 2)}
"""Of the files sorted by name: what is tuned on one half is reported on the other."""


class Strips(NamedTuple):
    """Pictures of one line each, sorted by name: their `truth`, and the name in the truth of each path."""

    truth: dict[str, tuple[Lines, ...]]
    names: dict[str, str]

    @classmethod
    def load(cls, truth: Path, folder: Path) -> Strips:
        """Those that a truth names."""
        known = dict(sorted(read_truth(truth).items()))
        return cls(known, locate(known, (folder,)))

    def corrected(self, labels: Path) -> Strips:
        """With another truth of those that a second CSV names."""
        better = {name: lines for name, lines in read_truth(labels).items() if name in self.truth}
        return Strips(self.truth | better, self.names)

    def half(self, name: str) -> Strips:
        """Every other strip; `name` is one of `HALVES`."""
        return self._only(list(self.names)[HALVES[name]])

    def named(self, prefix: str) -> Strips:
        """Those whose names begin so."""
        return self._only(path for path, name in self.names.items() if name.startswith(prefix))

    def joined(self) -> Strips:
        """With all digits of a page as one line: readers differ in what they take for a line."""
        return Strips({name: tuple(map(_as_one_line, pages)) for name, pages in self.truth.items()}, self.names)

    def _only(self, paths: Iterable[str]) -> Strips:
        names = {path: self.names[path] for path in paths}
        return Strips({name: self.truth[name] for name in names.values()}, names)

    def score(self, pages: Iterable[PageNumbers | PageFailure]) -> TruthResult:
        """How well these strips were read; pages of others are passed over."""
        own = (page for page in pages if page.file in self.names)
        return evaluate_truth(self.truth, self.names, own, Settings().min_confidence)


def _as_one_line(lines: Lines) -> Lines:
    digits = "".join(lines).replace(" ", "")
    return (digits,) if digits else ()


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that say what is read."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.csv", help="file,lines: what is written on each strip")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the strips are")
    parser.add_argument(
        "--corrected", type=Path, metavar="FILE", help="file,lines: what is really written where the truth is wrong"
    )
    parser.add_argument("--half", choices=HALVES, help="only every other strip in the order of their names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file as well")


def add_drawing_arguments(parser: ArgumentParser, count: int, of: str) -> None:
    """The arguments of what is drawn with MNIST's test digits and then read: `count` pictures `of` each kind."""
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="MNIST's IDX files; default: downloaded by Keras")
    parser.add_argument("--count", type=int, default=count, metavar="N", help=f"{of}; default: %(default)s")
    parser.add_argument("--model", metavar="NAME", help="default: the one that comes with digitscan")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the pictures in this folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file as well")


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """The folder of `--keep`, or one that is gone afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def chosen(options: Namespace) -> Strips:
    """The strips that the arguments name."""
    strips = Strips.load(options.truth, options.folder)
    strips = strips.corrected(options.corrected) if options.corrected else strips
    return strips.half(options.half) if options.half else strips


def percent(share: Share) -> str:
    """A share for the eye."""
    return "" if share.value is None else f"{share.value:.2%}"


def show(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table whose first column is words and all others are figures."""
    table = Table()
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def save(result: dict[str, Any], file: Path | None) -> None:
    """Write a result where `--json` wants it."""
    if file:
        file.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
