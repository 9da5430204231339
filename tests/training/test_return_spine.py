"""The return spine on a shop small enough to count by hand."""

from datetime import datetime, timedelta
from pathlib import Path

from storekeeper_training.tasks import RETURN
from training.spine_log import MICROSECOND, START, Happened, rows_of, spine_of, write_log

HORIZON = timedelta(days=60)
ORDERED = START + timedelta(days=28)
END = Happened("purchase", START + timedelta(days=120), 99, 99, basket_id=99, quantity=1, amount_cents=1)
FIRST = Happened("purchase", START, 98, 98, basket_id=98, quantity=1, amount_cents=1)
OTHER_RETURN = Happened("return", START, 98, 98, basket_id=98)


def ordered(product: int, basket: int = 1, quantity: int = 1, cents: int = 100, at: datetime = ORDERED) -> Happened:
    return Happened("purchase", at, 1, product, basket_id=basket, quantity=quantity, amount_cents=cents)


def returned(product: int, at: datetime, basket: int = 1) -> Happened:
    return Happened("return", at, 1, product, basket_id=basket)


def test_a_line_comes_back_within_60_days_of_its_own_order(tmp_path: Path) -> None:
    """A return of the same line before 60 days have passed counts; a later one, or of another line, doesn't."""
    log = write_log(
        tmp_path / "log.duckdb", FIRST, END,
        ordered(10), returned(10, ORDERED + HORIZON - MICROSECOND),
        ordered(11), returned(11, ORDERED + HORIZON),
        ordered(12), returned(12, ORDERED + MICROSECOND, basket=2),
        ordered(13),
    )  # fmt: skip
    rows = rows_of(spine_of(RETURN, log, sample_rate=1.0), "product_id", "event_timestamp", "label")
    assert rows == [(10, ORDERED, 1), (11, ORDERED, 0), (12, ORDERED, 0), (13, ORDERED, 0)]


def test_a_row_carries_what_the_till_knew(tmp_path: Path) -> None:
    """Quantity is of all lines of the product in the basket, the price their cents a unit."""
    log = write_log(
        tmp_path / "log.duckdb", FIRST, OTHER_RETURN, END, ordered(10, quantity=2, cents=500), ordered(10, cents=250)
    )
    assert rows_of(spine_of(RETURN, log, sample_rate=1.0), "quantity", "price", "label") == [(3, 250.0, 0)]


def test_rows_are_neither_of_the_first_28_days_nor_immature(tmp_path: Path) -> None:
    """Lines of the log's first 28 days are no rows; those whose 60 days aren't over are counted."""
    early, late = ordered(10, at=ORDERED - MICROSECOND), ordered(11, 2, at=END.event_time - HORIZON + MICROSECOND)
    log = write_log(tmp_path / "log.duckdb", FIRST, OTHER_RETURN, END, early, ordered(12, 3), late)
    spine = spine_of(RETURN, log, sample_rate=1.0)
    assert rows_of(spine, "product_id") == [(12,)]
    # The late line, and the log's last event itself.
    assert spine.immature_rows == 2
