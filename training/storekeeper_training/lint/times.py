"""Lints of when features were known: values from after the row's time, and the time of the row itself."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.audit.compare import differences
from storekeeper_training.lint.evidence import Evidence
from storekeeper_training.lint.finding import Finding

_SECONDS = frozenset({"seconds_since_last", "seconds_since_first"})


def future_features(evidence: Evidence) -> Iterator[Finding]:
    """Features at or after the label's window: times yet to come, ages below zero, values that history doesn't give."""
    dataset = evidence.dataset
    times = dataset.table["event_timestamp"]
    for column in dataset.inputs:
        values = dataset.table[column.name]
        if column.origin == "feature" and pa.types.is_timestamp(values.type):
            later = _count(pc.greater(_utc(values), _utc(times)))
            if later:
                yield Finding(
                    "future-features", "error", column.name,
                    f"In {later:,} rows it is a time later than the row's own.",
                    f"Drop '{column.name}', or take it from a view whose source declares when the platform learnt it "
                    f"(created_timestamp_column).",
                )  # fmt: skip
    for name in _ages(evidence):
        negative = _count(pc.less(dataset.table[name], 0.0))
        if negative:
            yield Finding(
                "future-features", "error", name,
                f"In {negative:,} rows the event that it counts from is later than the row.",
                "Build the dataset with storekeeper dataset build: each row's features as of its own time.",
            )  # fmt: skip
    yield from _replayed(evidence)


def inclusive_edge(evidence: Evidence) -> Iterator[Finding]:
    """Features that see the very event that is being scored."""
    for name in _ages(evidence):
        at_once = _count(pc.equal(evidence.dataset.table[name], 0.0))
        if at_once:
            yield Finding(
                "inclusive-edge", "error", name,
                f"In {at_once:,} rows the event at exactly the row's time counts; windows must end before it.",
                "Build the dataset with storekeeper dataset build, whose windows are strict.",
            )  # fmt: skip
    edges = evidence.declared.edges if evidence.declared else {}
    for view, rows in edges.items():
        yield Finding(
            "inclusive-edge", "error" if rows else "warning", view,
            f"It takes the latest row at or before a row's time from the source of the label itself, and in {rows:,} "
            f"rows an event stands at exactly that time: the one to be predicted may be among the features.",
            "Declare it as a windowed view (StreamFeatureView, function 'last'), whose edge is strict, or take the "
            "spine's times a moment before the events.",
        )  # fmt: skip


def _replayed(evidence: Evidence) -> Iterator[Finding]:
    """Values unlike those that the kernel computes from what was known before each row."""
    declared = evidence.declared
    if declared is None or declared.replayed is None or declared.sampled is None:
        return
    kept = [name for name in declared.replayed.column_names if name in evidence.dataset.table.column_names]
    stored = evidence.dataset.table.select(kept).take(pa.array(declared.sampled))
    for name in kept:
        count, examples = differences(stored.select([name]), declared.replayed.select([name]), at_most=1)
        if count:
            example = examples[0]
            row = int(declared.sampled[example.row])
            yield Finding(
                "future-features", "error", name,
                f"In {count:,} of {len(declared.sampled):,} rows that were computed anew from what was known by the "
                f"row's time it is another: row {row:,} holds {example.online!r}, and history gives "
                f"{example.offline!r}.",
                "Build the dataset anew (storekeeper dataset build --force). If it differs again, the source's past "
                "was rewritten since: declare when its rows became known (created_timestamp_column).",
            )  # fmt: skip


def _ages(evidence: Evidence) -> list[str]:
    """Features of the dataset that are declared as seconds since an event."""
    plans = evidence.declared.plans if evidence.declared else ()
    names = {window.name for plan in plans for window in plan.windows if window.base_function in _SECONDS}
    return [column.name for column in evidence.dataset.inputs if column.name in names]


def _utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Microseconds; naive times mean UTC."""
    return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.int64())


def _count(mask: pa.ChunkedArray) -> int:
    return int(np.asarray(pc.fill_null(mask, False).to_numpy()).sum())
