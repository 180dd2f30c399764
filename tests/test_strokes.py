from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitscan.errors import UsageError
from digitscan.strokes import Patch, Pen, Shape, StrokeSet, bend, draw, render, trimmed

if TYPE_CHECKING:
    from types import ModuleType

ONE = [[(500, 1000), (500, 0)]]
SEVEN = [[(0, 1000), (600, 1000), (200, 0)], [(100, 500), (500, 500)]]
ZERO = [[(round(300 + 300 * np.sin(a)), round(500 + 500 * np.cos(a))) for a in np.linspace(0, 6.28, 24)]]

Drawing = list[list[tuple[int, int]]]


def arrays_of(samples: list[tuple[str, str, Drawing]]) -> dict[str, np.ndarray]:
    """Arrays of a stroke file from (label, writer, strokes)."""
    strokes = [stroke for _, _, drawing in samples for stroke in drawing]
    names, writers = np.unique([writer for _, writer, _ in samples], return_inverse=True)
    return {
        "points": np.concatenate([np.array(stroke, dtype=np.int16) for stroke in strokes]),
        "stroke_offsets": np.cumsum([0, *(len(stroke) for stroke in strokes)]).astype(np.int32),
        "sample_offsets": np.cumsum([0, *(len(drawing) for _, _, drawing in samples)]).astype(np.int32),
        "labels": np.array([label for label, _, _ in samples]),
        "writers": writers.astype(np.int32),
        "writer_names": names,
    }


def written(path: Path, samples: list[tuple[str, str, Drawing]]) -> StrokeSet:
    np.savez(path, **arrays_of(samples))
    return StrokeSet.load(path)


def test_strokes_come_back_with_y_down(tmp_path: Path) -> None:
    strokes = written(tmp_path / "a.npz", [("1", "x/1", ONE), ("7", "x/2", SEVEN)])
    assert len(strokes) == 2
    assert [len(part) for part in strokes.strokes(1)] == [3, 2]
    assert np.allclose(strokes.strokes(0)[0], [(0.5, -1.0), (0.5, 0.0)])
    assert strokes.by_writer[(1, "7")] == [1]


