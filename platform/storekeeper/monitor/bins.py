"""Bins: the few classes into which a feature's values are sorted, chosen from the training set alone."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

QUANTILES = 10
MOST_CATEGORIES = 20
NULL, OTHER = "null", "other"

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class QuantileBins:
    """Numbers, each bin with about as many training rows.

    Attributes
    ----------
    edges
        (n_bins - 1,) float64, ascending and distinct; a bin ends with its edge.
    """

    edges: npt.NDArray[np.float64]

    @property
    def labels(self) -> tuple[str, ...]:
        """One a bin."""
        shown = [f"{edge:.4g}" for edge in self.edges]
        between = [f"{low} to {high}" for low, high in pairwise(shown)]
        return (f"up to {shown[0]}", *between, f"above {shown[-1]}")

    def count(self, values: pa.Array) -> Counts:
        """(n_bins,) int64: how many of the values fall into each bin; there are no nulls among them."""
        places = np.searchsorted(self.edges, values.to_numpy(zero_copy_only=False), side="left")
        return np.bincount(places, minlength=len(self.edges) + 1).astype(np.int64)


@dataclass(frozen=True)
class ValueBins:
    """A bin a value, and a last one for all others.

    Attributes
    ----------
    values
        Distinct and not null, float64 or string.
    """

    values: pa.Array

    @property
    def labels(self) -> tuple[str, ...]:
        """One a bin."""
        named = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in self.values.to_pylist())
        return (*named, OTHER)

    def count(self, values: pa.Array) -> Counts:
        """(n_values + 1,) int64: how many there are of each value; there are no nulls among them."""
        others = len(self.values)
        places = pc.fill_null(pc.index_in(values, value_set=self.values), others)
        return np.bincount(places.to_numpy(zero_copy_only=False), minlength=others + 1).astype(np.int64)


Bins = QuantileBins | ValueBins


def choose_bins(training: pa.Array) -> Bins:
    """Bins for training values that aren't null.

    Numbers go into deciles of the training values, or into a bin a value where there are no more than ten: so a
    constant has a bin of its own, and whatever else comes falls into another. Of categories the 20 most frequent have
    bins of their own.

    Parameters
    ----------
    training
        float64 or string.
    """
    if pa.types.is_string(training.type):
        return ValueBins(_most_frequent(training))
    numbers = training.to_numpy(zero_copy_only=False)
    distinct = np.unique(numbers)
    if len(distinct) <= QUANTILES:
        return ValueBins(pa.array(distinct, pa.float64()))
    # An observed value each, never one in between: infinities have no mean, and edges of counts stay counts.
    edges = np.quantile(numbers, np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf")
    return QuantileBins(np.unique(edges))


def count_with_nulls(bins: Bins, values: pa.Array, nulls: int) -> Counts:
    """(n_bins + 1,) int64: the counts of the bins, then the number of nulls, which are a bin of their own."""
    return np.append(bins.count(values), nulls).astype(np.int64)


def labels_with_nulls(bins: Bins) -> tuple[str, ...]:
    """One a bin, the nulls' last."""
    return (*bins.labels, NULL)


def _most_frequent(values: pa.Array) -> pa.Array:
    """The most frequent values first; of equally frequent ones the first in the alphabet."""
    counted = pa.Table.from_struct_array(pc.value_counts(values))
    ordered = counted.sort_by([("counts", "descending"), ("values", "ascending")])
    return ordered.slice(0, MOST_CATEGORIES).column("values").combine_chunks()
