"""Measures what reading digits costs beside what reading the files alone costs, and writes it to `results.md`.

    python benchmarks/speed.py [--pages 10000] [--part NAME] [--data MNIST] [--output benchmarks/results.md]

Every figure is a ratio between two things that were measured in the same run, one right after the other. `--pages` is
the largest number of pages that is read at a time; the other sizes follow from it.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from a4 import KINDS, ROOT, ROWS, SHEET, fill, load_digits, write_pages
from matplotlib.figure import Figure
from measure import Run, machine, run
from strips import save, show

from digitscan import __version__
from digitscan.classifier import Classifier
from digitscan.truth import read_truth

HERE = Path(__file__).parent
SAMPLES = ROOT / "sample_images"

DIGITSCAN = str(Path(sys.executable).with_name("digitscan"))
"""The command as it is installed beside this Python."""

JOBS = 2
TWO_JOBS = ("--jobs", str(JOBS))
ROUNDS = 3
"""So often is measured what takes a few seconds; the median counts."""

STARTS = 7

LEAST_PAGES = 8
"""With fewer, digitscan starts no worker processes."""

SHEET_COPIES = 8, 24
"""The difference between these is time without any start."""

SHEET_DIGITS = 5000


class Part(NamedTuple):
    """A section of the results: what was measured and what the goal is, and the table; its first row has the names."""

    title: str
    text: str
    table: list[tuple[str, ...]]


class Bench(NamedTuple):
    """What all parts share: the folder that the pages are written to, and how many are the most."""

    folder: Path
    pages: int


def digitscan(folder: Path, *options: str) -> list[str]:
    """The command that reads a folder."""
    report = str(folder.with_suffix(".csv"))
    return [DIGITSCAN, "classify", str(folder), "-q", "-o", report, *options]


def imread(folder: Path, jobs: int) -> list[str]:
    """The command that only reads the files of a folder."""
    return [sys.executable, str(HERE / "read_only.py"), "--jobs", str(jobs), str(folder)]


def side_by_side(one: list[str], other: list[str], rounds: int) -> tuple[float, float]:
    """The median seconds of two commands that run in turn, so often."""
    pairs = [(run(one).seconds, run(other).seconds) for _ in range(rounds)]
    first, second = map(median, zip(*pairs, strict=True))
    return first, second


def reading(bench: Bench) -> Part:
    """Pages of each kind, read by digitscan and by `cv2.imread`."""
    table = [("pages", "digitscan, s a page", "reading alone, s a page", "ratio", "goal")]
    goals = dict(zip(KINDS, ("1.5", "1.2", "", ""), strict=True))
    for kind, suffix in KINDS.items():
        many, few = bench.folder / suffix[1:], bench.folder / f"few-{suffix[1:]}"
        fill(few, LEAST_PAGES, many)
        count = len([*many.iterdir()]) - LEAST_PAGES
        start, whole = (side_by_side(digitscan(one, *TWO_JOBS), imread(one, JOBS), ROUNDS) for one in (few, many))
        ours, theirs = ((long - short) / count for short, long in zip(start, whole, strict=True))
        table.append((f"{count} {kind}", f"{ours:.4f}", f"{theirs:.4f}", f"{ours / theirs:.2f}", goals[kind]))
    text = (
        f"A4 at 300 dpi, 50 digits each, {JOBS} processes; the time of {LEAST_PAGES} pages and of the start is taken "
        "off. PDF is drawn by PDFium at 200 dpi, all else read by `cv2.imread` with `IMREAD_UNCHANGED`."
    )
    return Part("Pages against reading their files", text, table)


def throughput(bench: Bench) -> Part:
    """Digits a second on OpenCV's sheet, without the start, and those that the classifier alone does."""
    few, many = (_sheets(bench.folder / f"sheets-{count}", count) for count in SHEET_COPIES)
    some, all_ = side_by_side(digitscan(few, *TWO_JOBS), digitscan(many, *TWO_JOBS), ROUNDS)
    speed = SHEET_DIGITS * (SHEET_COPIES[1] - SHEET_COPIES[0]) / (all_ - some)
    alone = _classifier_speed()
    table = [
        ("digits a second, end to end", f"with {JOBS} processes", "of one classifier alone", "ratio", "goal"),
        ("OpenCV's sheet, 5,000 digits", f"{speed:,.0f}", f"{alone:,.0f}", f"{speed / alone:.2f}", "10,000 a second"),
    ]
    text = (
        f"The time of {SHEET_COPIES[1]} sheets less that of {SHEET_COPIES[0]}. The classifier alone gets each glyph "
        "once, cut out and normalised, in one process; in digitscan it gets several for a digit, after a line reader."
    )
    return Part("Digits a second", text, table)


