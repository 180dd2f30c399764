"""Any tree of files: every readable page is in the report once, and every unreadable file once as an error."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing import ByHeart, write_page

from digitscan.errors import NoInputError
from digitscan.files import SUFFIXES, find_pages
from digitscan.journal import Journal
from digitscan.report import CsvReport
from digitscan.scan import Reader, scan
from digitscan.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names and links")

PAGES = {"png": 1, "jpg": 1, "webp": 1, "bmp": 1, "tiff": 3, "empty": 0, "text": 0, "half": 0, "loop": 0, "lost": 0}
"""Kinds of files, and how many pages of them can be read. Of a 0, reading says what is wrong."""


@cache
def content(kind: str) -> bytes:
    page = write_page(["42"], 20, margin=8).pixels
    if kind == "tiff":
        return bytes(cv2.imencodemulti(".tiff", [page] * PAGES[kind])[1])
    if kind == "half":
        return content("png")[:200]
    if kind in ("empty", "text"):
        return b"no picture" if kind == "text" else b""
    return bytes(cv2.imencode(f".{kind}", page)[1])


stems = st.text(st.sampled_from("aB1= +-@'\"\n\t,;\\\u00e9\U0001f600\udcff"), min_size=1, max_size=4)
suffixes = st.sampled_from([*SUFFIXES, ".PNG", ".Tif"])
names = st.builds(str.__add__, stems, suffixes)
folders = st.lists(st.sampled_from(["a", "b.png", "\u00fc \n"]), max_size=2)
files = st.dictionaries(names, st.sampled_from([*PAGES]), max_size=4)
trees = st.lists(st.tuples(folders, files), max_size=3)


def plant(root: Path, tree: Sequence[tuple[list[str], dict[str, str]]]) -> dict[str, str]:
    """Make the files, and for each its path and kind; some are links in a circle, or to nothing."""
    made = {}
    for parts, inside in tree:
        folder = root.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "up.png").unlink(missing_ok=True)
        (folder / "up.png").symlink_to(root)  # A folder that was seen.
        for name, kind in inside.items():
            path = folder / name
            if path.is_symlink() or path.exists():
                continue
            if kind in ("loop", "lost"):
                path.symlink_to(name if kind == "loop" else "nowhere")
            else:
                path.write_bytes(content(kind))
            made[str(path)] = kind
    return made


@given(trees, st.booleans())
@settings(max_examples=60)
def test_every_page_is_reported_once(tree: list[tuple[list[str], dict[str, str]]], resume: bool) -> None:
    folder = tempfile.mkdtemp()
    try:
        root, report = Path(folder, "scans"), str(Path(folder, "r.csv"))
        root.mkdir()
        made = plant(root, tree)
        expected = [(file, page) for file, kind in made.items() for page in range(1, PAGES[kind] + 1)]
        expected += [(file, "error") for file, kind in made.items() if not PAGES[kind]]
        for _ in range(1 + resume):
            assert sorted(run(root, report, resume=resume), key=repr) == sorted(map(shown, expected), key=repr)
    finally:
        shutil.rmtree(folder)


def run(root: Path, report: str, *, resume: bool) -> list[tuple[str, object]]:
    """File and page of each row, or `error`."""
    chosen = Settings(jobs=1)
    with Journal(report, chosen, "") as journal:
        try:
            with (
                CsvReport(report, chosen) as rows,
                closing(scan(find_pages([str(root)]), Reader(ByHeart()), chosen, journal if resume else None)) as pages,
            ):
                for page in pages:
                    rows.add(page)
        except NoInputError:
            return []
    with Path(report).open(encoding="utf-8", newline="") as file:
        found = [*csv.DictReader(file)]
    assert {row["text"] for row in found} <= {"42", ""}
    return [(row["file"], row["status"] if row["status"] == "error" else int(row["page"])) for row in found]


def shown(cell: tuple[str, object]) -> tuple[str, object]:
    """How a report writes names that aren't UTF-8."""
    return cell[0].encode("utf-8", "backslashreplace").decode(), cell[1]
