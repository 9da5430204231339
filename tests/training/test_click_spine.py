"""The click spine on a shop small enough to count by hand."""

from datetime import datetime, timedelta
from pathlib import Path

from storekeeper_training.tasks import CLICK
from training.spine_log import MICROSECOND, START, Happened, rows_of, spine_of, write_log

HORIZON = timedelta(days=28)
END = Happened("click", START + timedelta(days=60), 99, 99, session_id=99)
COLUMNS = ("customer_id", "product_id", "campaign_id", "event_timestamp", "label")


def shown(product: int, at: datetime, session: int = 1) -> Happened:
    return Happened("impression", at, 1, product, session_id=session)


def clicked(product: int, at: datetime, session: int = 1) -> Happened:
    return Happened("click", at, 1, product, session_id=session)


def mailed(campaign: int, at: datetime) -> Happened:
    return Happened("offer_received", at, 1, campaign_id=campaign)


def redeemed(campaign: int, at: datetime, customer: int = 1) -> Happened:
    return Happened("offer_redeemed", at, customer, campaign_id=campaign)


def test_an_impression_is_clicked_in_its_own_session(tmp_path: Path) -> None:
    """A later click on the same product in the same session counts; one before, elsewhere or on another doesn't."""
    second = timedelta(seconds=1)
    log = write_log(
        tmp_path / "log.duckdb",
        shown(10, START), clicked(10, START + second),
        shown(11, START), clicked(12, START + second),
        shown(13, START + 2 * second), clicked(13, START + second),
        shown(14, START), clicked(14, START + second, session=2),
        END,
    )  # fmt: skip
    rows = rows_of(spine_of(CLICK, log, sample_rate=1.0), "product_id", "label")
    assert rows == [(10, 1), (11, 0), (14, 0), (13, 0)]


def test_mailings_are_the_rows_of_a_log_without_impressions(tmp_path: Path) -> None:
    """A mailing is taken up if this customer redeems an offer of this campaign before 28 days have passed."""
    log = write_log(
        tmp_path / "log.duckdb",
        mailed(1, START), redeemed(1, START + HORIZON - MICROSECOND),
        mailed(2, START), redeemed(2, START + HORIZON),
        mailed(3, START), redeemed(3, START - MICROSECOND),
        mailed(4, START), redeemed(4, START + MICROSECOND, customer=2),
        END,
    )  # fmt: skip
    rows = rows_of(spine_of(CLICK, log), *COLUMNS)
    assert rows == [(1, None, campaign, START, label) for campaign, label in ((1, 1), (2, 0), (3, 0), (4, 0))]


def test_mailings_are_left_to_themselves_where_impressions_are(tmp_path: Path) -> None:
    """A log with impressions has those alone as rows, with no campaign."""
    log = write_log(tmp_path / "log.duckdb", mailed(1, START), shown(10, START), END)
    assert rows_of(spine_of(CLICK, log, sample_rate=1.0), *COLUMNS) == [(1, 10, None, START, 0)]


def test_rows_whose_window_is_open_are_counted(tmp_path: Path) -> None:
    """A mailing whose 28 days reach beyond the newest event is left out and counted, answered or not."""
    late = END.event_time - HORIZON + MICROSECOND
    log = write_log(tmp_path / "log.duckdb", mailed(1, START), mailed(2, late), redeemed(2, late + MICROSECOND), END)
    spine = spine_of(CLICK, log)
    assert rows_of(spine, "campaign_id", "label") == [(1, 0)]
    assert spine.immature_rows == 1
