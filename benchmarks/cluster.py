"""What a cluster costs: the local pool against as many workers of Dask, and what scheduler and client can take.

The first needs a folder of pages, which is read by both. The second reads no pages: workers make up what would be on
them at once, so that all the time is that of the scheduler, of the way back, and of the client that writes the report.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from digitscan import chunks
from digitscan.cluster import Cluster
from digitscan.parts import PartsReport, lock_path
from digitscan.scan import Reader, load_reader, scan
from digitscan.schema import Box, Digit, Number, PageNumbers, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from digitscan.chunks import Run
    from digitscan.schema import PageResult, Rest

_NUMBERS = 20
_DIGITS = 4
"""Numbers of a made-up page, and digits of each: 80 in all, as many as on the sample pages."""

_CHUNKS = (1, 8, 64, 512)

_MOST_TASKS = 5_000
"""Of each size of chunk: small ones need no million pages."""


def main() -> None:
    """Measures what was asked for, prints a table of it, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="pages for the comparison with the local pool")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the fastest counts")
    parser.add_argument("--simulate", type=int, metavar="PAGES", help="made-up pages for each size of chunk")
    parser.add_argument("--chunks", type=int, nargs="+", default=_CHUNKS, help="sizes of chunks to simulate")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), options.workers) as address:
        if options.folder:
            result["comparison"] = compare(options.folder, Path(folder), address, options.workers, options.repeat)
        if options.simulate:
            result |= simulate(Path(folder), address, options.simulate, options.chunks)
    for name, values in result.items():
        table = Table(title=name)
        for column in values:
            table.add_column(column, justify="right")
        table.add_row(*(f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in values.values()))
        Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(result), "utf-8")


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """A scheduler on the loopback and its workers, of one thread each."""
    from distributed import Client

    common = ["--no-dashboard", "--scheduler-file", str(folder / "scheduler.json")]
    commands = (
        ["dask_scheduler", "--host", "127.0.0.1", "--port", "0"],
        ["dask_worker", "--nworkers", str(workers), "--nthreads", "1", "--local-directory", str(folder)],
    )
    with (folder / "dask.log").open("wb") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", *options, *common], stdout=log, stderr=log
            )
            for name, *options in commands
        ]
        try:
            with Client(scheduler_file=str(folder / "scheduler.json"), set_as_default=False, timeout=60) as client:
                client.wait_for_workers(workers, 120)
                address = str(client.scheduler.address)
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()


def compare(pages: str, folder: Path, address: str, workers: int, repeat: int) -> dict[str, float]:
    """Seconds of whole runs of the command line, with the same cores for both; their reports must be the same."""
    ways = {"local pool": ["--jobs", str(workers)], "cluster": ["--scheduler", address]}
    seconds = {way: float("inf") for way in ways}
    for _ in range(repeat):
        for way, options in ways.items():
            command = ["classify", pages, "-o", str(folder / f"{way}.csv"), "--quiet", *options]
            started = time.perf_counter()
            done = subprocess.run([sys.executable, "-m", "digitscan", *command], check=False)
            seconds[way] = min(seconds[way], time.perf_counter() - started)
            assert done.returncode in (0, 6), "it has read them"
    reports = {(folder / f"{way}.csv").read_bytes() for way in ways}
    assert len(reports) == 1, "the reports are the same"
    return {**seconds, "overhead %": 100 * (seconds["cluster"] / seconds["local pool"] - 1)}


def made_up(rests: list[Rest], _: Reader, __: Run) -> list[PageResult]:
    """A page for each source, at once."""
    return [PageNumbers(rest.file, rest.first, tuple(map(_number, range(_NUMBERS)))) for rest in rests]


def _number(place: int) -> Number:
    digits = (Digit(str(digit), 0.999 - place / 1e3, Box(100 * digit, 20 * place, 30, 40)) for digit in range(_DIGITS))
    return Number(1, 1 + place, 0.99 - place / 1e3, tuple(digits))


def simulate(folder: Path, address: str, pages: int, sizes: list[int]) -> dict[str, dict[str, float]]:
    """Pages a second for each size of chunk, and what a page costs the client."""
    reader = Reader(load_reader(None).classify)
    sent = len(
        pickle.dumps(made_up([chunks.Rest(f"s3://archive/scans/{n:09}.png", 1) for n in range(64)], reader, None))
    )
    alone, _ = _seconds(folder, pages, reader, lambda sources, *_: _made_up_here(sources))
    result = {"client alone": {"pages/s": pages / alone, "bytes sent a page": sent / 64}}
    for size in sizes:
        chunks._MOST = size
        with Cluster(address) as workers:
            execute = chunks.ChunkedScan(workers, made_up)
            execute._handed_out = pages * 1000  # Full chunks from the start.
            count = min(pages, _MOST_TASKS * size)
            seconds, busy = _seconds(folder, count, reader, execute)
        tasks = -(-count // size)
        result[f"chunks of {size}"] = {
            "pages": count,
            "pages/s": count / seconds,
            "tasks/s": tasks / seconds,
            "client's ms of CPU a page": 1000 * busy / count,
        }
    return result


def _made_up_here(sources: Iterator[str]) -> Iterator[PageResult]:
    for source in sources:
        yield from made_up([chunks.Rest(source, 1)], None, None)


def _seconds(
    folder: Path, pages: int, reader: Reader, execute: Callable[..., Iterator[PageResult]]
) -> tuple[float, float]:
    """Seconds until a report in parts is complete, and those in which this process was busy."""
    output = f"{folder}/report/"
    lock_path(output)
    started, busy = time.perf_counter(), time.process_time()
    names = (f"s3x/archive/scans/{number:09}.png" for number in range(pages))
    with PartsReport(output, Settings(), "") as report:
        for page in scan(names, reader, Settings(), report, execute):
            report.add(page)
    assert report.summary.pages == pages, "none is lost"
    return time.perf_counter() - started, time.process_time() - busy


if __name__ == "__main__":
    main()
