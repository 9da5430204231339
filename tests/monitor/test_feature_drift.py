"""One feature's served values against its training values: bins, nulls, kinds, and what can't be compared."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekeeper.errors import SettingError
from storekeeper.monitor.bins import QuantileBins, ValueBins, choose_bins
from storekeeper.monitor.drift import FeatureDrift, compare_feature
from storekeeper.monitor.limits import Limits

LIMITS = Limits(min_vectors=1)


def compare(training: Any, served: Any, limits: Limits = LIMITS, type_: pa.DataType | None = None) -> FeatureDrift:
    """Compare two columns of Python values or arrays."""
    columns = [pa.chunked_array([pa.array(values, type_, from_pandas=False)]) for values in (training, served)]
    return compare_feature("lines_7d", *columns, limits)


def normal(shift: float = 0.0, rows: int = 4000, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, rows)


@pytest.mark.parametrize(
    "values",
    [normal(), [1, 1, 2, None, 5] * 60, ["a", "b", None, "b"] * 60, [True, False, False, None] * 60, [5.0] * 300],
    ids=["floats", "ints", "text", "booleans", "constant"],
)
def test_identical_samples(values: Any) -> None:
    """A sample against itself: PSI 0, KS 0 for numbers, the same nulls, and nothing to report."""
    found = compare(values, values)
    assert found.psi == 0.0
    assert found.ks in {0.0, None}
    assert (found.status, found.note, found.training_nulls) == ("ok", "", found.served_nulls)


@given(st.integers(0, 50))
def test_a_greater_shift_gives_more(seed: int) -> None:
    """The further the served values are moved, the greater are PSI and KS."""
    steps = [compare(normal(seed=seed), normal(shift, seed=seed + 1)) for shift in (0.0, 0.4, 0.9, 2.0)]
    indexes, statistics = ([getattr(step, name) for step in steps] for name in ("psi", "ks"))
    assert indexes == sorted(indexes)
    assert statistics == sorted(statistics)
    assert [steps[0].status, steps[-1].status] == ["ok", "alert"]


def test_deciles_by_hand() -> None:
    """Of 1 to 100 each decile holds ten; served values above 90 alone give what the formula says by hand."""
    found = compare(list(range(1, 101)), list(range(91, 101)))
    assert found.distribution is not None
    assert found.distribution.training.tolist() == [0.1] * 10 + [0.0]
    by_hand = 9 * (0.1 - 1e-4) * np.log(0.1 / 1e-4) + 0.9 * np.log(10)
    assert found.psi == pytest.approx(by_hand, rel=1e-9)
    assert found.ks == pytest.approx(0.9)


def test_bins_of_many_ties() -> None:
    """Deciles that fall together are one bin, and each bin ends with a value that was seen."""
    bins = choose_bins(pa.array([0.0] * 60 + [float(n) for n in range(1, 41)]))
    assert isinstance(bins, QuantileBins)
    assert bins.edges.tolist() == [0.0, 10.0, 20.0, 30.0]
    assert bins.count(pa.array([-1.0, 0.0, 0.5, 10.0, 31.0])).tolist() == [2, 2, 0, 0, 1]


def test_infinite_numbers_have_bins() -> None:
    """Infinities are numbers like others: they are counted, and edges stay edges."""
    values = [*map(float, range(50)), float("inf"), float("-inf")]
    found = compare(values, values)
    assert (found.psi, found.ks) == (0.0, 0.0)


def test_rare_categories_share_a_bin() -> None:
    """The 20 most frequent categories have bins of their own, equally frequent ones in the order of the alphabet."""
    names = [f"c{number:02}" for number in range(30)]
    bins = choose_bins(pa.array([*names, "c29"]))
    assert isinstance(bins, ValueBins)
    assert bins.values.to_pylist() == ["c29", *names[:19]]
    assert bins.count(pa.array(["c29", "c28", "new"])).tolist() == [1, *[0] * 19, 2]


def test_a_new_category_is_drift() -> None:
    """A category that training never saw raises the index."""
    found = compare(["a", "b"] * 200, ["a", "b", "new", "new"] * 100)
    assert found.status == "alert"
    assert found.distribution is not None
    assert dict(zip(found.distribution.labels, found.distribution.served.tolist(), strict=True))["other"] == 0.5


@pytest.mark.parametrize("served", [4.0, 6.0])
def test_a_constant_that_moves_is_drift(served: float) -> None:
    """A feature that was constant in training and is another constant now is an alert, whichever way it moved."""
    found = compare([5.0] * 300, [served] * 300)
    assert (found.status, found.ks) == ("alert", 1.0)


def test_more_nulls_are_drift() -> None:
    """Nulls are a bin: a feature that goes missing is an alert although its other values are the same."""
    values = list(range(100))
    found = compare(values * 4, [*values, *[None] * 100])
    assert (found.training_nulls, found.served_nulls) == (0.0, 0.5)
    assert (found.status, found.ks) == ("alert", pytest.approx(0.0))


def test_nan_is_null() -> None:
    """NaN and null are the same: what is missing."""
    found = compare([1.0, 2.0, float("nan"), None] * 50, [1.0, 2.0, None, None] * 50)
    assert (found.training_nulls, found.served_nulls, found.psi) == (0.5, 0.5, 0.0)


@pytest.mark.parametrize("type_", [pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.null()])
def test_all_null(type_: pa.DataType) -> None:
    """A column of nothing on both sides is no drift and says so; on one side it is an alert."""
    nothing = compare([None] * 200, [None] * 200, type_=type_)
    assert (nothing.status, nothing.psi, nothing.ks) == ("ok", 0.0, None)
    assert nothing.note == "always null in training and when served"
    if not pa.types.is_null(type_):
        some = pa.array([1, 0] * 100).cast(type_)
        gone = compare(some, pa.nulls(200, type_))
        assert (gone.status, gone.served_nulls, gone.note) == ("alert", 1.0, "always null when served")
        assert compare(pa.nulls(200, type_), some).status == "alert"


def test_all_null_without_a_type() -> None:
    """A served column whose type can't be known, for all of it is null, is compared with whatever training has."""
    found = compare_feature("age", pa.chunked_array([[1.0, 2.0]]), pa.chunked_array([pa.nulls(200)]), LIMITS)
    assert (found.status, found.served_nulls) == ("alert", 1.0)


