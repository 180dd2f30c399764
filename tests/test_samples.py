"""`sample_images/`: its truth, its README, and the tool that makes it."""

import csv
import gzip
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_images"
DAMAGED = "damaged.jpg"


def read_truth(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["lines"] for row in csv.DictReader(file)}


def sample_files() -> Iterator[str]:
    for path in sorted(SAMPLES.rglob("*")):
        name = path.relative_to(SAMPLES).as_posix()
        if path.is_file() and path.suffix not in {".csv", ".md"} and not name.startswith("single/"):
            yield name


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "tools" / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The single digits among the samples as IDX files: a small MNIST."""
    paths = sorted((SAMPLES / "single").glob("*/*.png"))
    images = np.stack([np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8) for path in paths])
    labels = np.array([int(path.parent.name) for path in paths], np.uint8)
    folder = tmp_path_factory.mktemp("mnist")
    for name, data in (("images-idx3", images), ("labels-idx1", labels)):
        head = bytes([0, 0, 8, data.ndim]) + np.array(data.shape, ">u4").tobytes()
        (folder / f"t10k-{name}-ubyte.gz").write_bytes(gzip.compress(head + data.tobytes()))
    return folder


def test_every_sample_has_its_truth() -> None:
    assert set(read_truth(SAMPLES / "truth.csv")) == set(sample_files()) - {DAMAGED}


def test_truth_is_digits_in_lines() -> None:
    for lines in read_truth(SAMPLES / "truth.csv").values():
        for line in filter(None, lines.replace("||", "|").split("|")):
            assert all(number.isdecimal() for number in line.split(" "))


def test_readme_tells_where_every_sample_comes_from() -> None:
    text = (SAMPLES / "README.md").read_text("utf-8")
    assert [name for name in sample_files() if f"| `{name}` |" not in text] == []


def test_single_digits_are_ten_a_class() -> None:
    assert [len(list((SAMPLES / "single" / str(label)).glob("*.png"))) for label in range(10)] == [10] * 10


def test_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 6_000_000


def test_tool_makes_the_same_truth_and_files(
    tool: ModuleType, mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One page of each kind of file; the digits to choose from are others, what is written is the same.
    names = ["boxed-form.png", "cheque-amounts.jpg", "plain-list.jpg", "three-pages.tiff", "two-pages.pdf"]
    monkeypatch.setattr(tool, "PAGES", {name: tool.PAGES[name] for name in names})
    for folder in ("first", "second"):
        tool.make(tmp_path / folder, tool.Mnist.load(mnist))
    truth = read_truth(SAMPLES / "truth.csv")
    assert read_truth(tmp_path / "first" / "truth.csv").items() <= truth.items()
    for name in [*names, DAMAGED]:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
