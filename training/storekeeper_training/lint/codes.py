"""Columns as small whole numbers, and how well those separate the labels."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int64]

_BINS = 64


def value_codes(column: pa.ChunkedArray) -> tuple[Codes, int] | None:
    """Codes of a column's values, and how many values there are; null is the last code. None for lists and the like.

    Numbers and times of many values share codes by quantile.
    """
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return None
    null = np.asarray(pc.is_null(column, nan_is_null=True).to_numpy())
    numbers = as_numbers(column)
    if numbers is None:
        encoded = column.combine_chunks().cast(pa.string()).dictionary_encode()
        codes = np.asarray(pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)).astype(np.int64)
        count = len(encoded.dictionary)
    else:
        values = np.unique(numbers[~null])
        if len(values) > _BINS:
            values = np.unique(np.quantile(numbers[~null], np.linspace(0, 1, _BINS + 1), method="lower"))
        codes = np.maximum(np.searchsorted(values, np.where(null, 0, numbers), side="right") - 1, 0)
        count = len(values)
    return np.where(null, count, codes), count


def as_numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64] | None:
    """`(n,) float64`, nulls as 0, times as microseconds; None where the values aren't numbers."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.int64())
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
        return None
    plain = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    numbers = np.asarray(pc.fill_null(plain.cast(pa.float64(), safe=False), 0.0).to_numpy())
    return np.asarray(np.nan_to_num(numbers, nan=0.0), np.float64)


def separation(codes: Codes, count: int, labels: npt.NDArray[np.int8]) -> float:
    """AUC of a column alone, whatever the shape of the relation: each code's rate is learnt on the other half."""
    even = np.arange(len(codes)) % 2 == 0
    return float(np.mean([_auc(codes, count, labels, learnt, ~learnt) for learnt in (even, ~even)]))


def _auc(
    codes: Codes, count: int, labels: npt.NDArray[np.int8], learnt: npt.NDArray[np.bool_], judged: npt.NDArray[np.bool_]
) -> float:
    ones, zeros = (_counts(codes[learnt & (labels == label)], count) for label in (1, 0))
    rate = (ones + ones.sum() / max(ones.sum() + zeros.sum(), 1)) / (ones + zeros + 1)
    order = np.argsort(rate, kind="stable")
    ones, zeros = (_counts(codes[judged & (labels == label)], count)[order] for label in (1, 0))
    # Codes of one rate are ties.
    groups = np.concatenate([[0], np.flatnonzero(np.diff(rate[order])) + 1])
    ones, zeros = np.add.reduceat(ones, groups), np.add.reduceat(zeros, groups)
    pairs = ones.sum() * zeros.sum()
    below = np.concatenate([[0], np.cumsum(zeros)[:-1]])
    return float(np.sum(ones * (below + zeros / 2)) / pairs) if pairs else 0.5


def _counts(codes: Codes, count: int) -> npt.NDArray[np.float64]:
    return np.bincount(codes, minlength=count + 1).astype(np.float64)


def rank_correlation(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Spearman's rank correlation of (n,) values; 0 where one of them is constant."""
    one, other = _ranks(left), _ranks(right)
    if one.min() == one.max() or other.min() == other.max():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse])