def test_not_in_the_training_set() -> None:
    """A feature that training never had can't be compared, but its nulls are told."""
    found = compare_feature("new", None, pa.chunked_array([[1.0, None]]), LIMITS)
    assert (found.status, found.note, found.served_nulls) == ("unknown", "not in the training set", 0.5)
    assert found.as_dict()["bins"] == []


def test_what_is_not_compared() -> None:
    """Of lists only the nulls are counted; types that differ in kind, and empty columns, are told."""
    lists = compare([[1], None] * 100, [[1], [2]] * 100)
    assert (lists.status, lists.training_nulls, lists.served_nulls) == ("unknown", 0.5, 0.0)
    assert "list<item: int64>" in lists.note
    number, text = pa.chunked_array([[1.0] * 5]), pa.chunked_array([["1"] * 5])
    assert "types must agree" in compare_feature("x", number, text, LIMITS).note
    empty = compare_feature("x", pa.chunked_array([], pa.float64()), number, LIMITS)
    assert (empty.status, empty.note) == ("unknown", "no rows in the training set")


def test_few_vectors_are_not_judged() -> None:
    """Below `min_vectors` nothing is judged; above it, nothing that chance would give."""
    few = compare(normal(), normal(3.0, rows=99), Limits())
    assert (few.status, few.psi is not None) == ("unknown", True)
    assert "99 vectors are too few to judge by: 100 are needed" in few.note
    by_chance = compare(normal(), normal(0.0, rows=40, seed=3), Limits(psi_warn=0.01, min_vectors=1))
    assert by_chance.status == "unknown"
    assert "can't tell this from chance" in by_chance.note


@pytest.mark.parametrize(
    "wrong",
    [{"psi_warn": 0.0}, {"psi_warn": 0.5}, {"psi_alert": float("nan")}, {"min_vectors": 0}],
    ids=str,
)
def test_limits_that_tell_nothing(wrong: dict[str, Any]) -> None:
    """Thresholds in the wrong order, or that nothing reaches, are refused and named."""
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Limits(**wrong)


def test_where_limits_begin() -> None:
    """A status holds from its figure on."""
    assert [Limits().judge_psi(psi) for psi in (0.0999, 0.1, 0.2499, 0.25)] == ["ok", "warn", "warn", "alert"]
