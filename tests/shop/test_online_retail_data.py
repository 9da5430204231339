"""The real Online Retail: where each of its lines went, and what every return of it must keep."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from public_data import public_data
from storekeeper.clock import Clock
from storekeeper.settings import Settings
from storekeeper.shop import LoadReport
from storekeeper.shop.behaviour import open_behaviour
from storekeeper.shop.online_retail import load_online_retail

LINES = 541_909


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadReport, Path]:
    """The report of a load of the real file, and the behaviour log."""
    folder = public_data("online_retail", "online_retail_2010_2011.parquet")
    home = tmp_path_factory.mktemp("online_retail")
    settings = Settings(
        home=home,
        database_url=f"sqlite:///{home}/data/shop.db",
        clock=Clock(fixed=datetime(2011, 12, 10, tzinfo=UTC)),
    )
    return load_online_retail(settings, str(folder)), settings.behaviour_path


def test_every_line_went_somewhere(loaded: tuple[LoadReport, Path]) -> None:
    """Lines read are lines in purchases, lines in returns, and rejects."""
    report, log = loaded
    added = report.adjustments["lines added to another of the same order and product"]
    further = report.adjustments["further returns of cancellations that undo several orders"]
    kept = report.events["purchase"] + added + report.events["return"] - further
    assert report.rows_read == {"invoice_lines": LINES}
    assert kept + report.reject_count == LINES
    with open_behaviour(log) as connection:
        assert connection.execute("SELECT count(*) FROM rejects").fetchall() == [(report.reject_count,)]


def test_the_counts_are_those_of_the_file(loaded: tuple[LoadReport, Path]) -> None:
    """As counted when the rules were made; the clock fits, so nothing is said about it."""
    report, _ = loaded
    assert report.events == {"purchase": 517_187, "return": 8_771}
    assert report.tables == {"customers": 4_361, "products": 3_807, "campaigns": 0, "offers": 0}
    assert report.rejects["invoice_lines"] == {
        "InvoiceNo is neither an order nor a cancellation": 3,
        "Quantity is absurd": 5,
        "Quantity of an order is not positive: stock written off": 1_336,
        "StockCode is no article: postage, fees, vouchers, samples, corrections": 3_050,
        "UnitPrice is not positive": 1_157,
        "exact duplicate": 5_257,
        "the line's amount is absurd": 1,
    }
    assert report.warnings == {
        "purchases without customer": 130_960,
        "returns without customer, so without basket": 162,
        "returns of what no earlier order explains, without basket": 1_110,
        "purchases to a country without code, without store": 490,
        "products whose title names no known thing, in category 'other'": 130,
    }


def test_every_matched_return_has_one_earlier_purchase(loaded: tuple[LoadReport, Path]) -> None:
    """Of the same customer, order and product, and all together no more pieces than were bought."""
    with open_behaviour(loaded[1]) as connection:
        found = connection.execute(
            """
            WITH bought AS (FROM events WHERE event_type = 'purchase'),
            returned AS (FROM events WHERE event_type = 'return' AND basket_id IS NOT NULL),
            paired AS (
                SELECT b.event_time < r.event_time AND b.customer_id = r.customer_id AS fits,
                    b.quantity AS had, sum(r.quantity) OVER (PARTITION BY b.event_id) AS gave
                FROM returned AS r JOIN bought AS b USING (basket_id, product_id)
            )
            SELECT (SELECT count(*) FROM returned), count(*), count(*) FILTER (fits), count(*) FILTER (gave <= had)
            FROM paired
            """
        ).fetchall()
    assert found == [(7_499,) * 4]
