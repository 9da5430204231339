"""Lints of rows: parts that overlap in time, copies across parts, labels that can't be known yet."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa

from storekeeper.sources.duckdb_reader import open_duckdb
from storekeeper_training.lint.evidence import Evidence
from storekeeper_training.lint.finding import Finding

# Where training rows are less unlike each other than this, equal rows are no copies.
_UNLIKE_SHARE = 0.95

# So many rows may be equal by chance, as those of what is hardly sold are.
_FEW_COPIES = 4


def split_overlap(evidence: Evidence) -> Iterator[Finding]:
    """A later part that begins before the labels of an earlier one are known."""
    times, horizon = evidence.dataset.timestamps, evidence.dataset.task.horizon
    for (earlier, before), (later, after) in pairwise(evidence.split.parts.items()):
        if not (len(before) and len(after)):
            continue
        end, start = times[before].max(), times[after].min()
        reaching = int(np.sum(times[before] + np.timedelta64(horizon) > start))
        if reaching:
            yield Finding(
                "split-overlap", "error", f"{earlier}, {later}",
                f"{earlier} ends {end}, {later} starts {start}, and labels look {horizon} ahead: those of {reaching:,} "
                f"rows of {earlier} are made of what happens in {later}.",
                "Split by global time with a gap of at least one label horizon (split_by_instants).",
            )  # fmt: skip


def duplicate_rows(evidence: Evidence) -> Iterator[Finding]:
    """Rows of training that stand in a later part again, under another time."""
    parts = evidence.split.parts
    hashes = _hashes(evidence)
    train = hashes[parts["train"]]
    if not len(train) or len(np.unique(train)) < _UNLIKE_SHARE * len(train):
        return
    for name in ("validation", "test"):
        copied = int(np.isin(hashes[parts[name]], train).sum())
        if copied > max(_FEW_COPIES, evidence.limits.duplicate_share * len(parts[name])):
            yield Finding(
                "duplicate-rows", "error", f"train, {name}",
                f"{copied:,} of {len(parts[name]):,} rows of {name} stand in train too: the same entity, features and "
                f"label, though next to no two rows of train are alike.",
                "Make the spine's rows distinct, and look for events that were loaded twice.",
            )  # fmt: skip


def immature_labels(evidence: Evidence) -> Iterator[Finding]:
    """Labels whose window isn't over yet."""
    until = evidence.declared.observed_until if evidence.declared else None
    if until is None:
        return
    ends = evidence.dataset.timestamps + np.timedelta64(evidence.dataset.task.horizon)
    early = int(np.sum(ends > np.datetime64(until.replace(tzinfo=None), "us")))
    if early:
        yield Finding(
            "immature-labels", "error", evidence.dataset.task.label,
            f"{early:,} rows have a label although their window of {evidence.dataset.task.horizon} reaches beyond the "
            f"newest event, {until:%Y-%m-%d %H:%M}: what is still to come was taken for 'no'.",
            "Let the spine's SQL give null where event_timestamp + $horizon is later than the newest event.",
        )  # fmt: skip


def _hashes(evidence: Evidence) -> np.ndarray:
    """One (n,) uint64 a row, over entity, inputs and label, but no time."""
    dataset = evidence.dataset
    names = dict.fromkeys(
        [*(c.name for c in dataset.task.entity_keys), *(c.name for c in dataset.inputs), dataset.task.label]
    )
    kept = [name for name in names if not pa.types.is_timestamp(dataset.table.schema.field(name).type)]
    with open_duckdb(None) as connection:
        connection.register("dataset", dataset.table.select(kept))
        found = connection.execute("SELECT hash(dataset) AS hash FROM dataset").fetchnumpy()["hash"]
    return np.asarray(found)
