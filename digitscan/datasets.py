"""MNIST, IDX files, Keras' npz or folders of labelled images -> arrays of glyphs and labels."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import sys
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from digitscan.errors import DigitscanError, NoInputError, UsageError
from digitscan.schema import GLYPH_SIZE, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Normalizer = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

TEST_EVERY = 5
"""In a folder of labelled images without `test/`, every fifth image of a digit is a test image."""

_LAYOUTS = "the four MNIST IDX files, an .npz with x_train, y_train, x_test, y_test, or folders 0/ to 9/ with images"


_NPZ_ERRORS = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What np.load raises for files that aren't what they should be."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Digits to train on and to test on, each part at least one; `sha256` is that of all arrays' content."""

    train: Samples
    test: Samples
    source: str
    sha256: str


def part_sources(paths: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """The data set among the paths, None where there is none, and the files of corrections.

    Raises UsageError for more than one data set.
    """
    corrections = [path for path in paths if path.suffix.lower() == ".json"]
    sets = [path for path in paths if path not in corrections]
    if len(sets) > 1:
        raise UsageError(
            f"{sets[0]} and {sets[1]} are two data sets; train takes one, and files of corrections (.json)"
        )
    return (sets[0] if sets else None), corrections


def load(path: Path | None, normalize: Normalizer) -> Dataset:
    """Read a data set; None is the MNIST that Keras downloads.

    `normalize` fits a labelled image, uint8 (H, W) grey, into a glyph, uint8 (28, 28); the other layouts hold glyphs.
    A folder of labelled images may be split into `train/` and `test/`; else a fixed part of each digit is the test.
    Raises NoInputError where nothing is found and UsageError where something is malformed.
    """
    if path is None:
        return _dataset(*_keras_mnist(), source="keras.datasets.mnist")
    if path.is_file():
        return _dataset(_npz_part(path, "train"), _npz_part(path, "test"), source=path.name)
    if _holds_idx(path):
        return _dataset(_idx_part(path, "train"), _idx_part(path, "t10k"), source=path.name)
    if (path / "train").is_dir():
        train, test = (_labelled_part(path / name, normalize) for name in ("train", "test"))
        return _dataset(train, test, source=path.name)
    train, test = _split(_labelled_part(path, normalize))
    if not len(test.labels):
        raise NoInputError(
            f"{path}: fewer than {TEST_EVERY} images of each digit; put some to test with into {path}/test/"
        )
    return _dataset(train, test, source=path.name)


def load_test(path: Path | None, normalize: Normalizer, trained_on: str | None = None) -> Samples:
    """Read the test part alone; arguments and errors as for `load`, but a training part may be absent.

    A folder of labelled images without `test/` is a test part as a whole, unless the model in question was trained
    on it (`trained_on` is the `sha256` of that model's data): then only what was held out counts.
    """
    if path is None:
        return _keras_mnist()[1]
    if path.is_file():
        return _npz_part(path, "test")
    if _holds_idx(path):
        return _idx_part(path, "t10k")
    if (path / "test").is_dir():
        return _labelled_part(path / "test", normalize)
    whole = _labelled_part(path, normalize)
    train, test = _split(whole)
    return test if _checksum(train, test) == trained_on else whole


def load_bitmaps(path: Path) -> Samples:
    """Pictures of digits of any square size: `images` uint8 (N, S, S), ink 255 on 0, and `labels` (N,) of an .npz."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, labels = archive["images"], archive["labels"]
    except _NPZ_ERRORS as error:
        raise UsageError(f"{path} is not an .npz with images and labels") from error
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[:1] != labels.shape or labels.max(initial=0) > 9:
        raise UsageError(f"{path}: images are {images.dtype} {images.shape}, not uint8 (N, S, S) with N labels 0 to 9")
    return Samples(images, labels.astype(np.uint8))


def _dataset(train: Samples, test: Samples, source: str) -> Dataset:
    return Dataset(train, test, source=source, sha256=_checksum(train, test))


def _checksum(train: Samples, test: Samples) -> str:
    digest = hashlib.sha256()
    for array in (*train, *test):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _part(images: NDArray[Any], labels: NDArray[Any], file: Path) -> Samples:
    """Check what was read from `file`."""
    if images.dtype != np.uint8 or images.shape[1:] != (GLYPH_SIZE, GLYPH_SIZE):
        raise UsageError(f"{file}: images are {images.dtype} {images.shape}, not uint8 (N, {GLYPH_SIZE}, {GLYPH_SIZE})")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise UsageError(f"{file}: {len(images)} images need as many integer labels, not {labels.dtype} {labels.shape}")
    if not len(images):
        raise NoInputError(f"{file}: no digits in it; name a data set with --data")
    if labels.min() < 0 or labels.max() > 9:
        raise UsageError(f"{file}: labels go from {labels.min()} to {labels.max()}, not from 0 to 9")
    return Samples(images, labels.astype(np.uint8))


def _keras_mnist() -> tuple[Samples, Samples]:
    try:
        import keras
    except ImportError as error:
        raise UsageError(
            "MNIST comes from Keras: pip install 'digitscan[train]', or name the data with --data"
        ) from error
    try:
        # Keras draws its progress on stdout, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            train, test = keras.datasets.mnist.load_data()
    except Exception as error:
        # Keras raises a bare Exception when a download fails; everything else has a name and is a fault.
        if type(error) is not Exception and not isinstance(error, OSError):
            raise
        raise DigitscanError("can't download MNIST; name a folder with its four files with --data") from error
    return Samples(*train), Samples(*test)


def _npz_part(path: Path, name: str) -> Samples:
    """Part `name` (`train` or `test`) of an archive as `keras.datasets.mnist` has it."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _part(archive[f"x_{name}"], archive[f"y_{name}"], path)
    except _NPZ_ERRORS as error:
        raise UsageError(f"{path} is not an .npz with x_{name} and y_{name}; --data takes {_LAYOUTS}") from error


def _idx_file(folder: Path, part: str, kind: str) -> Path | None:
    """The file of `part` (`train`, `t10k`) and `kind` (`images-idx3`, `labels-idx1`) in any of its spellings."""
    stems = (f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.')}-ubyte")
    candidates = (folder / f"{stem}{suffix}" for stem in stems for suffix in ("", ".gz"))
    return next((file for file in candidates if file.is_file()), None)


def _holds_idx(folder: Path) -> bool:
    return any(_idx_file(folder, part, "images-idx3") for part in ("train", "t10k"))


def _idx_part(folder: Path, part: str) -> Samples:
    images, labels = (_idx_file(folder, part, kind) for kind in ("images-idx3", "labels-idx1"))
    if images is None or labels is None:
        missing = "images-idx3" if images is None else "labels-idx1"
        raise NoInputError(f"{folder}: {part}-{missing}-ubyte (or .gz) is missing; put it beside the others")
    return _part(_read_idx(images), _read_idx(labels), images)


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Array in the IDX format of http://yann.lecun.com/exdb/mnist/: 0, 0, 8 (bytes), rank, big-endian sizes, data."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} can't be read ({error}); download it again") from error
    rank = content[3] if content.startswith(b"\0\0\x08") and len(content) > 3 else 0
    start = 4 + 4 * rank
    if not rank or len(content) < start:
        raise UsageError(f"{path} is not an IDX file of bytes; download it again")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", rank, 4))
    if len(content) - start != int(np.prod(shape, dtype=np.int64)):
        raise UsageError(f"{path} holds {len(content) - start} bytes, not {shape}: it is cut off; download it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _labelled_part(folder: Path, normalize: Normalizer) -> Samples:
    """Images in the folders `0/` to `9/`, sorted by label and name; hidden files are passed over."""
    files = [
        (file, digit)
        for digit in range(10)
        if (folder / str(digit)).is_dir()
        for file in sorted((folder / str(digit)).iterdir())
        if file.is_file() and not file.name.startswith(".")
    ]
    if not files:
        raise NoInputError(f"{folder}: no digits found; --data takes {_LAYOUTS}")
    images = np.stack([normalize(_read_grey(file)) for file, _ in files])
    return _part(images, np.array([digit for _, digit in files], np.uint8), folder)


def _read_grey(file: Path) -> NDArray[np.uint8]:
    import cv2

    content = np.frombuffer(file.read_bytes(), np.uint8)
    # Decoded from memory: on Windows cv2.imread takes no names beyond the local code page.
    grey = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    if grey is None:
        raise UsageError(f"{file} is not an image that OpenCV reads; take it out or convert it to PNG")
    return np.asarray(grey, np.uint8)


def _split(whole: Samples) -> tuple[Samples, Samples]:
    """Every fifth image of each digit is for the test, the same ones in every run."""
    rank = np.zeros(len(whole.labels), np.int64)
    for digit in range(10):
        rank[whole.labels == digit] = np.arange(np.count_nonzero(whole.labels == digit))
    test = rank % TEST_EVERY == TEST_EVERY - 1
    return whole.take(~test), whole.take(test)
