from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitscan.errors import NoInputError
from digitscan.files import SUFFIXES, find_pages
from digitscan.schema import PageFailure


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def test_natural_order_with_subfolders_at_their_names() -> None:
    make("s/page10.png", "s/page2.png", "s/B.png", "s/a.png", "s/page3/1.png", "s/1.png", "s/01.png")
    assert list(find_pages(["s"])) == [
        *("s/01.png", "s/1.png", "s/a.png", "s/B.png"),
        *("s/page2.png", "s/page3/1.png", "s/page10.png"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="no find")
@pytest.mark.parametrize("item", ["s", "s/", "s//", ".", "./", "./s", "s/../s"])
def test_paths_are_those_of_find(item: str) -> None:
    make("s/a.png", "s/b/c.tif")
    listed = subprocess.run(["find", item, "-type", "f"], capture_output=True, text=True, check=True)
    assert sorted(map(str, find_pages([item]))) == sorted(listed.stdout.split())


def test_a_walk_takes_known_suffixes_and_no_hidden_names() -> None:
    make("s/a.PNG", "s/b.Jpe", "s/c.txt", "s/noext", "s/.d.png", "s/.hidden/e.png")
    assert list(find_pages(["s"])) == ["s/a.PNG", "s/b.Jpe"]


def test_a_named_file_is_taken_whatever_it_is_called() -> None:
    make("c.txt", ".hidden/e.png")
    assert list(find_pages(["c.txt", ".hidden"])) == ["c.txt", ".hidden/e.png"]


def test_each_real_file_once() -> None:
    make("s/a.png", "s/b.png")
    os.link("s/a.png", "s/hard.png")
    Path("s/soft.png").symlink_to("b.png")
    assert list(find_pages(["s/b.png", "s", "./s", "s/a.png"])) == ["s/b.png", "s/a.png"]


def test_loops_of_links_end_and_linked_folders_are_followed() -> None:
    make("s/a.png", "other/b.png")
    Path("s/loop").symlink_to("..", target_is_directory=True)
    Path("s/self.png").symlink_to("self.png")
    assert sorted(map(str, find_pages(["s"]))) == ["s/a.png", "s/loop/other/b.png", "s/self.png"]


def test_dangling_links_are_left_to_the_reader() -> None:
    make("s/a.png")
    Path("s/gone.png").symlink_to("nowhere")
    assert list(find_pages(["s"])) == ["s/a.png", "s/gone.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_fifos_and_sockets_that_are_called_like_pages_are_no_secret() -> None:
    make("s/a.png")
    os.mkfifo("s/fifo.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s/socket.png")
        assert list(find_pages(["s"])) == ["s/a.png", "s/fifo.png", "s/socket.png"]


@pytest.mark.parametrize("missing", ["nope", "", "s/a.png/x", "a\0b"])
def test_a_missing_input_stops_before_the_first_file(missing: str) -> None:
    make("s/a.png")
    with pytest.raises(NoInputError) as caught:
        find_pages(["s", missing])
    assert repr(missing) in str(caught.value)


def test_nothing_found_is_an_error_at_the_end() -> None:
    make("s/c.txt")
    with pytest.raises(NoInputError, match="'s'"):
        list(find_pages(["s"]))


def test_a_folder_that_cannot_be_listed_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    make("s/a.png", "s/locked/b.png", "s/z.png")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # Permissions don't stop root, who may run the tests.
    assert list(find_pages(["s"])) == [
        "s/a.png",
        PageFailure("s/locked", 1, "the folder can't be listed: Permission denied"),
        "s/z.png",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_names_that_are_not_utf8_survive() -> None:
    Path("s").mkdir()
    Path(os.fsdecode(b"s/\xff\n'.png")).write_bytes(b"x")
    (found,) = find_pages(["s"])
    assert os.fsencode(str(found)) == b"s/\xff\n'.png"


def test_folders_deeper_than_python_recurses() -> None:
    folders = ["s" + "/s" * depth for depth in range(1050)]
    for folder in folders:
        Path(folder).mkdir()
    make(f"{folders[-1]}/a.png")
    try:
        assert list(find_pages(["s"])) == [f"{folders[-1]}/a.png"]
    finally:  # What cleans up after the tests does recurse.
        Path(f"{folders[-1]}/a.png").unlink()
        for folder in reversed(folders):
            Path(folder).rmdir()


def test_the_walk_is_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    make("s/a/1.png", "s/b/1.png")
    opened = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: opened.append(path) or scandir(path))
    assert next(find_pages(["s"])) == "s/a/1.png"
    assert opened == ["s", "s/a"]


names = st.text(st.sampled_from("aB1²0-é\n' "), min_size=1, max_size=4).filter(str.strip)
files = st.builds(lambda name, suffix: name + suffix, names, st.sampled_from([*SUFFIXES, ".PDF", ".txt", ""]))
trees = st.recursive(
    st.dictionaries(files, st.none(), max_size=4),
    lambda inner: st.dictionaries(names, st.one_of(st.none(), inner), max_size=4),
    max_leaves=8,
)


def plant(tree: dict[str, object], folder: str) -> set[str]:
    Path(folder).mkdir()
    known = set()
    for name, child in tree.items():
        path = f"{folder}/{name}"
        if isinstance(child, dict):
            known |= plant(child, path)
        else:
            Path(path).write_bytes(b"x")
            known |= {path} if name.lower().endswith(SUFFIXES) else set()
    return known


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems fold case and refuse some names")
@given(trees)
def test_any_tree_gives_each_known_file_once_in_a_fixed_order(tree: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        known = plant(tree, f"{folder}/s")
        if not known:
            with pytest.raises(NoInputError):
                list(find_pages([f"{folder}/s"]))
            return
        found = list(find_pages([f"{folder}/s"]))
        assert len(found) == len(known)
        assert set(found) == known
        assert list(find_pages([f"{folder}/s", folder])) == found
