from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from digitscan.datasets import load, load_test, part_sources
from digitscan.errors import NoInputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDX_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def glyphs(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)
    return images, (np.arange(count) % 10).astype(np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, *, suffix: str = "", dotted: bool = False) -> None:
    arrays = (*glyphs(20), *glyphs(10, seed=1))
    for name, array in zip(IDX_NAMES, arrays, strict=True):
        spelled = name.replace("-idx", ".idx") if dotted else name
        content = idx(array)
        (folder / (spelled + suffix)).write_bytes(gzip.compress(content) if suffix else content)


def write_npz(path: Path, **changed: NDArray[Any]) -> Path:
    (x_train, y_train), (x_test, y_test) = glyphs(20), glyphs(10, seed=1)
    arrays: dict[str, Any] = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    np.savez(path, **(arrays | changed))
    return path


def write_labelled(folder: Path, per_digit: int) -> None:
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for number in range(per_digit):
            # The grey level tells digit and number apart; 40x30 makes sure that the normaliser is used.
            cv2.imwrite(str(folder / str(digit) / f"{number:03}.png"), np.full((40, 30), digit * 10 + number, np.uint8))


def normalize(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    assert grey.ndim == 2
    return np.full((28, 28), grey[0, 0], np.uint8)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_folder_in_every_spelling(tmp_path: Path, suffix: str, dotted: bool) -> None:
    write_idx(tmp_path, suffix=suffix, dotted=dotted)
    dataset = load(tmp_path, normalize)
    for got, expected in zip((dataset.train.images, dataset.train.labels), glyphs(20), strict=True):
        np.testing.assert_array_equal(got, expected)
    for got, expected in zip((dataset.test.images, dataset.test.labels), glyphs(10, seed=1), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert dataset.source == tmp_path.name


def test_checksum_is_of_the_content_not_of_the_container(tmp_path: Path) -> None:
    write_idx(tmp_path, suffix=".gz")
    checksum = load(tmp_path, normalize).sha256
    assert load(write_npz(tmp_path / "same.npz"), normalize).sha256 == checksum
    other = write_npz(tmp_path / "other.npz", y_test=np.zeros(10, np.int64))
    assert load(other, normalize).sha256 != checksum


def test_evaluation_needs_only_a_test_part(tmp_path: Path) -> None:
    write_idx(tmp_path)
    for name in IDX_NAMES[:2]:
        (tmp_path / name).unlink()
    np.testing.assert_array_equal(load_test(tmp_path, normalize).images, glyphs(10, seed=1)[0])
    with pytest.raises(NoInputError, match="train-images-idx3-ubyte"):
        load(tmp_path, normalize)


def test_npz_labels_may_be_of_any_integer_type(tmp_path: Path) -> None:
    part = load_test(write_npz(tmp_path / "a.npz", y_test=np.arange(10, dtype=np.int64)), normalize)
    assert part.labels.dtype == np.uint8
    assert part.labels.tolist() == list(range(10))


def test_labelled_folder_without_split_holds_out_a_fifth_of_each_digit(tmp_path: Path) -> None:
    write_labelled(tmp_path, per_digit=5)
    (tmp_path / "0" / ".DS_Store").write_bytes(b"no image")
    dataset = load(tmp_path, normalize)
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (40, 10)
    assert dataset.test.images[:, 0, 0].tolist() == [digit * 10 + 4 for digit in range(10)]
    assert dataset.test.labels.tolist() == list(range(10))


def test_labelled_folder_is_a_test_part_as_a_whole_unless_it_was_trained_on(tmp_path: Path) -> None:
    write_labelled(tmp_path, per_digit=5)
    assert len(load_test(tmp_path, normalize).labels) == 50
    assert len(load_test(tmp_path, normalize, trained_on=load(tmp_path, normalize).sha256).labels) == 10


def test_labelled_folder_with_train_and_test(tmp_path: Path) -> None:
    write_labelled(tmp_path / "train", per_digit=2)
    write_labelled(tmp_path / "test", per_digit=1)
    dataset = load(tmp_path, normalize)
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (20, 10)
    assert len(load_test(tmp_path, normalize).labels) == 10


def test_labelled_folder_too_small_to_split(tmp_path: Path) -> None:
    write_labelled(tmp_path, per_digit=2)
    with pytest.raises(NoInputError, match="test/"):
        load(tmp_path, normalize)


def test_image_that_is_none(tmp_path: Path) -> None:
    write_labelled(tmp_path, per_digit=5)
    for content in (b"", b"no image"):
        (tmp_path / "3" / "bad.png").write_bytes(content)
        with pytest.raises(UsageError, match=r"bad\.png is not an image"):
            load(tmp_path, normalize)


@pytest.mark.parametrize("path", ["empty", "absent"])
def test_nothing_found(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    for function in (load, load_test):
        with pytest.raises(NoInputError, match="no digits found"):
            function(tmp_path / path, normalize)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(idx(glyphs(20)[0])[:-1], id="cut off"),
        pytest.param(gzip.compress(idx(glyphs(20)[0]))[:-20], id="gzip cut off"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\0\0\x0d\x03" + bytes(12), id="floats"),
        pytest.param(b"\0\0\x08\x03\0\0", id="header cut off"),
        pytest.param(b"<html>not found</html>", id="no IDX"),
        pytest.param(idx(np.zeros((20, 16, 16), np.uint8)), id="other size"),
    ],
)
def test_damaged_idx(tmp_path: Path, damaged: bytes) -> None:
    write_idx(tmp_path)
    (tmp_path / IDX_NAMES[0]).write_bytes(damaged)
    with pytest.raises(UsageError, match=IDX_NAMES[0]) as raised:
        load(tmp_path, normalize)
    assert "\n" not in str(raised.value)


def test_idx_images_without_labels(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / IDX_NAMES[1]).unlink()
    with pytest.raises(NoInputError, match="train-labels-idx1-ubyte"):
        load(tmp_path, normalize)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"y_train": np.arange(19)}, id="fewer labels"),
        pytest.param({"y_train": np.full(20, 10)}, id="label 10"),
        pytest.param({"y_train": np.full(20, 0.5)}, id="float labels"),
        pytest.param({"x_train": np.zeros((20, 28, 28), np.float32)}, id="float images"),
        pytest.param({"x_train": np.array([{}], dtype=object)}, id="pickled"),
    ],
)
def test_malformed_npz(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"bad\.npz"):
        load(write_npz(tmp_path / "bad.npz", **changed), normalize)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 damaged", b"\x93NUMPY damaged"])
def test_file_that_is_no_npz(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(UsageError, match=r"bad\.npz"):
        load(tmp_path / "bad.npz", normalize)


def test_npy_file_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UsageError, match=r"one\.npy"):
        load(tmp_path / "one.npy", normalize)


def test_empty_npz_part(tmp_path: Path) -> None:
    empty = {"x_train": np.zeros((0, 28, 28), np.uint8), "y_train": np.zeros(0, np.uint8)}
    with pytest.raises(NoInputError, match="no digits"):
        load(write_npz(tmp_path / "empty.npz", **empty), normalize)


def test_default_data_without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(UsageError, match=r"digitscan\[train\]"):
        load(None, normalize)


def test_files_of_corrections_are_told_from_the_data_set() -> None:
    assert part_sources([]) == (None, [])
    paths = [Path("c.json"), Path("mnist"), Path("D.JSON")]
    assert part_sources(paths) == (Path("mnist"), [Path("c.json"), Path("D.JSON")])
    with pytest.raises(UsageError, match="two data sets"):
        part_sources([Path("mnist"), Path("digits.npz")])
