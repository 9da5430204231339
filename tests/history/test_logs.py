"""Histories in the order of their times: the latest event is found without sorting, and is the same."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekeeper.history import log
from storekeeper.history.as_of import as_of
from storekeeper.history.log import is_log, latest_in_log
from storekeeper.history.moments import Moments


def _moments(codes: np.ndarray, at: np.ndarray, count: int) -> Moments:
    order = np.lexsort((at, codes))
    return Moments(codes[order].astype(np.int32), at[order], count)


def _one_by_one(codes: np.ndarray, time: np.ndarray, moments: Moments) -> list[int]:
    rows = []
    for entity, at in zip(moments.codes, moments.at, strict=True):
        seen = np.flatnonzero((codes == entity) & (time <= at) & (entity >= 0))
        rows.append(int(seen[-1]) if len(seen) else -1)
    return rows


@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(0, 30), st.integers(1, 6), st.integers(1, 4))
def test_the_latest_event_is_that_of_a_search_event_by_event(
    seed: int, events: int, rows: int, entities: int, block_bits: int
) -> None:
    """Blocks of any size, events and moments without an entity, equal times: one answer."""
    random = np.random.default_rng(seed)
    codes = random.integers(-1, entities, events).astype(np.int32)
    time = np.sort(random.integers(0, 20, events))
    moments = _moments(random.integers(-1, entities, rows), random.integers(-2, 22, rows), entities)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "_BLOCK_BITS", block_bits)
        patch.setattr(log, "_BLOCK", 1 << block_bits)
        assert latest_in_log(codes, time, moments).tolist() == _one_by_one(codes, time, moments)


def test_a_log_longer_than_a_block_gives_what_any_order_of_it_gives() -> None:
    """Three blocks of real size, in order and shuffled: the same values."""
    random = np.random.default_rng(3)
    count = 3 * log._BLOCK - 17
    events = pa.table(
        {
            "user": random.integers(0, 5_000, count),
            "time": pa.array(np.sort(random.choice(10**9, count, replace=False)), pa.timestamp("us", "UTC")),
            "value": np.arange(count),
        }
    )
    spine = pa.table(
        {
            "user": random.integers(-3, 5_003, 4_000),
            "at": pa.array(random.integers(-10, 10**9 + 10, 4_000), pa.timestamp("us", "UTC")),
        }
    )
    asked = {"keys": ["user"], "event_time": "time", "spine_time": "at", "columns": ["value"], "ttl_us": 10**8}
    shuffled = events.take(pa.array(random.permutation(count)))
    assert as_of(events, spine, **asked).equals(as_of(shuffled, spine, **asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("time", "ties", "expected"),
    [
        ([], None, True),
        ([1, 1, 2], None, True),
        ([2, 1], None, False),
        ([1, 1, 2], [5, 6, 0], True),
        ([1, 1, 2], [6, 5, 7], False),
    ],
)
def test_a_log_is_in_the_order_of_its_times_and_equal_times_in_that_of_their_ties(
    time: list[int], ties: list[int] | None, expected: bool
) -> None:
    """What counts as a log, by example."""
    assert is_log(np.array(time), None if ties is None else np.array(ties)) is expected


@pytest.mark.parametrize("cutoff", [False, True])
def test_a_log_with_rows_known_late_is_cut_off_all_the_same(cutoff: bool) -> None:
    """A row known after the moment is invisible with the cut-off, and counts without it."""
    instant = pa.timestamp("us", "UTC")
    events = pa.table(
        {
            "user": [1, 1],
            "time": pa.array([10, 20], instant),
            "known": pa.array([10, 40], instant),
            "value": ["early", "late"],
        }
    )
    spine = pa.table({"user": [1, 1], "at": pa.array([30, 50], instant)})
    found = as_of(
        events, spine, keys=["user"], event_time="time", spine_time="at", columns=["value"],
        known_time="known", cutoff=cutoff,
    )  # fmt: skip
    assert found["value"].to_pylist() == (["early", "late"] if cutoff else ["late", "late"])
