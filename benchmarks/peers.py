"""Compares digitscan with other readers on strips of handwriting, or on whole pages: what is right, and what it takes.

    python benchmarks/peers.py TRUTH.csv FOLDER [--layout line|page] [--half even|odd] [--json FILE]

Each reader runs in a process of its own and prints `file<TAB>text`; of what it reads, the digits count, as for
digitscan.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from measure import ENVIRONMENT, watched
from strips import HALVES, Strips, add_arguments, chosen, percent, save, show

from digitscan.schema import Box, Digit, Number, PageNumbers
from digitscan.truth import TruthResult

HERE = Path(__file__).parent


class Reader(NamedTuple):
    """A program that reads strips: the script that runs it, and what it needs."""

    runner: str
    layouts: tuple[str, ...] = ("line", "page")
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """From PyPI, in an environment of their own; without any it is this Python's."""
    program: str | None = None
    """Has to be installed."""


RAPIDOCR = Reader("read_rapidocr.py", packages=("rapidocr==3.10.0", "onnxruntime==1.32.0"))

READERS = {
    "digitscan": Reader("read_digitscan.py"),
    "RapidOCR": RAPIDOCR,
    "RapidOCR, digits only": RAPIDOCR._replace(arguments=("--allow=0123456789.,-=/ ",), layouts=("line",)),
    "Tesseract": Reader("read_tesseract.py", program="tesseract"),
}


class Reading(NamedTuple):
    """What a reader made of each file, the seconds an image, those until the first, and the most bytes of memory."""

    texts: dict[str, str]
    seconds: float
    start: float
    memory: int


def python_of(packages: Sequence[str], environments: Path) -> str:
    """The Python that has these packages; its environment is made on first use."""
    if not packages:
        return sys.executable
    builder = venv.EnvBuilder(with_pip=True)
    folder = environments / packages[0]
    python: str = builder.ensure_directories(folder).env_exe
    if not Path(python).exists():
        builder.create(folder)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def read(command: Sequence[str], files: Sequence[str]) -> Reading:
    """Run a reader on all files. The first is timed for itself: it waits for the program to start."""
    texts, arrivals = {}, [time.perf_counter()]
    with (
        subprocess.Popen([*command, *files], stdout=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT) as process,
        watched(process) as peak,
    ):
        assert process.stdout
        for line in process.stdout:
            arrivals.append(time.perf_counter())
            file, _, texts[file] = line.rstrip("\n").rpartition("\t")
    if process.returncode:
        sys.exit(f"{command[1]} ended with exit code {process.returncode}")
    started, first, *_, last = *arrivals, arrivals[-1]
    return Reading(texts, (last - first) / max(1, len(arrivals) - 2), first - started, peak.bytes)


def as_page(file: str, text: str) -> PageNumbers:
    """A text as if digitscan had read it: one number of all its digits, of whatever script and width."""
    digits = [str(unicodedata.decimal(char)) for char in text if char.isdecimal()]
    number = Number(1, 1, 1.0, tuple(Digit(digit, 1.0, Box(0, 0, 0, 0)) for digit in digits))
    return PageNumbers(file, 1, (number,) if digits else ())


def scores(strips: Strips, reading: Reading, half: str | None) -> dict[str, TruthResult]:
    """How well all strips were read, and each half of them unless they are only one already."""
    pages = [as_page(file, text) for file, text in reading.texts.items()]
    parts = {half: strips} if half else {"all": strips, **{name: strips.half(name) for name in HALVES}}
    return {name: part.score(pages) for name, part in parts.items()}


def rows(name: str, reading: Reading, parts: dict[str, TruthResult]) -> Iterator[tuple[str, ...]]:
    """The reader's rows of the table."""
    for part, score in parts.items():
        share = percent(score.images), percent(score.digits)
        yield name, part, *share, f"{reading.seconds:.3f}", f"{reading.start:.2f}", f"{reading.memory / 1e6:.0f}"


def to_json(reading: Reading, parts: dict[str, TruthResult]) -> dict[str, Any]:
    """The figures, and each text as the reader gave it."""
    shares = {
        part: {"amounts": score.images.to_json(), "digits": score.digits.to_json()} for part, score in parts.items()
    }
    return {
        "seconds": reading.seconds,
        "start": reading.start,
        "memory": reading.memory,
        **shares,
        "read": {Path(file).name: text for file, text in reading.texts.items()},
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compares digitscan with other readers on strips of handwriting.")
    add_arguments(parser)
    parser.add_argument(
        "--layout", choices=("line", "page"), default="line", help="of a page, all digits are compared as one line"
    )
    parser.add_argument("--reader", choices=READERS, action="append", help="only this one; may be given several times")
    parser.add_argument("--model", metavar="NAME", help="digitscan's; default: the one that comes with it")
    parser.add_argument(
        "--environments",
        type=Path,
        metavar="DIR",
        default=Path(tempfile.gettempdir()) / "digitscan-peers",
        help="where the readers' environments are made and kept; default: %(default)s",
    )
    options = parser.parse_args()
    strips = chosen(options) if options.layout == "line" else chosen(options).joined()
    table: list[tuple[str, ...]] = []
    results = {}
    for name in options.reader or [name for name, reader in READERS.items() if options.layout in reader.layouts]:
        reader = READERS[name]
        if reader.program and not shutil.which(reader.program):
            sys.stderr.write(f"{name} is left out: {reader.program} is not installed\n")
            continue
        command = [python_of(reader.packages, options.environments), str(HERE / reader.runner), *reader.arguments]
        command += ["--layout", options.layout]
        if name == "digitscan" and options.model:
            command += ["--model", options.model]
        reading = read(command, list(strips.names))
        parts = scores(strips, reading, options.half)
        table += rows(name, reading, parts)
        results[name] = to_json(reading, parts)
    show(("reader", "strips", "amounts right", "digit accuracy", "seconds an image", "start", "MB"), table)
    save(results, options.json)


if __name__ == "__main__":
    main()
