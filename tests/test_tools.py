"""The scripts that make training data from public sources."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from digitscan.datasets import load_bitmaps


def run_tool(name: str, *arguments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[1] / "tools" / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
    module.main()


def test_optdigits_become_bitmaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bitmaps = np.random.default_rng(1).integers(0, 2, (3, 32, 32))
    blocks = ["\n".join("".join(map(str, row)) for row in bitmap) for bitmap in bitmaps]
    text = "entwidth 32\n" + "".join(f"{block}\n {label}\n" for block, label in zip(blocks, (4, 0, 9), strict=True))
    source, output = tmp_path / "optdigits-orig.tra", tmp_path / "digits.npz"
    source.write_text(text, "ascii")
    run_tool("import_optdigits.py", source, output, monkeypatch=monkeypatch)
    read = load_bitmaps(output)
    np.testing.assert_array_equal(read.images, bitmaps * 255)
    assert read.labels.tolist() == [4, 0, 9]


def test_a_file_without_bitmaps_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "other.txt"
    source.write_text("0101\n", "ascii")
    with pytest.raises(SystemExit, match="2"):
        run_tool("import_optdigits.py", source, tmp_path / "x.npz", monkeypatch=monkeypatch)
    assert "no bitmaps" in capsys.readouterr().err


def test_damaged_files_are_survived() -> None:
    """The short version; `tools/fuzz.py` says how to run the long one."""
    tool = Path(__file__).parents[1] / "tools" / "fuzz.py"
    done = subprocess.run([sys.executable, tool, "--count", "300"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "300 files from 0 on: 0 findings\n", "")
