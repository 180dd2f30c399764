"""The benchmarks run, on little; what other readers need isn't installed for this."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
from writing import SAMPLES, write_page

from digitscan.corrections import load_digits

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "models" / "digits.tflite").is_file(), reason="models/digits.tflite isn't there: it is trained first"
)


@pytest.fixture
def strips(tmp_path: Path) -> tuple[str, str]:
    """The truth of three strips, and their folder."""
    texts = ("31415", "926", "5358")
    for text in texts:
        assert cv2.imwrite(str(tmp_path / f"{text}.png"), write_page([text]).pixels)
    with (tmp_path / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "lines"), *((f"{text}.png", text) for text in texts)])
    return str(tmp_path / "truth.csv"), str(tmp_path)


def run(script: str, *arguments: str, folder: Path) -> Any:
    """What a benchmark writes with `--json`."""
    result = folder / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments, "--json", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(result.read_text("utf-8"))


def test_peers(strips: tuple[str, str], tmp_path: Path) -> None:
    found = run("peers.py", *strips, "--reader", "digitscan", folder=tmp_path)["digitscan"]
    assert [found[part]["amounts"]["whole"] for part in ("all", "even", "odd")] == [3, 2, 1]
    assert found["all"]["digits"]["whole"] == 12
    assert found["read"].keys() == {"31415.png", "926.png", "5358.png"}


def test_peers_on_one_half(strips: tuple[str, str], tmp_path: Path) -> None:
    found = run("peers.py", *strips, "--reader", "digitscan", "--half", "odd", folder=tmp_path)["digitscan"]
    assert "all" not in found
    assert found["read"].keys() == {"5358.png"}


def test_peers_on_whole_pages(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "page.png"), write_page(["314 159", "26535"]).pixels)
    truth = tmp_path / "truth.csv"
    truth.write_text("file,lines\npage.png,314 159|26535\n", "utf-8")
    found = run("peers.py", str(truth), str(tmp_path), "--layout", "page", "--reader", "digitscan", folder=tmp_path)
    assert found["digitscan"]["all"]["digits"]["whole"] == 11
    assert found["digitscan"]["start"] > found["digitscan"]["seconds"] == 0


def test_speed(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    found = run("speed.py", "--part", "start", "--pages", "1", "--output", str(results), folder=tmp_path)
    (names, *rows) = found["Start"]
    assert [row[0] for row in rows] == [
        "`digitscan classify one.png`",
        "the same with `-o report.csv`",
        "`digitscan classify --help`",
    ]
    assert all(float(row[names.index("ratio")]) > 1 for row in rows)
    assert "| from a cold start |" in results.read_text("utf-8")


def test_wrong_labels_are_corrected(strips: tuple[str, str], tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,lines\n926.png,926,1\nother.png,2,3\n", "utf-8")
    found = run("peers.py", *strips, "--reader", "digitscan", "--corrected", str(labels), folder=tmp_path)
    assert [found["digitscan"]["all"]["amounts"][part] for part in ("part", "whole")] == [2, 3]


def test_doubtful_amounts_are_corrected(strips: tuple[str, str], tmp_path: Path) -> None:
    Path(strips[0]).write_text(Path(strips[0]).read_text("utf-8").replace(",31415", ",71415"), "utf-8")
    found = run("correct.py", *strips, "--min-confidence", "1", folder=tmp_path)
    made = {entry["file"]: entry["corrected"] for entry in found["corrections"]}
    assert made == {"31415.png": "71415", "926.png": "926", "5358.png": "5358"}
    assert sum(map(len, load_digits([tmp_path / "result.json"] * 2).training)) > 0


def test_pages(tmp_path: Path) -> None:
    found = run("pages.py", "--data", str(SAMPLES / "single"), "--count", "1", folder=tmp_path)
    assert len(found) == 9
    assert found["postal code"]["read"]["whole"] == 1
    assert found["scores, in pencil"]["read"]["share"] > 0.5


def test_touching(tmp_path: Path) -> None:
    found = run("touching.py", "--data", str(SAMPLES / "single"), "--count", "2", folder=tmp_path)
    assert found.keys() == {"pairs", "triples", "zeros"}
    assert [found["pairs"][part]["whole"] for part in ("apart", "touch0", "touch4", "touch")] == [2, 2, 2, 10]


def test_touching_pictures_are_the_same_in_every_run(tmp_path: Path) -> None:
    for name in ("first", "second"):
        keep = str(tmp_path / name)
        run("touching.py", "--data", str(SAMPLES / "single"), "--count", "1", "--keep", keep, folder=tmp_path)
    files = [path.name for path in sorted((tmp_path / "first").iterdir())]
    assert "truth.csv" in files
    assert len(files) == 3 * 6 + 1
    assert all((tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes() for name in files)


def test_ablation(strips: tuple[str, str], tmp_path: Path) -> None:
    found = run("ablation.py", *strips, folder=tmp_path)
    whole = run("peers.py", *strips, "--reader", "digitscan", folder=tmp_path)["digitscan"]["all"]
    names = list(found)
    assert (names[0], names[-1]) == ("connected components only", "+ line reader")
    assert {name: found[names[-1]][name] for name in whole} == whole
