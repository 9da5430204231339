"""Lints of the spine: what the task would have asked, and answered, with the clock turned back."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.sources.duckdb_reader import open_duckdb, quote
from storekeeper_training.lint.evidence import Evidence, SpineThen
from storekeeper_training.lint.finding import Finding


def label_known_early(evidence: Evidence) -> Iterator[Finding]:
    """A label that is there before its window has passed: it isn't made of what comes after the row."""
    then = evidence.declared.spine_then if evidence.declared else None
    if then is None:
        return
    task = evidence.dataset.task
    open_ = then.table.filter(pa.array(_ends(then.table, task.horizon) > _instant(then)))
    early = open_.num_rows - open_.column(task.label).null_count
    if early:
        yield Finding(
            "label-known-early", "error", task.label,
            f"With the clock at {then.at:%Y-%m-%d %H:%M}, {early:,} of {open_.num_rows:,} rows had a label although "
            f"their window of {task.horizon} was still open: it tells of the time before the row, which features see.",
            "Let the label look at [event_timestamp, event_timestamp + $horizon), and give null until that has passed.",
        )  # fmt: skip


def label_changes_later(evidence: Evidence) -> Iterator[Finding]:
    """Labels that changed after their window: they look further than the horizon, and so across the split's gap."""
    then = evidence.declared.spine_then if evidence.declared else None
    if then is None:
        return
    task = evidence.dataset.task
    both, changed, _ = _compare(evidence, then)
    if changed > evidence.limits.spine_share * max(both, 1):
        yield Finding(
            "label-changes-later", "error", task.label,
            f"Of {both:,} labels whose window had passed by {then.at:%Y-%m-%d %H:%M}, {changed:,} are others now: they "
            f"depend on more than {task.horizon} after the row.",
            f"Declare the true horizon of task '{task.name}', or keep the label within it. If events are reported "
            f"late, let the spine wait for them.",
        )  # fmt: skip


def future_spine(evidence: Evidence) -> Iterator[Finding]:
    """Rows that were chosen by what came after them."""
    then = evidence.declared.spine_then if evidence.declared else None
    if then is None:
        return
    both, _, one_sided = _compare(evidence, then)
    if one_sided > evidence.limits.spine_share * max(both + one_sided, 1):
        yield Finding(
            "future-spine", "error", evidence.dataset.task.name,
            f"With the clock at {then.at:%Y-%m-%d %H:%M}, the spine had other rows for the time before: {one_sided:,} "
            f"of {both + one_sided:,} came or went since. They are chosen by what happened later.",
            "Choose each row by events before its own event_timestamp alone, and the dataset's whole again by $now.",
        )  # fmt: skip


def _compare(evidence: Evidence, then: SpineThen) -> tuple[int, int, int]:
    """Of rows whose window had passed then: how many are in both, have another label now, are in one of the two."""
    task = evidence.dataset.task
    keys = [*(column.name for column in task.entity_keys), "event_timestamp"]
    tables = {"now": evidence.dataset.table, "then": then.table.filter(pc.is_valid(then.table.column(task.label)))}
    names = ", ".join(map(quote, keys))
    # A row may be about no product, or no campaign: null keys are equal here.
    same = " AND ".join(f"a.{quote(key)} IS NOT DISTINCT FROM b.{quote(key)}" for key in keys)
    # Lists can't be summed, but their hashes can.
    told = f"hash({quote(task.label)})::HUGEINT" if task.kind == "ranking" else quote(task.label)
    with open_duckdb(None) as connection:
        for name, table in tables.items():
            # One horizon more, so that a log that is quiet before `then` doesn't matter.
            passed = table.filter(pa.array(_ends(table, 2 * task.horizon) <= _instant(then)))
            connection.register(f"passed_{name}", passed.select([*keys, task.label]))
        # Text keys of both tables may be of different Arrow types; DuckDB sees one.
        both, changed, single = connection.execute(
            f"SELECT count(*) FILTER (a.n IS NOT NULL AND b.n IS NOT NULL), "  # noqa: S608  (quoted)
            f"count(*) FILTER (a.n IS NOT NULL AND b.n IS NOT NULL AND a.ones != b.ones), "
            f"count(*) FILTER (a.n IS NULL OR b.n IS NULL) "
            f"FROM (SELECT {names}, count(*) AS n, sum({told}) AS ones FROM passed_now GROUP BY ALL) AS a "
            f"FULL JOIN (SELECT {names}, count(*) AS n, sum({told}) AS ones FROM passed_then GROUP BY ALL) AS b "
            f"ON {same}"
        ).fetchall()[0]
    return int(both), int(changed), int(single)


def _ends(table: pa.Table, horizon: timedelta) -> np.ndarray:
    """When each row's window has passed, (n,) datetime64[us]."""
    times = table.column("event_timestamp").cast(pa.timestamp("us")).to_numpy()
    return np.asarray(times + np.timedelta64(horizon))


def _instant(then: SpineThen) -> np.datetime64:
    return np.datetime64(then.at.replace(tzinfo=None), "us")
