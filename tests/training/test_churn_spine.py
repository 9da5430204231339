"""The churn spine on a shop small enough to count by hand."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storekeeper_training.tasks import CHURN
from training.spine_log import MICROSECOND, START, Happened, rows_of, spine_of, write_log

HORIZON = timedelta(days=28)
FAR = START + timedelta(days=100)


def bought(at: datetime, customer: int = 1, known_after: timedelta = timedelta(0)) -> Happened:
    return Happened("purchase", at, customer, known_after=known_after)


@pytest.fixture
def cutoff(tmp_path: Path) -> datetime:
    """Customer 1's first cut-off from `START` on: the spine itself says which hour is theirs."""
    log = write_log(tmp_path / "probe.duckdb", bought(START - MICROSECOND), bought(FAR, 99))
    rows = rows_of(spine_of(CHURN, log, first_cutoff=START), "customer_id", "event_timestamp")
    first: datetime = min(at for customer, at in rows if customer == 1)
    return first


def label_at(cutoff: datetime, path: Path, *events: Happened) -> int | None:
    """Customer 1's label at the cut-off; None if there is no such row."""
    log = write_log(path / "log.duckdb", *events, bought(START - MICROSECOND, 2), bought(FAR, 99))
    rows = rows_of(spine_of(CHURN, log, first_cutoff=START), "customer_id", "event_timestamp", "label")
    return next((label for customer, at, label in rows if customer == 1 and at == cutoff), None)


def test_who_buys_within_28_days_stays(tmp_path: Path, cutoff: datetime) -> None:
    """A purchase at the cut-off, or a microsecond before 28 days have passed, makes the label 0."""
    known = bought(cutoff - MICROSECOND)
    assert label_at(cutoff, tmp_path, known, bought(cutoff)) == 0
    assert label_at(cutoff, tmp_path, known, bought(cutoff + HORIZON - MICROSECOND)) == 0


def test_who_buys_after_28_days_or_never_has_left(tmp_path: Path, cutoff: datetime) -> None:
    """A purchase when 28 days have passed is too late; none at all makes the label 1 as well."""
    known = bought(cutoff - MICROSECOND)
    assert label_at(cutoff, tmp_path, known, bought(cutoff + HORIZON)) == 1
    assert label_at(cutoff, tmp_path, known) == 1


def test_only_active_customers_have_rows(tmp_path: Path, cutoff: datetime) -> None:
    """A purchase 91 days before the cut-off makes a row, one a microsecond older doesn't."""
    assert label_at(cutoff, tmp_path, bought(cutoff - timedelta(days=91))) == 1
    assert label_at(cutoff, tmp_path, bought(cutoff - timedelta(days=91) - MICROSECOND)) is None


def test_what_is_reported_after_the_cutoff_makes_nobody_active(tmp_path: Path, cutoff: datetime) -> None:
    """A purchase before the cut-off that was known only after it isn't seen there."""
    late = bought(cutoff - timedelta(hours=1), known_after=timedelta(hours=2))
    assert label_at(cutoff, tmp_path, late) is None


def test_rows_whose_28_days_are_not_over_are_counted(tmp_path: Path, cutoff: datetime) -> None:
    """A cut-off whose window ends after the newest event has no label: its row is left out and counted."""
    end = cutoff + timedelta(days=42) - MICROSECOND
    log = write_log(tmp_path / "log.duckdb", bought(cutoff - MICROSECOND), bought(end, 99))
    spine = spine_of(CHURN, log, first_cutoff=START)
    assert rows_of(spine, "customer_id", "event_timestamp", "label") == [(1, cutoff, 1)]
    # Cut-offs 14 and 28 days later.
    assert spine.immature_rows == 2
