"""One feature's served values against its training values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.artefact.columns import is_category, is_numeric
from storekeeper.monitor.bins import choose_bins, count_with_nulls, labels_with_nulls
from storekeeper.monitor.distance import Floats, chance_index, cumulative, kolmogorov_smirnov, stability_index
from storekeeper.monitor.limits import Limits, Status

_CURVE_POINTS = 121

Kind = Literal["number", "category", "nothing", "other"]


@dataclass(frozen=True, eq=False)
class Curves:
    """Both samples' cumulative distributions.

    Attributes
    ----------
    at
        (k,) float64, ascending: where they are shown; the outermost 0.5% of all values on either side are not.
    training, served
        (k,) float64: the share of values up to each place.
    widest
        Where they are furthest apart.
    """

    at: Floats
    training: Floats
    served: Floats
    widest: float


@dataclass(frozen=True, eq=False)
class Distribution:
    """What both samples look like, over the same bins.

    Attributes
    ----------
    labels
        One a bin; nulls are the last.
    training, served
        (n_bins,) float64: each bin's share; they sum to 1.
    curves
        For numbers of which both samples have some, else None.
    """

    labels: tuple[str, ...]
    training: Floats
    served: Floats
    curves: Curves | None = None


@dataclass(frozen=True, eq=False)
class FeatureDrift:
    """What was found of one feature.

    Attributes
    ----------
    feature
        Its name.
    status
        By the population stability index.
    note
        Why nothing could be judged, or what else there is to say; empty mostly.
    training_nulls, served_nulls
        Share of nulls, NaN included; None where there are no rows.
    psi
        Population stability index; nulls are a bin of their own. None where it can't be computed.
    ks, ks_p
        Kolmogorov-Smirnov statistic and p-value of numbers that aren't null; else None.
    distribution
        For pictures; None where nothing could be compared.
    """

    feature: str
    status: Status
    note: str = ""
    training_nulls: float | None = None
    served_nulls: float | None = None
    psi: float | None = None
    ks: float | None = None
    ks_p: float | None = None
    distribution: Distribution | None = None

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        names = ("feature", "status", "note", "training_nulls", "served_nulls", "psi", "ks", "ks_p")
        return {name: getattr(self, name) for name in names} | {"bins": self._bins()}

    def _bins(self) -> list[Mapping[str, Any]]:
        found = self.distribution
        if found is None:
            return []
        rows = zip(found.labels, found.training.tolist(), found.served.tolist(), strict=True)
        return [{"bin": label, "training": training, "served": served} for label, training, served in rows]


def compare_feature(
    feature: str, training: pa.ChunkedArray | None, served: pa.ChunkedArray, limits: Limits
) -> FeatureDrift:
    """Compare a feature's served values with its training values.

    Numbers, text and booleans are compared; of lists, times and bytes only the nulls are counted. What is found is
    judged from `limits.min_vectors` on, and where it is more than chance gives.

    Parameters
    ----------
    training
        Its column in the training set; None where the training set has none.
    served
        Its column in the served log.
    """
    if training is None:
        return FeatureDrift(feature, "unknown", "not in the training set", served_nulls=_null_share(served))
    nulls = (_null_share(training), _null_share(served))
    kinds = {_kind(training.type), _kind(served.type)} - {"nothing"}
    if problem := _incomparable(training, served, kinds):
        return FeatureDrift(feature, "unknown", problem, *nulls)
    kind: Kind = kinds.pop() if kinds else "category"
    return _compare(feature, _values(training, kind), _values(served, kind), limits)


def _compare(feature: str, training: pa.ChunkedArray, served: pa.ChunkedArray, limits: Limits) -> FeatureDrift:
    """Two columns that are both float64 or both text."""
    known, shown = (column.drop_null().combine_chunks() for column in (training, served))
    bins = choose_bins(known)
    expected = count_with_nulls(bins, known, training.null_count)
    found = count_with_nulls(bins, shown, served.null_count)
    psi = stability_index(expected, found)
    status, note = _judge(psi, chance_index(expected, found), len(served), limits)
    ks, ks_p, curves = _compare_numbers(known, shown)
    return FeatureDrift(
        feature=feature,
        status=status,
        note=note or _remark(known, shown),
        training_nulls=_null_share(training),
        served_nulls=_null_share(served),
        psi=psi,
        ks=ks,
        ks_p=ks_p,
        distribution=Distribution(labels_with_nulls(bins), expected / expected.sum(), found / found.sum(), curves),
    )


def _compare_numbers(training: pa.Array, served: pa.Array) -> tuple[float | None, float | None, Curves | None]:
    """Kolmogorov-Smirnov statistic, p-value and curves; of anything but numbers on both sides there are none."""
    if not pa.types.is_floating(training.type) or not len(training) or not len(served):
        return None, None, None
    expected, found = (np.sort(values.to_numpy(zero_copy_only=False)) for values in (training, served))
    ks, ks_p, widest = kolmogorov_smirnov(expected, found)
    ends = [end for values in (expected, found) for end in np.quantile(values, (0.005, 0.995), method="inverted_cdf")]
    finite = [end for end in ends if np.isfinite(end)]
    at = np.linspace(min(finite, default=0.0), max(finite, default=0.0), _CURVE_POINTS)
    return ks, ks_p, Curves(at, cumulative(expected, at), cumulative(found, at), widest)


def _judge(psi: float, chance: float, vectors: int, limits: Limits) -> tuple[Status, str]:
    """The status, and why there is none."""
    if vectors < limits.min_vectors:
        return "unknown", f"{vectors:,} vectors are too few to judge by: {limits.min_vectors:,} are needed"
    status = limits.judge_psi(psi)
    if status != "ok" and psi < chance:
        return "unknown", f"{vectors:,} vectors can't tell this from chance, which gives up to {chance:.2f}"
    return status, ""


def _incomparable(training: pa.ChunkedArray, served: pa.ChunkedArray, kinds: set[Kind]) -> str:
    """Why two columns can't be compared; empty if they can."""
    if not len(training) or not len(served):
        return "no rows in the training set" if not len(training) else "no vectors"
    if "other" in kinds:
        return f"of type {served.type if _kind(served.type) == 'other' else training.type}: only nulls are counted"
    if len(kinds) > 1:
        return f"{training.type} in the training set, {served.type} when served: types must agree"
    return ""


def _remark(training: pa.Array, served: pa.Array) -> str:
    """What the figures alone don't say."""
    sides = (("in training", training), ("when served", served))
    empty = [side for side, values in sides if not len(values)]
    return f"always null {' and '.join(empty)}" if empty else ""


def _kind(type_: pa.DataType) -> Kind:
    if pa.types.is_null(type_):
        return "nothing"
    if is_category(type_) or pa.types.is_boolean(type_):
        return "category"
    return "number" if is_numeric(type_) else "other"


def _values(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """The column as float64 or text; NaN becomes null."""
    if kind == "category":
        return column.cast(pa.string())
    numbers = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)


def _null_share(column: pa.ChunkedArray) -> float | None:
    nulls = int(pc.sum(pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))).as_py() or 0)
    return nulls / len(column) if len(column) else None
