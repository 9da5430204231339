"""Fit encoders: what the training rows alone say about how a column is to be encoded.

The transformation itself is `storekeeper.artefact.Encoder`, the same that serving runs.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.artefact import CategoricalColumn, Columns, Encoder, LeftOut, NumericColumn
from storekeeper.artefact.columns import as_arrow, as_floats, as_strings, is_category, is_numeric

MAX_VOCABULARY = 512
MIN_CATEGORY_ROWS = 20

# A category's label rate counts as if this many rows of the overall rate had been seen with it.
PRIOR_ROWS = 20.0

Labels = npt.NDArray[np.int8]

# Skewness from which on a non-negative number is taken as heavy-tailed; an exponential distribution has 2.
HEAVY_SKEWNESS = 2.0


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
        tuple(_standard(name, as_floats(columns[name], name)) for name in numeric),
        tuple(CategoricalColumn(name, values) for name, values in categorical.items()),
        left_out,
    )


def is_heavy_tailed(values: npt.NDArray[np.float64]) -> bool:
    """Whether finite values are non-negative and so skewed that their logarithm is the better number."""
    if values.size < 3 or values.min() < 0:
        return False
    centred = values - values.mean()
    deviation = centred.std()
    return bool(deviation > 0 and np.mean((centred / deviation) ** 3) > HEAVY_SKEWNESS)


def _sort_out(
    columns: Columns, names: Sequence[str]
) -> tuple[list[str], dict[str, tuple[str, ...]], tuple[LeftOut, ...]]:
    """Numeric columns, categorical columns with their vocabularies, and the rest with the reason why."""
    numeric: list[str] = []
    categorical: dict[str, tuple[str, ...]] = {}
    left_out: list[LeftOut] = []
    for name in names:
        array = as_arrow(columns[name], name)
        if reason := _unfit(array):
            left_out.append(LeftOut(name, reason))
        elif is_numeric(array.type):
            numeric.append(name)
        elif vocabulary := _vocabulary(as_strings(array, name)):
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


def _standard(name: str, values: npt.NDArray[np.float64]) -> NumericColumn:
    """Centre, scale and fill of one number, from its training values."""
    known = values[~np.isnan(values)]
    log1p = is_heavy_tailed(known)
    shaped = np.log1p(known) if log1p else known
    center = float(shaped.mean()) if shaped.size else 0.0
    deviation = float(shaped.std()) if shaped.size else 0.0
    scale = deviation if deviation > 0 else 1.0
    fill = (float(np.median(shaped)) - center) / scale if shaped.size else 0.0
    return NumericColumn(name, "standard", log1p, center, scale, fill, indicator=bool(known.size < values.size))


def _vocabulary(texts: pa.Array) -> tuple[str, ...]:
    """The frequent values, most frequent first, equal counts by name."""
    counts = pc.value_counts(texts.drop_null())
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    return tuple(value for value, count in ranked if count >= MIN_CATEGORY_ROWS)[:MAX_VOCABULARY]


def _by_rate(vocabulary: tuple[str, ...], texts: pa.Array, labels: Labels) -> tuple[str, ...]:
    """The vocabulary by ascending smoothed label rate, equal rates in the order given."""
    at = pc.fill_null(pc.index_in(texts, value_set=pa.array(vocabulary)), len(vocabulary)).to_numpy()
    rows = np.bincount(at, minlength=len(vocabulary) + 1)[:-1]
    positives = np.bincount(at, weights=labels, minlength=len(vocabulary) + 1)[:-1]
    rates = (positives + PRIOR_ROWS * labels.mean()) / (rows + PRIOR_ROWS)
    return tuple(vocabulary[i] for i in np.argsort(rates, kind="stable"))
