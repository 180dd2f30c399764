from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import zipfile
from functools import partial
from typing import TYPE_CHECKING

import pytest
from stores import s3_server, upload
from writing import ByHeart

from digitscan import remote
from digitscan.errors import NoInputError, UsageError
from digitscan.files import find_pages
from digitscan.scan import Reader, scan
from digitscan.schema import PageFailure, PageNumbers, PageResult, Settings
from digitscan.sources import absolute, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("fsspec")

HERE = Settings(jobs=1)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_DELAYS", (0.0, 0.0))


@pytest.fixture
def memory() -> Iterator[str]:
    """A store in this process."""
    import fsspec

    yield "memory://scans"
    fsspec.filesystem("memory").rm("/", recursive=True)


def put(url: str, **files: bytes) -> None:
    import fsspec

    store, path = fsspec.url_to_fs(url)
    for name, content in files.items():
        store.pipe_file(f"{path}/{name.replace('__', '/').replace('_', '.')}", content)


def read(*inputs: str) -> list[PageResult]:
    return list(scan(find_pages(inputs), Reader(ByHeart()), HERE))


def content(pages: list[PageResult], root: str) -> list[object]:
    """Everything of the pages but where their files lie."""
    return [
        (page.file.removeprefix(root), page.page, page.numbers if isinstance(page, PageNumbers) else None)
        for page in pages
    ]


def zipped(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.iterdir()):
            file.write(path, f"inner/{path.name}")


# --- the same pages, wherever they lie ---


def test_a_bucket_gives_what_a_folder_gives(scans: Path, bucket: str) -> None:
    upload(scans, f"{bucket}/scans")
    assert content(read(f"{bucket}/scans"), f"{bucket}/scans/") == content(read(str(scans)), f"{scans}/")


def test_an_archive_gives_what_a_folder_gives(scans: Path, bucket: str, tmp_path: Path) -> None:
    zipped(scans, tmp_path / "a.zip")
    upload(tmp_path, f"{bucket}/zips")
    here = content(read(str(scans)), f"{scans}/")
    for place in (str(tmp_path / "a.zip"), f"{bucket}/zips/a.zip"):
        for url in (f"zip://::{place}", f"zip://inner::{place}"):
            pages = read(url)
            assert pages[0].file == f"zip://inner/a.png::{place}"
            names = [page.file.removesuffix(f"::{place}").removeprefix("zip://inner/") for page in pages]
            assert names == [str(name) for name, *_ in here]
    assert content(read(f"zip://{tmp_path}/a.zip"), "") == content(read(f"zip://::{tmp_path}/a.zip"), "")


def test_a_web_server_gives_what_a_folder_gives(scans: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(scans.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{scans.name}"
        here = content(read(str(scans)), f"{scans}/")
        assert content(read(url), f"{url}/") == here
        assert content(read(f"{url}/a.png"), f"{url}/") == here[:1]
        assert stamp_of(f"{url}/a.png", checksum=False)
        server.shutdown()


# --- what is found ---


def test_order_and_choice_are_those_of_a_folder(memory: str) -> None:
    put(memory, page10_png=b"", page2_PNG=b"", b__x_tif=b"", notes_txt=b"", _hidden_png=b"")
    assert list(find_pages([memory])) == [f"{memory}/{name}" for name in ("b/x.tif", "page2.PNG", "page10.png")]


def test_nothing_is_found_twice(memory: str) -> None:
    put(memory, a_png=b"", b__x_tif=b"")
    found = [f"{memory}/b/x.tif", f"{memory}/a.png"]
    assert list(find_pages([f"{memory}/b", memory, f"{memory}/a.png"])) == found


def test_what_is_not_there(memory: str) -> None:
    put(memory, a_txt=b"")
    with pytest.raises(NoInputError, match=r"memory://other' can't be read"):
        find_pages(["memory://other"])
    with pytest.raises(NoInputError, match="no PNG"):
        list(find_pages([memory]))


def test_an_unknown_kind_of_url(memory: str) -> None:  # noqa: ARG001
    with pytest.raises(UsageError, match="nothing://x is no URL"):
        find_pages(["nothing://x"])


def test_paths_of_this_machine_are_no_urls() -> None:
    assert [remote.is_url(name) for name in ("s3://b/a", "C:/a.png", "./x://y", "/a//b", "a:b")] == [True, *[False] * 4]


def test_a_missing_package_is_named() -> None:
    code = "import sys; sys.modules['fsspec'] = None; from digitscan.files import find_pages; find_pages(['s3://b/a'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageError: s3://b/a needs more packages: pip install 'digitscan[remote]'" in done.stderr


def test_missing_credentials_are_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(NoInputError, match="give credentials") as raised:
        find_pages([f"{bucket}/scans"])
    assert "\n" not in str(raised.value)
    s3fs.S3FileSystem.clear_instance_cache()


# --- what goes wrong on the way ---


class Failing:
    """A store whose requests fail so many times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left = times
        self._error = error

    def cat_file(self, _: str) -> bytes:
        self.left -= 1
        if self.left >= 0:
            raise self._error
        return b"content"


@pytest.mark.parametrize("error", [TimeoutError("slow"), ConnectionResetError("gone")])
def test_requests_are_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Failing(2, error)
    monkeypatch.setattr(remote, "_locate", lambda url: (store, url))
    assert remote.read("x://y") == b"content"


def test_what_stays_wrong_is_an_error_row_that_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_locate", lambda url: (Failing(99, RuntimeError("no\nluck")), url))
    (page,) = scan(["x2://y.png"], Reader(ByHeart()), HERE)
    assert page == PageFailure("x2://y.png", 1, "the file can't be read: no luck")
    assert isinstance(page, PageFailure)
    assert page.transient


def test_what_is_refused_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Failing(9, PermissionError("Forbidden"))
    monkeypatch.setattr(remote, "_locate", lambda url: (store, url))
    with pytest.raises(PermissionError, match="Forbidden; give credentials"):
        remote.read("x://y")
    assert store.left == 8


# --- versions ---


def test_a_changed_object_has_another_stamp(bucket: str) -> None:
    url = f"{bucket}/changing"
    stamps = []
    for text in (b"one", b"one", b"two"):
        put(url, a_png=text)
        assert list(find_pages([url])) == [f"{url}/a.png"]
        stamps.append(stamp_of(f"{url}/a.png", checksum=True))
    assert stamps[0]
    assert stamps[0][::2] == stamps[1][::2]  # type: ignore[index]
    assert stamps[1] != stamps[2]


def test_urls_stay_what_they_are_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("a.png") == str(tmp_path / "a.png")
    assert absolute("s3://b/a.png") == "s3://b/a.png"
    assert absolute("zip://a.png::x.zip") == f"zip://a.png::{tmp_path}/x.zip"
    assert absolute("zip://a.png::s3://b/x.zip") == "zip://a.png::s3://b/x.zip"
