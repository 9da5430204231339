"""Lints of single columns: the label under another name, a feature too good to be true, an id that tells the time."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper_training.lint.codes import as_numbers, rank_correlation, separation, value_codes
from storekeeper_training.lint.evidence import Evidence
from storekeeper_training.lint.finding import Finding
from storekeeper_training.tasks import Kind

_SAMPLE_ROWS = 30_000
_FEW_ROWS = 1000
_LEAST_OF_A_CLASS = 30
_LEAST_VALUES = 20
# So near to 1 only the label itself, or a function of it, follows the label.
_LABEL_CORRELATION = 0.9999
_HOW_IT_TELLS: Mapping[Kind, str] = {
    "binary": "Its two values are the label's",
    "quantity": "Its values stand in the label's order",
    "ranking": "Its values are the label's",
}
_LABEL_WORDS = re.compile(r"(^|_)(label|y_true|ground_truth)($|_)")


def label_among_features(evidence: Evidence) -> Iterator[Finding]:
    """A feature that says what the label says, or is named as if it did."""
    for column in evidence.dataset.inputs:
        if _tells_label(evidence, column.name):
            yield Finding(
                "label-among-features", "error", column.name,
                f"{_HOW_IT_TELLS[evidence.dataset.task.kind]}: where it isn't null, knowing one is knowing the other.",
                f"Drop '{column.name}' from the feature service; it is not known when a prediction is asked for.",
            )  # fmt: skip
        elif _LABEL_WORDS.search(column.name.lower()):
            yield Finding(
                "label-among-features", "warning", column.name,
                "It is named like a label.",
                "If it is the label of earlier rows, rename it so (label_of_last_visit); if not, drop it.",
            )  # fmt: skip


def implausible_feature(evidence: Evidence) -> Iterator[Finding]:
    """A single feature that separates the labels almost alone."""
    rows = _sample(evidence)
    labels = evidence.dataset.labels[rows]
    if min(int(labels.sum()), int((1 - labels).sum())) < _LEAST_OF_A_CLASS:
        return
    for column in evidence.dataset.inputs:
        coded = value_codes(evidence.dataset.table[column.name].take(pa.array(rows)))
        if coded is None:
            continue
        auc = separation(*coded, labels)
        if auc >= evidence.limits.auc and not _tells_label(evidence, column.name):
            yield Finding(
                "implausible-feature", "error", column.name,
                f"Alone it reaches an AUC of {auc:.4f}; below {evidence.limits.auc:g} was expected. Such a feature is "
                f"mostly made of the label, or of what follows from it.",
                f"Find out when '{column.name}' is written. If it is known before the label's window begins, allow "
                f"this lint; if not, drop it.",
            )  # fmt: skip


def time_encoding_id(evidence: Evidence) -> Iterator[Finding]:
    """A whole number, text or time that grows with the rows' own time, as numbered orders do."""
    rows = _sample(evidence)
    times = evidence.dataset.timestamps[rows].astype(np.int64).astype(np.float64)
    for column in evidence.dataset.inputs:
        values = evidence.dataset.table[column.name].take(pa.array(rows))
        if not _may_be_id(values.type):
            continue
        valid = np.asarray(pc.is_valid(values).to_numpy())
        if valid.mean() < 1 / 2:
            continue
        numbers = _places(values)
        if len(np.unique(numbers[valid])) < _LEAST_VALUES:
            continue
        correlation = rank_correlation(numbers[valid], times[valid])
        if abs(correlation) >= evidence.limits.time_correlation:
            yield Finding(
                "time-encoding-id", "error", column.name,
                f"Its rank correlation with the rows' own time is {correlation:.4f}: it tells when a row happened, "
                f"and no value of the test period occurs in training.",
                f"Drop '{column.name}', or use what it stands for: a count, an age, a group.",
            )  # fmt: skip


def _sample(evidence: Evidence, rows: int = _SAMPLE_ROWS) -> np.ndarray:
    """Some rows, ascending, (k,) int64: drawn, so that no rhythm of the dataset's meets them; the same each time."""
    count = evidence.dataset.table.num_rows
    return np.sort(np.random.default_rng(0).choice(count, min(count, rows), replace=False))


def _tells_label(evidence: Evidence, name: str) -> bool:
    """Whether a column is mostly there and has two values, one for each label, or the order of quantities."""
    column, labels = evidence.dataset.table[name], evidence.dataset.labels
    # A look at a few rows spares most columns the look at all.
    few = _sample(evidence, _FEW_ROWS)
    says = _says if evidence.dataset.task.kind == "binary" else _orders
    return says(column.take(pa.array(few)), labels[few]) and says(column, labels)


def _says(column: pa.ChunkedArray, labels: np.ndarray) -> bool:
    coded = value_codes(column)
    if coded is None or coded[1] != 2:
        return False
    codes, null = coded
    present = codes != null
    if present.mean() < 1 / 2 or len(np.unique(labels[present])) < 2:
        return False
    return bool(np.all(codes[present] == labels[present]) or np.all(codes[present] != labels[present]))


def _orders(column: pa.ChunkedArray, labels: np.ndarray) -> bool:
    numbers = as_numbers(column)
    if numbers is None:
        return False
    present = ~np.asarray(pc.is_null(column, nan_is_null=True).to_numpy())
    if present.mean() < 1 / 2:
        return False
    return abs(rank_correlation(numbers[present], labels[present])) >= _LABEL_CORRELATION


def _may_be_id(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_timestamp, pa.types.is_string, pa.types.is_large_string)
    return any(is_kind(type_) for is_kind in kinds)


def _places(values: pa.ChunkedArray) -> np.ndarray:
    """Numbers whose order is that of the values."""
    numbers = as_numbers(values)
    if numbers is not None:
        return numbers
    encoded = values.combine_chunks().dictionary_encode()
    order = np.asarray(pc.sort_indices(encoded.dictionary).to_numpy())
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    return np.asarray(rank[np.asarray(pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False))])