def _sheets(folder: Path, count: int) -> Path:
    folder.mkdir()
    copyfile(SHEET, folder / SHEET.name)
    fill(folder, count)
    return folder


def _classifier_speed() -> float:
    glyphs = np.random.default_rng(0).integers(0, 256, (SHEET_DIGITS, 28, 28), np.uint8)
    classify = Classifier.load()
    classify(glyphs[:64])
    started = perf_counter()
    classify(glyphs)
    return len(glyphs) / (perf_counter() - started)


def scaling(bench: Bench) -> Part:
    """More pages, and more processes: time and memory; also as a plot.

    One process alone isn't given the most pages: that would take longer than all else together.
    """
    sizes = sorted({max(1, bench.pages // part) for part in (100, 10, 1)})
    runs: dict[int, list[Run]] = {1: [], JOBS: []}
    for count in sizes:
        folder = bench.folder / f"pages-{count}"
        fill(folder, count, bench.folder / "jpg")
        for jobs, done in runs.items():
            if jobs == JOBS or count < sizes[-1]:
                done.append(run(digitscan(folder, "--jobs", str(jobs))))
    table = [
        ("JPEG pages", "jobs", "pages a second", "of those with one job", "peak memory, MB", "of that with a tenth")
    ]
    for jobs, done in runs.items():
        for place, (count, one) in enumerate(zip(sizes, done, strict=False)):
            faster = f"{runs[1][place].seconds / one.seconds:.2f}" if place < len(runs[1]) else ""
            memory = f"{one.memory / done[place - 1].memory:.2f}" if place else ""
            speed = f"{count / one.seconds:.1f}"
            table.append((f"{count:,}", str(jobs), speed, faster, f"{one.memory / 1e6:,.0f}", memory))
    _plot(sizes, runs, bench.folder / "scaling.png")
    text = (
        "Peak memory is that of all processes together; what they share counts once. Goals: with two jobs at most 600 "
        "MB, and 1.1 times as much for ten times as many pages; time linear in the number of pages.\n\n"
        "![Seconds over pages, with one job and with two](scaling.png)"
    )
    return Part("More pages, more processes", text, table)


def _plot(sizes: list[int], runs: dict[int, list[Run]], path: Path) -> None:
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for jobs, done in runs.items():
        axes.loglog(sizes[: len(done)], [one.seconds for one in done], "o-", label=f"--jobs {jobs}")
    axes.set(xlabel="pages", ylabel="seconds")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


def start(bench: Bench) -> Part:
    """One page from a cold start, against the start of what reads files at all."""
    page = bench.folder / "one.png"
    copyfile(SAMPLES / "postal-codes.png", page)
    python = [sys.executable, "-c", "import numpy, cv2"]
    table = [("from a cold start", "s", "`import numpy, cv2`, s", "ratio", "goal")]
    for name, command, goal in (
        ("`digitscan classify one.png`", [DIGITSCAN, "classify", str(page)], "2.5"),
        ("the same with `-o report.csv`", [DIGITSCAN, "classify", str(page), "-o", str(page.with_suffix(".csv"))], ""),
        ("`digitscan classify --help`", [DIGITSCAN, "classify", "--help"], ""),
    ):
        run(command)  # Now everything is compiled, and in the file cache.
        ours, theirs = side_by_side(command, python, STARTS)
        ratio = f"{ours / theirs:.2f}"
        table.append((name, f"{ours:.2f}", f"{theirs:.2f}", ratio, goal))
    return Part("Start", f"Medians of {STARTS} starts in turn.", table)


def peers(bench: Bench) -> Part:
    """Other readers on whole pages and on single lines, by `peers.py`."""
    pages = _sample_pages(bench.folder / "samples")
    table = [("reader", "read", "s an image", "times digitscan's", "start, s", "peak memory, MB", "digits right")]
    for what, layout, folder in (
        ("sample pages", "page", pages),
        (f"lines of the A4 pages, {ROWS} a page", "line", bench.folder / "lines"),
    ):
        found = _read_with_peers(folder, layout)
        for name, one in found.items():
            times, share = one["seconds"] / found["digitscan"]["seconds"], one["all"]["digits"]["share"]
            cells = f"{one['seconds']:.3f}", f"{times:.1f}", f"{one['start']:.2f}", f"{one['memory'] / 1e6:,.0f}"
            table.append((name, what, *cells, f"{share:.1%}"))
        if "Tesseract" not in found:
            table.append(("Tesseract", what, "is not installed", *[""] * 4))
    text = (
        "Each reader in one process, with as many threads as it takes; seconds an image without the start, which is "
        "the time until the first image is read. The sample pages are those of one page each, without OpenCV's sheet. "
        "Of a page all digits count, in the order in which they were read, sure or not; one page is a printed letter "
        "without any digit, where each that is read is an error. Goal: 20 times."
    )
    return Part("Other readers", text, table)


def _sample_pages(folder: Path) -> Path:
    """The samples of one page, and their truth."""
    folder.mkdir()
    truth = {name: pages[0] for name, pages in read_truth(SAMPLES / "truth.csv").items() if len(pages) == 1}
    lines = ["file,lines"]
    for name, written in truth.items():
        if name != f"{SHEET.parent.name}/{SHEET.name}":
            copyfile(SAMPLES / name, folder / name)
            lines.append(f"{name},{'|'.join(written)}")
    (folder / "truth.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def _read_with_peers(folder: Path, layout: str) -> dict[str, Any]:
    result = folder.with_suffix(".json")
    command = [sys.executable, str(HERE / "peers.py"), str(folder / "truth.csv"), str(folder), "--layout", layout]
    subprocess.run([*command, "--json", str(result)], check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(result.read_text("utf-8"))
    return found


PARTS: dict[str, Callable[[Bench], Part]] = {
    "reading": reading,
    "throughput": throughput,
    "start": start,
    "peers": peers,
    "scaling": scaling,
}

NEED_NO_PAGES = {"throughput", "start"}


def markdown(parts: list[Part]) -> str:
    """The results as a page."""
    command = shlex.join(["python", "benchmarks/speed.py", *sys.argv[1:]])
    head = (
        "# What digitscan costs\n\n"
        f"Written by `{command}` on {datetime.now(UTC).date()}, digitscan {__version__}, on this machine: {machine()}."
        "\n\nRatios are of what was measured in the same run, in turn.\n"
    )
    return "\n".join([head, *map(_section, parts)])


def _section(part: Part) -> str:
    names, *rows = part.table
    lines = [f"## {part.title}\n", f"{part.text}\n", _row(names), _row(["---"] * len(names)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures what digitscan costs beside reading the files.")
    parser.add_argument(
        "--pages", type=int, default=10_000, metavar="N", help="the most at a time; default: %(default)s"
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be given several times")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="MNIST's IDX files; default: OpenCV's digits")
    parser.add_argument("--output", type=Path, default=HERE / "results.md", metavar="FILE", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to this file as well")
    options = parser.parse_args()
    parts = []
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(Path(temporary), options.pages)
        chosen = options.part or list(PARTS)
        if not NEED_NO_PAGES.issuperset(chosen):
            write_pages(bench.folder, load_digits(options.data), max(2 * LEAST_PAGES, options.pages // 50))
        for name in chosen:
            parts.append(PARTS[name](bench))
            show(*(parts[-1].table[0], parts[-1].table[1:]))
        if (plot := bench.folder / "scaling.png").exists():
            copyfile(plot, options.output.with_name(plot.name))
    options.output.write_text(markdown(parts), "utf-8")
    save({part.title: part.table for part in parts}, options.json)


if __name__ == "__main__":
    main()