@pytest.mark.parametrize("broken", ["missing", "text", "no labels", "offsets", "writers", "kind", "pickle"])
def test_a_bad_file_is_one_line(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "bad.npz"
    arrays = arrays_of([("1", "x/1", ONE), ("7", "x/2", SEVEN)])
    if broken == "no labels":
        del arrays["labels"]
    elif broken == "offsets":
        arrays["stroke_offsets"][-1] += 1
    elif broken == "writers":
        arrays["writers"][0] = 9
    elif broken == "kind":
        arrays["points"] = arrays["points"].astype(np.float32)
    elif broken == "pickle":
        arrays["labels"] = np.array(["1", 7], dtype=object)
    if broken == "text":
        path.write_text("not an archive")
    elif broken != "missing":
        np.savez(path, **arrays)
    with pytest.raises(UsageError, match=r"bad\.npz") as caught:
        StrokeSet.load(path)
    assert "\n" not in str(caught.value)


def test_merged_sets_share_writers_of_the_same_name(tmp_path: Path) -> None:
    first = written(tmp_path / "a.npz", [("1", "x/1", ONE), ("7", "x/2", SEVEN)])
    second = written(tmp_path / "b.npz", [("0", "w/0", ZERO), ("1", "x/2", ONE)])
    both = StrokeSet.merged([first.select(np.array([1])), second])
    assert both.labels.tolist() == ["7", "0", "1"]
    assert [both.writer_names[writer] for writer in both.writers] == ["x/2", "w/0", "x/2"]
    assert np.array_equal(both.strokes(1)[0], second.strokes(0)[0])


def test_split_by_writer_keeps_writers_apart(tmp_path: Path) -> None:
    samples = [(str(n % 2), f"{'abc'[n % 3]}/{n // 4}", ONE) for n in range(240)]
    strokes = written(tmp_path / "a.npz", samples)
    first, second = strokes.split_by_writer(0.25, seed=3)
    assert not set(first.writers) & set(second.writers)
    assert len(first) + len(second) == len(strokes)
    assert 0.15 < len(first) / len(strokes) < 0.35
    assert np.array_equal(first.chosen, strokes.split_by_writer(0.25, seed=3)[0].chosen)


def test_weeding_drops_wrong_labels_and_bare_lines(tmp_path: Path) -> None:
    good = [(label, f"x/{n}", shape) for n in range(20) for label, shape in (("1", ONE), ("7", SEVEN), ("0", ZERO))]
    wrong = [("7", "x/3", ZERO), ("0", "x/4", ONE), ("0", "x/5", [[(3, 3)]])]
    strokes = written(tmp_path / "a.npz", good + wrong)
    assert strokes.weeded().chosen.tolist() == list(range(len(good)))


@settings(max_examples=60, deadline=None)
@given(
    size=st.floats(8, 150),
    width=st.floats(0.05, 0.2),
    slant=st.floats(-0.5, 0.5),
    rotation=st.floats(-0.2, 0.2),
    seed=st.integers(0, 99),
)
def test_render_is_tight_inked_and_repeatable(
    size: float, width: float, slant: float, rotation: float, seed: int
) -> None:
    strokes = [np.array(stroke, dtype=np.float32) * [0.001, -0.001] for stroke in SEVEN]
    pen, shape = Pen(size * width, swell=0.3, drift=0.1, taper=0.3), Shape(slant, rotation, 1.0, 0.02)
    first = render(strokes, size, pen, shape, np.random.default_rng(seed))
    again = render(strokes, size, pen, shape, np.random.default_rng(seed))
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert all(edge.any() for edge in (first[0], first[-1], first[:, 0], first[:, -1]))
    assert 0.7 * size < first.shape[0] < 1.5 * size + 4


def test_a_line_is_as_wide_as_the_pen() -> None:
    path = np.array([[0, 50], [400, 50]], dtype=np.float32)
    for width in (0.8, 1.5, 3.0, 9.0):
        patch = draw([path], Pen(width, swell=0, drift=0), np.random.default_rng(0))
        middle = patch.alpha[:, 100:300].astype(float)
        assert middle.sum() / 255 / 200 == pytest.approx(width, abs=max(0.3, 0.06 * width))
        centre = (middle.sum(axis=1) * (np.arange(len(middle)) + 0.5)).sum() / middle.sum() + patch.y
        assert centre == pytest.approx(50, abs=0.3)


def test_a_dot_is_drawn() -> None:
    dot = np.array([[5.0, 5.0]], dtype=np.float32)
    assert draw([dot], Pen(4.0), np.random.default_rng(0)).alpha.max() == 255


def test_bending_keeps_unit_size_without_wobble() -> None:
    strokes = [np.array(stroke, dtype=np.float32) * [0.001, -0.001] for stroke in ZERO]
    bent = np.concatenate(bend(strokes, Shape(), np.random.default_rng(0)))
    assert np.allclose(np.ptp(bent, axis=0), np.ptp(np.concatenate(strokes), axis=0), atol=0.05)


def test_trimmed_keeps_the_place() -> None:
    alpha = np.zeros((9, 9), dtype=np.uint8)
    alpha[3:5, 6] = 7
    patch = trimmed(Patch(alpha, 10, 20))
    assert (patch.x, patch.y, patch.alpha.shape) == (16, 23, (2, 1))


def importer() -> ModuleType:
    path = Path(__file__).parent.parent / "tools" / "import_unipen.py"
    spec = importlib.util.spec_from_file_location("import_unipen", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_importer_writes_what_the_reader_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "1a" / "who").mkdir(parents=True)
    (tmp_path / "include" / "who").mkdir(parents=True)
    (tmp_path / "data" / "1a" / "who" / "one.dat").write_text(
        ".VERSION 1.0\n.INCLUDE who/about.doc\n.INCLUDE who/points.dat\n"
        '.SEGMENT CHARACTER 1-3 OK "4"\n.SEGMENT CHARACTER 4 ? "1"\n.SEGMENT CHARACTER 77-78 OK "9"\n'
    )
    (tmp_path / "include" / "who" / "about.doc").write_text(".COORD T X Y\n.COMMENT\n  1 2 3\n")
    (tmp_path / "include" / "who" / "points.dat").write_text(
        ".PEN_DOWN\n9 0 0\n.PEN_UP\n"
        ".PEN_DOWN\n1 10 50\n2 10 50\n3 10 30\n4 40 30\n.PEN_UP\n5 20 40\n.PEN_DOWN\n6 30 40\n7 30 0\n.DT 100\n"
        ".PEN_DOWN\n8 5 105\n9 5 5\n"
    )
    output = tmp_path / "out.npz"
    monkeypatch.setattr("sys.argv", ["import_unipen.py", str(tmp_path), "1a", str(output)])
    assert importer().main() == 0
    strokes = StrokeSet.load(output)
    assert strokes.labels.tolist() == ["4", "1"]
    assert strokes.writer_names.tolist() == ["who/one.dat"]
    expected = [[(0.0, -1.0), (0.0, -0.6), (0.6, -0.6)], [(0.4, -0.8), (0.4, 0.0)]]
    assert all(np.allclose(got, want) for got, want in zip(strokes.strokes(0), expected, strict=True))
