"""Numbers encoded by rank and in bins."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekeeper.artefact import Encoder, NumericColumn
from storekeeper.errors import DataError

Floats = npt.NDArray[np.float64]

NUMBERS = st.floats(-1e9, 1e9)
CORNERS = st.lists(NUMBERS, min_size=2, max_size=12).map(
    lambda values: tuple(x for x, gap in zip(sorted(values), np.diff([-2e9, *sorted(values)]), strict=True) if gap > 0)
)


def encode(column: NumericColumn, values: list[float | None]) -> npt.NDArray[np.float32]:
    return Encoder((column,)).transform({column.name: values})


def bins_by_formula(value: float | None, corners: tuple[float, ...]) -> list[float]:
    """The paper's formula, one value and one bin at a time, with closed ends."""
    shares = []
    for lower, upper in pairwise(corners):
        if value is None or value <= lower:
            shares.append(0.0)
        elif value >= upper:
            shares.append(1.0)
        else:
            shares.append((value - lower) / (upper - lower))
    return shares


def line_by_formula(value: float, corners: tuple[float, ...], scores: tuple[float, ...]) -> float:
    """A broken line, one value at a time."""
    if value <= corners[0]:
        return scores[0]
    for at in range(1, len(corners)):
        if value <= corners[at]:
            share = (value - corners[at - 1]) / (corners[at] - corners[at - 1])
            return scores[at - 1] + share * (scores[at] - scores[at - 1])
    return scores[-1]


@given(corners=CORNERS.filter(lambda c: len(c) > 1 and min(np.diff(c)) > 1e-6), values=st.lists(st.none() | NUMBERS))
def test_bins_are_the_papers(corners: tuple[float, ...], values: list[float | None]) -> None:
    """Each bin holds its share below the value, in [0, 1], as the formula says; null holds nothing."""
    matrix = encode(NumericColumn("x", "piecewise_linear", corners=corners), values)
    assert matrix.shape == (len(values), len(corners) - 1)
    expected = np.array([bins_by_formula(value, corners) for value in values]).reshape(matrix.shape)
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-6)


@given(corners=CORNERS.filter(lambda c: len(c) > 1 and min(np.diff(c)) > 1e-6), values=st.lists(NUMBERS, min_size=1))
def test_scores_follow_the_line(corners: tuple[float, ...], values: list[float]) -> None:
    """A quantile column is the broken line through its corners, level beyond them, and keeps the order of values."""
    scores = tuple(float(score) for score in np.linspace(-2, 3, len(corners)))
    matrix = encode(NumericColumn("x", "quantile", corners=corners, scores=scores), [*values])
    expected = [line_by_formula(value, corners, scores) for value in values]
    np.testing.assert_allclose(matrix[:, 0], expected, rtol=0, atol=1e-4)
    assert (np.diff(matrix[np.argsort(values, kind="stable"), 0]) >= 0).all()


@given(value=st.floats(allow_nan=False, allow_infinity=False), step=st.sampled_from([1e-280, 1e-3, 1e300]))
def test_no_value_is_too_far_and_no_bin_too_narrow(value: float, step: float) -> None:
    """Any number beside bins of any width gives finite outputs, and no warning on the way."""
    bins = encode(NumericColumn("x", "piecewise_linear", corners=(0.0, step, 2 * step)), [value])
    score = encode(NumericColumn("x", "quantile", corners=(0.0, step), scores=(-1.0, 1.0)), [value])
    assert ((bins >= 0) & (bins <= 1)).all()
    assert -1 <= score[0, 0] <= 1


def test_nulls_are_filled_and_marked_by_each_kind() -> None:
    """Null is the fill of a quantile column and no share of any bin; the indicator tells it from the lowest value."""
    quantile = NumericColumn("x", "quantile", fill=0.5, indicator=True, corners=(1.0, 2.0), scores=(-1.0, 1.0))
    np.testing.assert_array_equal(encode(quantile, [1.0, None, np.nan]), [[-1, 0], [0.5, 1], [0.5, 1]])
    bins = NumericColumn("x", "piecewise_linear", indicator=True, corners=(1.0, 2.0))
    np.testing.assert_array_equal(encode(bins, [1.0, None, 9.0]), [[0, 0], [0, 1], [1, 0]])


def test_logarithm_comes_first() -> None:
    """Corners are in the scale of the logarithm where one is taken."""
    column = NumericColumn("x", "piecewise_linear", log1p=True, corners=(0.0, 2.0))
    np.testing.assert_allclose(encode(column, [np.e - 1]), [[0.5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("corners", "scores", "kind"),
    [
        ((), (), "quantile"),
        ((1.0, 2.0), (0.0,), "quantile"),
        ((2.0, 1.0), (0.0, 1.0), "quantile"),
        ((1.0, 2.0), (1.0, 0.0), "quantile"),
        ((1.0,), (), "piecewise_linear"),
        ((1.0, 1.0), (), "piecewise_linear"),
        ((1.0, float("inf")), (), "piecewise_linear"),
        ((1.0, 2.0), (0.0, 1.0), "piecewise_linear"),
    ],
)
def test_lines_that_are_none_are_refused(corners: tuple[float, ...], scores: tuple[float, ...], kind: str) -> None:
    """Corners that are too few, don't ascend or aren't finite, and scores that don't fit, are refused by name."""
    with pytest.raises(DataError, match="'height'"):
        NumericColumn("height", kind, corners=corners, scores=scores)  # type: ignore[arg-type]
