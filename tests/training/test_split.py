"""The split by global time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekeeper.errors import UsageError
from storekeeper_training.split import Instants, Split, split_by_fractions, split_by_instants, split_by_kept_shares

START = np.datetime64("2017-04-03", "us")
HOUR = np.timedelta64(1, "h")


def hours(*offsets: int) -> Instants:
    instants: Instants = START + np.array(offsets) * HOUR
    return instants


def at_hour(offset: int) -> datetime:
    return datetime(2017, 4, 3, tzinfo=UTC) + timedelta(hours=offset)


def test_boundaries_by_hand() -> None:
    """Each part starts at its boundary and ends before the next; rows in the gaps are dropped and counted."""
    times = hours(0, 9, 10, 11, 12, 19, 20, 21, 22, 30)
    split = split_by_instants(times, at_hour(10), at_hour(20), timedelta(hours=2))
    assert split.train.tolist() == [0, 1]
    assert split.validation.tolist() == [4, 5]
    assert split.test.tolist() == [8, 9]
    assert split.dropped == 4


@given(
    offsets=st.lists(st.integers(0, 400), min_size=1, max_size=80),
    gap_hours=st.integers(1, 60),
    train=st.floats(0.1, 0.8),
    validation=st.floats(0.05, 0.4),
)
def test_never_overlaps(offsets: list[int], gap_hours: int, train: float, validation: float) -> None:
    """Whatever the times and shares: each row is used at most once, and parts lie at least one gap apart in time."""
    times, gap = hours(*offsets), timedelta(hours=gap_hours)
    try:
        split = split_by_fractions(times, gap, train, validation)
    except UsageError:
        return
    used = np.concatenate(list(split.parts.values()))
    assert len(np.unique(used)) == len(used)
    assert len(used) + split.dropped == len(times)
    for earlier, later in ((split.train, split.validation), (split.validation, split.test)):
        assert times[later].min() - times[earlier].max() > np.timedelta64(gap)
    for rows in split.parts.values():
        assert (np.diff(times[rows]) >= np.timedelta64(0)).all()


@given(seed=st.integers(0, 1000))
def test_row_order_does_not_matter(seed: int) -> None:
    """Shuffled rows fall into the same parts."""
    times = hours(*range(0, 300, 3))
    order = np.random.default_rng(seed).permutation(len(times))

    def parts(split: Split, instants: Instants) -> list[list[object]]:
        return [sorted(instants[rows].tolist()) for rows in split.parts.values()]

    gap = timedelta(hours=20)
    assert parts(split_by_fractions(times[order], gap), times[order]) == parts(split_by_fractions(times, gap), times)


def test_fractions_are_of_rows() -> None:
    """The shares of rows before the boundaries are those asked for."""
    split = split_by_fractions(hours(*range(1000)), timedelta(hours=10), 0.6, 0.2)
    assert len(split.train) == 600
    assert split.train_end == at_hour(600)
    assert split.validation_end == at_hour(800)
    assert split.dropped == 20


def test_overlap_is_refused() -> None:
    """A validation period that would end before its gap is over is an error that gives both instants."""
    with pytest.raises(UsageError, match=r"would overlap.*2017-04-03 12:00.*2017-04-03 11:00"):
        split_by_instants(hours(0, 30), at_hour(10), at_hour(11), timedelta(hours=2))


def test_empty_parts_are_refused() -> None:
    """A part without rows is an error that names it and the span of the data."""
    with pytest.raises(UsageError, match=r"No rows for test.*2017-04-03"):
        split_by_instants(hours(0, 15), at_hour(10), at_hour(20), timedelta(hours=2))


@pytest.mark.parametrize(("train", "validation"), [(0.0, 0.2), (0.9, 0.1), (0.5, -0.1)])
def test_impossible_fractions_are_refused(train: float, validation: float) -> None:
    """Shares that leave a part nothing are an error."""
    with pytest.raises(UsageError, match="must be positive and leave"):
        split_by_fractions(hours(*range(50)), timedelta(hours=1), train, validation)


def test_a_gap_is_required() -> None:
    """A gap of nothing is an error: labels would reach into the next part."""
    with pytest.raises(UsageError, match="gap"):
        split_by_instants(hours(0, 15, 30), at_hour(10), at_hour(20), timedelta(0))


def test_kept_shares_are_of_the_rows_beside_the_gaps() -> None:
    """With a gap of a sixth of the log each, the three parts still have their shares of what is left."""
    times = np.datetime64("2017-01-01", "us") + np.arange(36_000) * np.timedelta64(600, "s")
    split = split_by_kept_shares(times, timedelta(days=40), 0.6, 0.2)
    kept = sum(len(rows) for rows in split.parts.values())
    assert kept + split.dropped == len(times)
    assert [len(rows) / kept for rows in split.parts.values()] == pytest.approx([0.6, 0.2, 0.2], abs=0.02)
    assert times[split.validation[0]] >= times[split.train[-1]] + np.timedelta64(40, "D")
    assert times[split.test[0]] >= times[split.validation[-1]] + np.timedelta64(40, "D")


def test_a_log_too_short_for_two_gaps_is_refused_by_its_span() -> None:
    """The message gives the gap and the span of the rows."""
    times = np.datetime64("2017-01-01", "us") + np.arange(60) * np.timedelta64(1, "D")
    with pytest.raises(UsageError, match=r"two gaps of 40 days.*2017-01-01.*2017-03-01"):
        split_by_kept_shares(times, timedelta(days=40), 0.6, 0.2)
