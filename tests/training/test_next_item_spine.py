"""The next-item spine on a shop small enough to count by hand."""

from datetime import datetime, timedelta
from pathlib import Path

from storekeeper_training.tasks import NEXT_ITEM
from training.spine_log import MICROSECOND, START, Happened, rows_of, spine_of, write_log

NO_WAIT = timedelta(0)
END = Happened("purchase", START + timedelta(days=90), 99, 99, basket_id=99)
COLUMNS = ("customer_id", "event_timestamp", "label")


def line(basket: int, product: int, at: datetime, known_after: timedelta = NO_WAIT) -> Happened:
    return Happened("purchase", at, 1, product, basket_id=basket, known_after=known_after)


def test_a_basket_is_a_row_with_its_products(tmp_path: Path) -> None:
    """A row stands at the basket's first moment, and its label has each product once; the first basket is none."""
    later = START + timedelta(days=2)
    log = write_log(
        tmp_path / "log.duckdb", END, line(1, 5, START),
        line(2, 7, later), line(2, 6, later + MICROSECOND), line(2, 7, later + MICROSECOND),
    )  # fmt: skip
    assert rows_of(spine_of(NEXT_ITEM, log, sample_rate=1.0, lookback=NO_WAIT), *COLUMNS) == [(1, later, [6, 7])]


def test_a_line_beyond_the_horizon_is_no_part_of_the_label(tmp_path: Path) -> None:
    """A line of the basket a day after its start comes too late; a microsecond before, it counts."""
    later = START + timedelta(days=2)
    day = timedelta(days=1)
    log = write_log(
        tmp_path / "log.duckdb", END, line(1, 5, START),
        line(2, 7, later), line(2, 8, later + day - MICROSECOND), line(2, 9, later + day),
    )  # fmt: skip
    assert rows_of(spine_of(NEXT_ITEM, log, sample_rate=1.0, lookback=NO_WAIT), "label") == [([7, 8],)]


def test_what_was_reported_late_is_no_history(tmp_path: Path) -> None:
    """A customer whose earlier basket became known only after this one began has no row."""
    later = START + timedelta(days=2)
    known = line(1, 5, START, known_after=timedelta(days=2) + MICROSECOND)
    other = [Happened("purchase", at, 2, 5, basket_id=basket) for basket, at in ((11, START), (12, later))]
    log = write_log(tmp_path / "log.duckdb", END, known, line(2, 7, later), *other)
    rows = rows_of(spine_of(NEXT_ITEM, log, sample_rate=1.0, lookback=NO_WAIT), "customer_id")
    assert rows == [(2,)]


def test_baskets_whose_day_is_open_are_counted(tmp_path: Path) -> None:
    """A basket that began less than a day before the newest line is left out and counted."""
    late = END.event_time - timedelta(hours=1)
    log = write_log(
        tmp_path / "log.duckdb", END, line(1, 5, START), line(2, 7, START + timedelta(days=2)), line(3, 7, late)
    )
    spine = spine_of(NEXT_ITEM, log, sample_rate=1.0, lookback=NO_WAIT)
    assert rows_of(spine, "label") == [([7],)]
    assert spine.immature_rows == 1
