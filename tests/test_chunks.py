"""Chunks without a cluster: tasks are run at once, in this process, or lost."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest
from writing import SAMPLES, ByHeart, write_page

from digitscan import chunks
from digitscan.chunks import ChunkedScan, Run, read_chunk
from digitscan.errors import DigitscanError
from digitscan.pool import Loss, Outcome
from digitscan.scan import Reader, read_here
from digitscan.schema import PageFailure, PageNumbers, PageResult, Rest, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from digitscan.schema import Source

SHUT = PageFailure("shut", 1, "the folder can't be listed")
DONE = PageNumbers("done.png", 1, ())
HERE = Settings(jobs=1)


class FakeTask:
    def __init__(self, run: Callable[[], list[object]] | None) -> None:
        self._run = run

    def result(self) -> Outcome[object]:
        return Outcome(self._run()) if self._run else Outcome([], Loss.DEATH)


class FakeCluster:
    """Two workers; tasks are lost that would read the page `deadly`, or count the pages of the file `fatal`."""

    def __init__(self, deadly: tuple[str, int] = ("", 0), fatal: str = "") -> None:
        self.sizes: list[int] = []
        self._deadly = deadly
        self._fatal = fatal

    def count(self) -> int:
        return 2

    def share(self, value: object) -> object:
        return value

    def submit(self, task: Callable[..., list[object]], *arguments: object) -> FakeTask:
        if isinstance(arguments[0], str):
            lost = Path(arguments[0]).name == self._fatal
        elif isinstance(arguments[0], Rest):
            lost = self._kills(arguments[0], arguments[0].first)
        else:
            self.sizes.append(len(arguments[0]))  # type: ignore[arg-type]
            lost = any(self._kills(rest) for rest in arguments[0])  # type: ignore[attr-defined]
        return FakeTask(None if lost else lambda: task(*arguments))

    def _kills(self, rest: Rest, last: float = inf) -> bool:
        name, (deadly, page) = Path(rest.file).name, self._deadly
        return name == self._fatal or (name == deadly and rest.first <= page <= last)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chunks")
    for number in range(5):
        assert cv2.imwrite(str(folder / f"{number}.png"), write_page([str(100 + number)], 24, margin=16).pixels)
    assert cv2.imwritemulti(
        str(folder / "long.tiff"), [write_page([str(page)], 24, margin=16).pixels for page in range(4)]
    )
    (folder / "bad.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """Of every kind, with paths that aren't absolute."""
    monkeypatch.chdir(folder)
    return ["0.png", SHUT, Rest("long.tiff", 2), "bad.png", DONE, *(f"{number}.png" for number in range(1, 5))]


def run(cluster: FakeCluster, sources: list[Source]) -> list[PageResult]:
    execute = ChunkedScan(cluster)  # type: ignore[arg-type]
    execute._handed_out = 64  # Chunks of four at first.
    return list(execute(iter(sources), Reader(ByHeart()), HERE))


def places(pages: list[PageResult]) -> list[str]:
    return [f"{page.file} {page.page}" for page in pages]


def test_pages_are_those_of_a_local_scan(sources: list[Source]) -> None:
    assert run(FakeCluster(), sources) == list(read_here(sources, Reader(ByHeart()), HERE))


def test_chunks_grow_with_what_was_handed_out(folder: Path) -> None:
    cluster = FakeCluster()
    list(ChunkedScan(cluster)([str(folder / "0.png")] * 70, Reader(ByHeart()), HERE))  # type: ignore[arg-type]
    assert cluster.sizes[0] == 1
    assert sum(cluster.sizes) == 70
    assert cluster.sizes[-2] > 1


def test_a_deadly_page_costs_itself_alone(sources: list[Source]) -> None:
    found = run(FakeCluster(deadly=("long.tiff", 3)), sources)
    whole = list(read_here(sources, Reader(ByHeart()), HERE))
    assert places(found) == places(whole)
    differing = [page for page, right in zip(found, whole, strict=True) if page != right]
    assert places(differing) == ["long.tiff 3"]
    assert isinstance(differing[0], PageFailure)
    assert differing[0].transient


def test_a_file_that_kills_when_it_is_opened_is_one_row(sources: list[Source]) -> None:
    found = run(FakeCluster(fatal="long.tiff"), sources)
    assert places(found)[:5] == ["0.png 1", "shut 1", "long.tiff 2", "bad.png 1", "done.png 1"]


def test_an_end_that_is_cut_off_shows_after_a_loss_too(tmp_path: Path) -> None:
    content = (SAMPLES / "two-pages.pdf").read_bytes()
    (tmp_path / "cut.pdf").write_bytes(content[: content.rindex(b"%%EOF")])
    assert cv2.imwrite(str(tmp_path / "deadly.png"), write_page(["1"]).pixels)
    files: list[Source] = [str(tmp_path / "cut.pdf"), str(tmp_path / "deadly.png")]
    whole = list(read_here(files, Reader(ByHeart()), HERE))
    assert isinstance(whole[-2], PageFailure)
    assert run(FakeCluster(deadly=("deadly.png", 1)), files)[:-1] == whole[:-1]


def test_little_is_under_way(folder: Path) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield str(folder / "0.png")

    pages = ChunkedScan(FakeCluster())(endless(), Reader(ByHeart()), HERE)  # type: ignore[arg-type]
    next(pages)
    assert taken <= 2 * chunks._CHUNKS_A_WORKER


def test_another_version_is_refused(folder: Path) -> None:
    with pytest.raises(DigitscanError, match=r"this is 9\.9; install the same"):
        read_chunk([Rest(str(folder / "0.png"), 1)], Reader(ByHeart()), Run(HERE, "9.9"))
