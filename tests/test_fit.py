from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_decode import SKIPPING, line, seen
from test_train import lesson

from digitscan import fit
from digitscan.decode import DIGIT_FEATURES, MARK_FEATURES, PAIR_FEATURES, PLAIN_WEIGHTS
from digitscan.fit import Known, fit_weights
from digitscan.schema import NOT_A_DIGIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitscan.schema import PathWeights


def known(count: int, sure: float = 0.6, mistaken: float = 0.2, *, frames: bool = True) -> Known:
    """Lines of which a classifier takes some digits for another one, and a line reader none."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("0123456789-"), rng.integers(1, 9))) for _ in range(count)]
    lattices, probabilities, labels = [], [], []
    for text in texts:
        lattice, beliefs = line(text, sure)
        truth = beliefs.argmax(axis=1)
        wrong = (rng.random(len(truth)) < mistaken) & (truth < NOT_A_DIGIT)
        beliefs[wrong] = np.roll(beliefs[wrong], 1, axis=1)
        lattices.append(lattice)
        probabilities.append(beliefs)
        labels.append(truth.astype(np.uint8))
    read = [seen(text) for text in texts] if frames else None
    return Known(lattices, np.concatenate(probabilities), np.concatenate(labels), read)


def problems(lines: Known) -> list[fit._Problem]:
    return fit._problems(fit._lines(lines))


def test_there_is_a_weight_for_every_feature() -> None:
    weights = fit_weights(known(12))
    counts = [len(part) for part in (weights.digit, weights.mark, weights.pair)]
    assert counts == [len(DIGIT_FEATURES), len(MARK_FEATURES), len(PAIR_FEATURES)]


@pytest.mark.parametrize("frames", [True, False])
def test_fitted_weights_make_right_readings_likelier(frames: bool) -> None:
    lines = known(60, frames=frames)
    before, after = (fit._likelihood(problems(lines), weights, 1.0) for weights in (PLAIN_WEIGHTS, fit_weights(lines)))
    assert after > before


def test_who_is_right_more_often_counts_more() -> None:
    """The classifier is wrong about every fifth digit, the line reader never."""
    weights = fit_weights(known(60))
    assert weights.digit[DIGIT_FEATURES.index("line_log_probability")] > weights.digit[0]


def test_the_gradient_is_that_of_the_likelihood() -> None:
    found = problems(known(20))
    weights = np.array([*PLAIN_WEIGHTS.digit, *PLAIN_WEIGHTS.mark, *PLAIN_WEIGHTS.pair])
    gradient = sum(fit._gradient(problem, fit._unpacked(weights)) for problem in found)
    for place in range(len(weights)):
        step = np.zeros_like(weights)
        step[place] = 1e-5
        more, less = (fit._likelihood(found, at(weights + sign * step), 1.0) for sign in (1, -1))
        assert gradient[place] == pytest.approx((more - less) / 2e-5, abs=1e-4)


def at(weights: np.ndarray) -> PathWeights:
    return fit._unpacked(weights)


def test_lines_without_a_right_path_do_not_count() -> None:
    lines = known(9)
    readings = lines.readings.copy()
    readings[: len(lines.lattices[0].edges)] = 11
    assert sum(len(problem.lattices) for problem in problems(lines._replace(readings=readings))) == 8


def letters(texts: list[str], right: list[str]) -> float:
    """What is fitted to lines that are read as `texts` and say `right`."""
    parts = [line(text, 0.9) for text in texts]
    lines = Known([lattice for lattice, _ in parts], np.concatenate([beliefs for _, beliefs in parts]), np.empty(0))
    return fit.fit_letters(lines, right, SKIPPING)


def test_digits_among_letters_are_doubted_as_far_as_they_are_wrong() -> None:
    texts = ["kk0k", "10k", "k0kk", "0kkk"]
    never = letters(texts, [""] * 4)
    sometimes = letters(texts, ["", "10", "0", ""])
    assert never < sometimes < 0
    assert letters(texts, ["0", "10", "0", "0"]) == 0


def test_letters_are_no_lesson_for_paths() -> None:
    plain, word = lesson("4711"), lesson("1234")
    lines = [plain] * 6 + [word._replace(text="I2E4")] * 6

    def classify(glyphs: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(glyphs), 12), 1 / 12, np.float32)

    fitted, alone = fit.fit_lines(lines, classify), fit.fit_lines(lines[:6], classify)
    assert (fitted.digit, fitted.mark, fitted.pair) == (alone.digit, alone.mark, alone.pair)


def test_groups_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = known(20)
    together = fit_weights(lines)
    monkeypatch.setattr(fit, "_GROUP", 3)
    np.testing.assert_allclose(fit_weights(lines).digit, together.digit, atol=1e-6)
