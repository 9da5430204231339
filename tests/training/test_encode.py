"""Fitting encoders on training rows."""

import numpy as np
import pyarrow as pa
import pytest

from storekeeper_training.encode import fit_network_encoder, fit_standard_encoder, fit_tree_encoder
from storekeeper_training.encode_number import is_heavy_tailed


def test_standardised_training_rows_are_standard(dataset_table: pa.Table) -> None:
    """Without nulls, a standardised column has mean 0 and deviation 1 on the rows it was fitted on."""
    columns = {name: dataset_table[name] for name in ("baskets_28d", "spend_cents_91d")}
    matrix = fit_standard_encoder(columns, list(columns)).transform(columns)
    assert matrix.shape == (dataset_table.num_rows, 2)
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(matrix.std(axis=0), 1, atol=2e-3)


def test_heavy_tails_take_the_logarithm(dataset_table: pa.Table) -> None:
    """Skewed non-negative amounts are logged; symmetric or negative numbers are not."""
    names = ["spend_cents_91d", "baskets_28d"]
    encoder = fit_standard_encoder({name: dataset_table[name] for name in names}, names)
    assert [column.log1p for column in encoder.numeric] == [True, False]
    assert not is_heavy_tailed(np.array([-1.0, *([0.0] * 99), 1e6]))


def test_nulls_are_filled_and_marked() -> None:
    """A column with nulls gets its median and an indicator; one without gets none."""
    columns = {"x": np.array([1.0, 2.0, 4.0, np.nan]), "y": np.array([1.0, 2.0, 3.0, 4.0])}
    encoder = fit_standard_encoder(columns, ["x", "y"])
    assert [column.indicator for column in encoder.numeric] == [True, False]
    matrix = encoder.transform(columns)
    assert matrix[3, 0] == matrix[1, 0]
    assert matrix[:, 2].tolist() == [0, 0, 0, 1]


def test_useless_columns_are_left_out_with_the_reason(dataset_table: pa.Table) -> None:
    """Lists, times, constants, columns of nulls and categories without a frequent value are named with the reason."""
    rows = dataset_table.num_rows
    columns = {name: dataset_table[name] for name in ("baskets_28d", "last_categories", "dead", "request_time")}
    columns["void"] = pa.nulls(rows, pa.float64())
    columns["names"] = pa.array([f"name {i}" for i in range(rows)])
    encoder = fit_standard_encoder(columns, list(columns))
    assert encoder.input_names == ("baskets_28d",)
    reasons = {column.name: column.reason for column in encoder.left_out}
    assert reasons["dead"] == "constant in the training rows"
    assert reasons["void"] == "null in every training row"
    assert reasons["names"] == "no value in 20 training rows"
    assert "list" in reasons["last_categories"]
    assert "timestamp" in reasons["request_time"]


def test_vocabularies_hold_the_frequent_values(dataset_table: pa.Table) -> None:
    """One-hot vocabularies are ordered by frequency and leave the rare to the slot of the unseen."""
    columns = {"category": dataset_table["category"]}
    (category,) = fit_standard_encoder(columns, ["category"]).categorical
    assert category.vocabulary == ("milk", "bread", "soap", "beer")


def test_trees_see_categories_by_label_rate() -> None:
    """For trees a category's position is its rank by the smoothed rate of the label, and the rare are NaN."""
    categories = np.repeat(["low", "high", "middle", "rare"], [100, 100, 100, 5])
    labels = np.concatenate([np.arange(100) < share for share in (10, 60, 30)] + [np.ones(5, bool)]).astype(np.int8)
    encoder = fit_tree_encoder({"c": categories}, ["c"], labels)
    assert encoder.categorical[0].vocabulary == ("low", "middle", "high")
    assert np.isnan(encoder.transform({"c": ["rare"]})[0, 0])


@pytest.mark.parametrize("seed", range(3))
def test_fit_ignores_row_order(dataset_table: pa.Table, seed: int) -> None:
    """Shuffled training rows fit the same vocabularies and, but for rounding, the same numbers."""
    names = ["baskets_28d", "spend_cents_91d", "seconds_since_last", "category", "age_band"]
    order = np.random.default_rng(seed).permutation(dataset_table.num_rows)
    shuffled = dataset_table.take(pa.array(order))
    first = fit_standard_encoder({name: dataset_table[name] for name in names}, names)
    second = fit_standard_encoder({name: shuffled[name] for name in names}, names)
    assert first.categorical == second.categorical
    for one, other in zip(first.numeric, second.numeric, strict=True):
        assert (one.center, one.scale, one.fill) == pytest.approx((other.center, other.scale, other.fill))


@pytest.mark.parametrize(("numbers", "width"), [("quantile", 1), ("piecewise_linear", 4)])
def test_networks_get_ranks_or_bins_and_slots(numbers: str, width: int) -> None:
    """Numbers fill an output or one a bin, nulls are marked, and a category is one output: its row, null as 0."""
    columns = {
        "x": np.append(np.arange(99.0), np.nan),
        "c": pa.array([*["often"] * 60, *[f"rare {number}" for number in range(39)], None]),
    }
    encoder = fit_network_encoder(columns, ["x", "c"], numbers, 4)  # type: ignore[arg-type]
    (category,) = encoder.categorical
    assert (category.vocabulary, category.buckets, category.kind) == (("often",), 0, "row")
    matrix = encoder.transform(columns)
    assert matrix.shape == (100, width + 2)
    assert matrix[-1, width] == 1
    np.testing.assert_array_equal(matrix[[0, 60, 99], -1], [1, 0, 0])


def test_rare_categories_share_buckets_with_rows_enough() -> None:
    """Values outside the vocabulary, even all, share a power of two of buckets with 20 rows or more each."""
    columns = {
        "mixed": [*["often"] * 200, *[f"rare {number}" for number in range(100)]],
        "names": [f"name {number}" for number in range(300)],
        "few": [*["a", "b"] * 140, *[f"rare {number}" for number in range(20)]],
    }
    encoder = fit_network_encoder(columns, list(columns))
    assert {column.name: column.buckets for column in encoder.categorical} == {"mixed": 4, "names": 8, "few": 0}
    matrix = encoder.transform({"mixed": ["often", "never met"], "names": ["x", None], "few": ["a", "never met"]})
    assert matrix[0, 0] == 1
    assert 2 <= matrix[1, 0] < 6
    np.testing.assert_array_equal(matrix[1, 1:], 0)
