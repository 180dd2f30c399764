"""A real scheduler with four worker processes, and a store that speaks S3: reports are those of a local run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest
from stores import dask_cluster, download, is_in_store, s3_server, upload, worker_processes
from writing import PROGRAM, ByHeart, write_page

import digitscan.cluster as cluster_module
from digitscan.chunks import ChunkedScan
from digitscan.cluster import Cluster
from digitscan.errors import DigitscanError
from digitscan.files import find_pages
from digitscan.scan import Reader, scan
from digitscan.schema import PageFailure, PageNumbers, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from digitscan.schema import PageResult

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

IN_SMALL_PARTS = f"import digitscan.parts\ndigitscan.parts._FILES = 7\n{PROGRAM}"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def scheduler(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001 (in the environment)
    with dask_cluster(tmp_path_factory.mktemp("dask")) as address:
        yield address


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds `scans/`: pages, a file with many, a sub-folder, a damaged file."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "scans" / "more").mkdir(parents=True)
    for number in range(60):
        place = folder / "scans" / ("more" if number % 3 else "") / f"{number}.png"
        assert cv2.imwrite(str(place), write_page([str(1000 + number)] * 3).pixels)
    (folder / "scans" / "5.5.png").write_bytes(b"no picture")
    assert cv2.imwritemulti(str(folder / "scans" / "7.tiff"), [write_page([str(page)]).pixels for page in range(20)])
    return folder


def command(*arguments: str, program: str = PROGRAM) -> list[str]:
    return [sys.executable, "-c", program, "classify", *arguments]


def run(folder: Path, *arguments: str, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, program=program), cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def report(archive: Path) -> bytes:
    """What a local run writes."""
    assert run(archive, "scans", "-o", "local.csv", "--jobs", "1", "-q").returncode == 6
    return (archive / "local.csv").read_bytes()


def body(report: bytes) -> bytes:
    """Without the names of the columns."""
    return report.partition(b"\n")[2]


def joined(parts: dict[str, bytes]) -> bytes:
    return b"".join(body(parts[name]) for name in sorted(parts) if name.endswith(".csv"))


def until_a_page_is_read(process: subprocess.Popen[str]) -> None:
    assert process.stderr
    while " DEBUG read " not in (line := process.stderr.readline()):
        assert line, "it ended before"


def test_a_cluster_writes_the_report_of_a_local_run(archive: Path, scheduler: str, report: bytes) -> None:
    done = run(archive, "scans", "-o", "cluster.csv", "--scheduler", scheduler)
    assert done.returncode == 6, done.stderr
    assert (archive / "cluster.csv").read_bytes() == report
    assert "Traceback" not in done.stderr


def test_a_worker_may_be_killed_in_the_middle(archive: Path, scheduler: str, report: bytes) -> None:
    arguments = command("scans", "-o", "killed.csv", "--scheduler", scheduler, "-v")
    victims = worker_processes(scheduler)
    with subprocess.Popen(arguments, cwd=archive, stderr=subprocess.PIPE, text=True) as process:
        until_a_page_is_read(process)
        os.kill(victims[0], signal.SIGKILL)
        process.communicate()
    assert process.returncode == 6
    assert (archive / "killed.csv").read_bytes() == report


def test_from_a_store_to_a_store_with_the_client_killed(
    archive: Path, scheduler: str, bucket: str, report: bytes
) -> None:
    upload(archive / "scans", f"{bucket}/scans")
    arguments = [f"{bucket}/scans", "-o", f"{bucket}/report/", "--scheduler", scheduler, "--resume", "-q"]
    with subprocess.Popen(command(*arguments, program=IN_SMALL_PARTS), cwd=archive) as process:
        deadline = time.monotonic() + 120
        while not is_in_store(f"{bucket}/report/part-00001.csv") and time.monotonic() < deadline:
            time.sleep(0.5)
        process.kill()
    left = download(f"{bucket}/report")
    assert not json.loads(left["manifest.json"])["complete"]
    done = run(archive, *arguments, program=IN_SMALL_PARTS)
    assert (done.returncode, done.stderr) == (6, "")
    found = download(f"{bucket}/report")
    assert json.loads(found["manifest.json"])["complete"]
    assert joined(found) == body(report).replace(b"scans/", f"{bucket}/scans/".encode())


class Deadly(ByHeart):
    """Kills its process where it reads a 9."""

    def __call__(self, glyphs):  # type: ignore[no-untyped-def]
        probabilities = super().__call__(glyphs)
        if (probabilities[:, 9] > 0.9).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return probabilities


def test_a_page_that_kills_its_workers_is_an_error_row(scheduler: str, tmp_path: Path) -> None:
    for number in range(12):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), write_page([str(120 + number % 7)]).pixels)
    pages = [write_page([text]).pixels for text in ("1", "9", "2")]
    assert cv2.imwritemulti(str(tmp_path / "5.5.tiff"), pages)
    with Cluster(scheduler) as cluster:
        execute = ChunkedScan(cluster)
        execute._handed_out = 1000  # So that chunks are of many files from the start.
        read = list(scan(find_pages([str(tmp_path)]), Reader(Deadly()), Settings(), None, execute))
    assert [text(page) for page in read] == [
        *("120", "121", "122", "123", "124", "1", None, "2", "125", "126", "120", "121", "122", "123", "124"),
    ]
    (failure,) = (page for page in read if isinstance(page, PageFailure))
    assert (Path(failure.file).name, failure.page, failure.transient) == ("5.5.tiff", 2, True)
    assert failure.message.startswith("its reading killed the workers")


def text(page: PageResult) -> str | None:
    return page.numbers[0].text if isinstance(page, PageNumbers) else None


def test_a_lost_scheduler_is_one_line_and_resume_goes_on(
    archive: Path, scheduler: str, report: bytes, tmp_path: Path
) -> None:
    from distributed import Client

    with dask_cluster(tmp_path) as address:
        arguments = command("scans", "-o", "lost.csv", "--resume", "--scheduler", address, "-v")
        with subprocess.Popen(arguments, cwd=archive, stderr=subprocess.PIPE, text=True) as process:
            until_a_page_is_read(process)
            with Client(address, set_as_default=False) as client:
                client.shutdown()
            _, said = process.communicate()
    assert process.returncode == 1
    assert f"digitscan: the connection to the scheduler {address} is lost" in said
    assert "Traceback" not in said
    assert not (archive / "lost.csv").exists()
    assert run(archive, "scans", "-o", "lost.csv", "--resume", "--scheduler", scheduler, "-q").returncode == 6
    assert (archive / "lost.csv").read_bytes() == report


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_SECONDS_TO_CONNECT", 1.0)
    with pytest.raises(DigitscanError, match=r"no scheduler answers at tcp://127.0.0.1:9; start one"):
        Cluster("tcp://127.0.0.1:9").__enter__()
