"""Fit encoders: what the training rows alone say about how a column is to be encoded.

The transformation itself is `storekeeper.artefact.Encoder`, the same that serving runs.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.artefact import CategoricalColumn, Columns, Encoder, LeftOut, NumericColumn
from storekeeper.artefact.columns import as_arrow, as_floats, as_strings, is_category, is_numeric
from storekeeper_training.encode_number import fit_piecewise_linear, fit_quantile, fit_standard

MAX_VOCABULARY = 512
MIN_CATEGORY_ROWS = 20

# How many slots, at most, the values outside a vocabulary share.
MAX_BUCKETS = 4096

# A category's label rate counts as if this many rows of the overall rate had been seen with it.
PRIOR_ROWS = 20.0

Labels = npt.NDArray[np.int8]


def fit_tree_encoder(columns: Columns, names: Sequence[str], labels: Labels) -> Encoder:
    """For trees: numbers as they are, null as NaN; categories as their rank by the label's rate.

    With the rank, one split parts the likely categories from the unlikely ones, which trees that are shallow for a
    few hundred categories would otherwise spend their depth on. The rate is smoothed and of training rows alone.

    Parameters
    ----------
    columns
        The training rows.
    names
        Which columns to consider. Those that are constant, lists or times are left out, with the reason.
    labels
        `(n,)` of 0 and 1.
    """
    numeric, categorical, left_out = _sort_out(columns, names)
    return Encoder(
        tuple(NumericColumn(name) for name in numeric),
        tuple(
            CategoricalColumn(name, _by_rate(values, as_strings(columns[name], name), labels), "index")
            for name, values in categorical.items()
        ),
        left_out,
    )


def fit_standard_encoder(columns: Columns, names: Sequence[str]) -> Encoder:
    """For linear models and networks: numbers centred and scaled, heavy tails by logarithm, nulls filled and marked.

    Parameters and what is left out are as in `fit_tree_encoder`.
    """
    numeric, categorical, left_out = _sort_out(columns, names)
    return Encoder(
        tuple(fit_standard(name, as_floats(columns[name], name)) for name in numeric),
        tuple(CategoricalColumn(name, values) for name, values in categorical.items()),
        left_out,
    )


def fit_network_encoder(
    columns: Columns,
    names: Sequence[str],
    numbers: Literal["quantile", "piecewise_linear"] = "quantile",
    bins: int = 16,
) -> Encoder:
    """For networks with embeddings: numbers by their rank or in bins, nulls marked; categories by their row in a table.

    Values of a category outside its vocabulary share hash buckets, so many that each has `MIN_CATEGORY_ROWS` training
    rows or more; where there would be one alone, they count as null.

    Parameters
    ----------
    columns, names
        As in `fit_tree_encoder`, with the same left out, but for categories whose values are all rare.
    numbers
        `quantile`: one output, the normal score of the value's rank among the training rows. `piecewise_linear`: one
        output a bin, with the bins' ends at quantiles of the training rows.
    bins
        How many bins at most; equal quantiles leave fewer.
    """
    numeric, categorical, left_out = _sort_out(columns, names, keep_rare=True)
    return Encoder(
        tuple(
            fit_quantile(name, as_floats(columns[name], name))
            if numbers == "quantile"
            else fit_piecewise_linear(name, as_floats(columns[name], name), bins)
            for name in numeric
        ),
        tuple(
            CategoricalColumn(name, values, "row", _buckets(values, as_strings(columns[name], name)))
            for name, values in categorical.items()
        ),
        left_out,
    )


def _sort_out(
    columns: Columns, names: Sequence[str], *, keep_rare: bool = False
) -> tuple[list[str], dict[str, tuple[str, ...]], tuple[LeftOut, ...]]:
    """Numeric columns, categorical columns with their vocabularies, and the rest with the reason why."""
    numeric: list[str] = []
    categorical: dict[str, tuple[str, ...]] = {}
    left_out: list[LeftOut] = []
    for name in names:
        array = as_arrow(columns[name], name)
        if reason := _unfit(array):
            left_out.append(LeftOut(name, reason))
            continue
        if is_numeric(array.type):
            numeric.append(name)
            continue
        texts = as_strings(array, name)
        vocabulary = _vocabulary(texts)
        if vocabulary or (keep_rare and _buckets(vocabulary, texts)):
            categorical[name] = vocabulary
        else:
            left_out.append(LeftOut(name, f"no value in {MIN_CATEGORY_ROWS} training rows"))
    return numeric, categorical, tuple(left_out)


def _unfit(array: pa.Array) -> str:
    """Why a column can't be encoded; empty where it can."""
    if array.null_count == len(array):
        return "null in every training row"
    if not (is_numeric(array.type) or is_category(array.type)):
        return f"a {array.type} is not encoded for tabular models"
    if not array.null_count and len(pc.unique(array)) == 1:
        return "constant in the training rows"
    return ""


def _vocabulary(texts: pa.Array) -> tuple[str, ...]:
    """The frequent values, most frequent first, equal counts by name."""
    counts = pc.value_counts(texts.drop_null())
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    return tuple(value for value, count in ranked if count >= MIN_CATEGORY_ROWS)[:MAX_VOCABULARY]


def _buckets(vocabulary: tuple[str, ...], texts: pa.Array) -> int:
    """How many buckets, a power of two, the known values outside the vocabulary fill with enough rows each; or 0."""
    known = pc.is_in(texts, value_set=pa.array(vocabulary, pa.string()))
    rows = len(texts) - texts.null_count - (pc.sum(known).as_py() or 0)
    buckets = 1 << max(0, (rows // MIN_CATEGORY_ROWS).bit_length() - 1)
    return min(buckets, MAX_BUCKETS) if buckets > 1 else 0


def _by_rate(vocabulary: tuple[str, ...], texts: pa.Array, labels: Labels) -> tuple[str, ...]:
    """The vocabulary by ascending smoothed label rate, equal rates in the order given."""
    at = pc.fill_null(pc.index_in(texts, value_set=pa.array(vocabulary)), len(vocabulary)).to_numpy()
    rows = np.bincount(at, minlength=len(vocabulary) + 1)[:-1]
    positives = np.bincount(at, weights=labels, minlength=len(vocabulary) + 1)[:-1]
    rates = (positives + PRIOR_ROWS * labels.mean()) / (rows + PRIOR_ROWS)
    return tuple(vocabulary[i] for i in np.argsort(rates, kind="stable"))
