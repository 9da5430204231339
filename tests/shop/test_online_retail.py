"""Online Retail's invoice lines become purchases and returns: each rule on a line made by hand."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import text

from storekeeper.clock import Clock
from storekeeper.database import connect
from storekeeper.errors import DataError
from storekeeper.settings import Settings
from storekeeper.shop import LoadReport
from storekeeper.shop.behaviour import open_behaviour
from storekeeper.shop.online_retail import load_online_retail

QUOTED = (
    "event_type, event_time, known_time, customer_id, product_id, category, basket_id, store_id, quantity, amount_cents"
)
MUG, BAG = int("22970", 36), int("20685A", 36)


def line(**changes: object) -> dict[str, object]:
    """One good order line, with changes."""
    return {
        "InvoiceNo": "536365",
        "StockCode": "22970",
        "Description": "LONDON BUS COFFEE MUG",
        "Quantity": 6,
        "InvoiceDate": pd.Timestamp("2010-12-01 08:26:00"),
        "UnitPrice": 2.55,
        "CustomerID": 17850,
        "Country": "United Kingdom",
        **changes,
    }


def cancelled(**changes: object) -> dict[str, object]:
    """The cancellation of that line, with changes."""
    return line(
        **{"InvoiceNo": "C536400", "Quantity": -6, "InvoiceDate": pd.Timestamp("2010-12-03 10:00:00"), **changes}
    )


def load(settings: Settings, *lines: dict[str, object], force: bool = False) -> LoadReport:
    """The report of a load of these lines."""
    file = settings.home / "online_retail.parquet"
    pd.DataFrame(lines).astype({"CustomerID": "Int64"}).to_parquet(file)
    return load_online_retail(settings, str(file), force=force)


def query(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    """Rows of the behaviour log."""
    with open_behaviour(settings.behaviour_path) as connection:
        return connection.execute(sql).fetchall()


def rows(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    """Rows of the SQL database."""
    with connect(settings.database_url) as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def at(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def test_an_order_line_becomes_a_purchase(settings: Settings) -> None:
    """Pence are exact, the file's time is UTC and known at once, the store is the country; discounts are unknown."""
    load(settings, line())
    when = at(2010, 12, 1, 8, 26)
    found = query(settings, f"SELECT {QUOTED}, discount_cents, coupon_cents FROM events")
    assert found == [("purchase", when, when, 17850, MUG, "cups and mugs", 536365, 826, 6, 1530, None, None)]


def test_a_cancellation_becomes_a_return_of_its_purchase(settings: Settings) -> None:
    """It has the purchase's basket and product, its own time, and a positive quantity and amount."""
    report = load(settings, line(), cancelled(Quantity=-2))
    when = at(2010, 12, 3, 10)
    found = query(settings, f"SELECT {QUOTED} FROM events WHERE event_type = 'return'")
    assert found == [("return", when, when, 17850, MUG, "cups and mugs", 536365, 826, 2, 510)]
    assert report.rejects == {}


def test_a_cancellation_of_nothing_known_is_a_return_without_basket(settings: Settings) -> None:
    """What another customer bought, or what was bought later, doesn't explain it; it stays and is counted."""
    later = line(InvoiceNo="536500", InvoiceDate=pd.Timestamp("2010-12-04"))
    report = load(settings, line(CustomerID=13047), cancelled(), later)
    assert query(settings, "SELECT customer_id, basket_id, quantity FROM events WHERE event_type = 'return'") == [
        (17850, None, 6)
    ]
    assert report.warnings["returns of what no earlier order explains, without basket"] == 1


def test_a_cancellation_of_two_orders_becomes_two_returns(settings: Settings) -> None:
    """Each order gets its pieces, the latest first, with its share of the amount and an id of its own."""
    second = line(InvoiceNo="536370", InvoiceDate=pd.Timestamp("2010-12-02"), Quantity=4)
    report = load(settings, line(), second, cancelled(Quantity=-7))
    found = query(
        settings,
        "SELECT basket_id, quantity, amount_cents FROM events WHERE event_type = 'return' ORDER BY event_id",
    )
    assert found == [(536370, 4, 1020), (536365, 3, 765)]
    assert report.adjustments == {"further returns of cancellations that undo several orders": 1}


def test_lines_without_customer_stay(settings: Settings) -> None:
    """Their purchases count for the product, their returns have no basket, and no customer is made up."""
    report = load(settings, line(CustomerID=None), cancelled(CustomerID=None))
    assert query(settings, "SELECT event_type, customer_id, basket_id FROM events ORDER BY 1") == [
        ("purchase", None, 536365),
        ("return", None, None),
    ]
    assert rows(settings, "SELECT * FROM customers") == []
    assert report.warnings["purchases without customer"] == 1
    assert report.warnings["returns without customer, so without basket"] == 1


def test_lines_of_one_order_and_product_are_one_purchase(settings: Settings) -> None:
    """Quantities and amounts add up, codes differ in case alone, and the whole is known with its last line."""
    other = line(StockCode="20685a", Description="RED BAG")
    more = other | {
        "StockCode": "20685A",
        "Quantity": 1,
        "UnitPrice": 3.0,
        "InvoiceDate": pd.Timestamp("2010-12-01 9:00"),
    }
    report = load(settings, line(), other, more)
    found = query(settings, f"SELECT event_time, quantity, amount_cents FROM events WHERE product_id = {BAG}")
    assert found == [(at(2010, 12, 1, 9), 7, 1830)]
    assert report.adjustments == {"lines added to another of the same order and product": 1}


NO_ARTICLES = ("POST", "D", "m", "C2", "BANK CHARGES", "AMAZONFEE", "DOT", "CRUK", "gift_0001_20", "23444", None)
BROKEN = [
    (line(InvoiceNo="A563185"), "InvoiceNo is neither an order nor a cancellation"),
    (line(InvoiceNo=None), "InvoiceNo is neither an order nor a cancellation"),
    *[
        (line(StockCode=code), "StockCode is no article: postage, fees, vouchers, samples, corrections")
        for code in NO_ARTICLES
    ],
    (line(InvoiceDate=None), "InvoiceDate is missing or no timestamp"),
    (line(InvoiceDate=pd.Timestamp("2017-01-01")), "InvoiceDate is out of range"),
    (line(Quantity=None), "Quantity is missing or not a whole number"),
    (line(Quantity=0), "Quantity of an order is not positive: stock written off"),
    (line(Quantity=-3, UnitPrice=0.0), "Quantity of an order is not positive: stock written off"),
    (cancelled(Quantity=3), "Quantity of a cancellation is not negative"),
    (line(Quantity=80_995), "Quantity is absurd"),
    (cancelled(Quantity=-80_995), "Quantity is absurd"),
    (line(UnitPrice=None), "UnitPrice is missing or not a number"),
    (line(UnitPrice=0.0), "UnitPrice is not positive"),
    (line(UnitPrice=-1.5), "UnitPrice is not positive"),
    (line(UnitPrice=0.001), "UnitPrice is not positive"),
    (line(UnitPrice=649.5, Quantity=60), "the line's amount is absurd"),
    (line(InvoiceNo="536999"), "exact duplicate"),
]


def test_broken_lines_are_set_aside(settings: Settings) -> None:
    """Each leaves with its own reason and its content, and nothing of it gets into the log."""
    report = load(settings, line(InvoiceNo="536999"), *[broken for broken, _ in BROKEN])
    assert report.rows_read == {"invoice_lines": 1 + len(BROKEN)}
    assert report.rejects == {"invoice_lines": Counter(reason for _, reason in BROKEN)}
    assert report.events == {"purchase": 1}
    found = query(settings, "SELECT reason, row->>'InvoiceNo', row->>'StockCode' FROM rejects")
    assert found == [(reason, broken["InvoiceNo"], broken["StockCode"]) for broken, reason in BROKEN]


def test_ids_of_customers_must_be_whole(settings: Settings) -> None:
    """A customer that is no number is set aside, where none at all would stay."""
    file = settings.home / "online_retail.csv"
    pd.DataFrame([line(CustomerID="17850.0"), line(CustomerID="someone", InvoiceNo="536366")]).to_csv(file, index=False)
    report = load_online_retail(settings, str(file))
    assert report.rejects == {"invoice_lines": {"CustomerID is not a whole number": 1}}
    assert query(settings, "SELECT customer_id FROM events") == [(17850,)]


def test_the_store_is_the_country(settings: Settings) -> None:
    """By its ISO number; a country that has none leaves the store unknown, which is counted."""
    stores = {"EIRE": 372, "RSA": 710, "Unspecified": None, None: None}
    report = load(settings, *[line(InvoiceNo=f"53640{n}", Country=country) for n, country in enumerate(stores)])
    assert query(settings, "SELECT store_id FROM events ORDER BY basket_id") == [(code,) for code in stores.values()]
    assert report.warnings["purchases to a country without code, without store"] == 2


def test_the_catalogue_is_made_of_the_lines(settings: Settings) -> None:
    """The id is the code in base 36, the title its most frequent description; what is unknown is null."""
    load(
        settings,
        line(Description="A SLIP"),
        *[line(InvoiceNo=f"53637{n}", Description=" LONDON BUS COFFEE MUG ") for n in range(2)],
        line(StockCode="DCGSSBOY", Description=None),
    )
    since = "2009-01-01 00:00:00.000000"
    assert rows(settings, "SELECT * FROM products") == [
        (MUG, since, since, "22970", "LONDON BUS COFFEE MUG", None, None, None, "cups and mugs", "MUG", None),
        (int("DCGSSBOY", 36), since, since, "DCGSSBOY", None, None, None, None, "other", None, None),
    ]
    assert rows(settings, "SELECT * FROM customers") == [(17850, since, since, *[None] * 7)]


def test_a_clock_that_does_not_fit_is_told(settings: Settings) -> None:
    """At a clock long past the shop's end windows are empty: the report names one that fits, which isn't told off."""
    late = load(settings, line()).warnings
    assert [count for told, count in late.items() if told.endswith("STOREKEEPER_CLOCK=2010-12-02T00:00:00Z")] == [1]
    fitting = replace(settings, clock=Clock(fixed=datetime(2010, 12, 2, tzinfo=UTC)))
    assert load(fitting, line(), force=True).warnings == {}
    early = replace(settings, clock=Clock(fixed=datetime(2010, 11, 2, tzinfo=UTC)))
    assert len(load(early, line(), force=True).warnings) == 1


def test_the_same_file_is_loaded_once(settings: Settings) -> None:
    """Its content decides: again only if forced, with the very same events; another content is another shop."""
    first = load(settings, line(), cancelled())
    content = query(settings, "FROM events")
    assert not first.already_loaded
    assert load(settings, line(), cancelled()).already_loaded
    assert not load(settings, line(), cancelled(), force=True).already_loaded
    assert query(settings, "FROM events") == content
    assert not load(settings, line()).already_loaded
    assert query(settings, "SELECT count(*) FROM events") == [(1,)]


def test_a_failed_load_leaves_the_shop_in_place(settings: Settings, tmp_path: Path) -> None:
    """A file that lacks a column is refused by name, and what was loaded before stays."""
    load(settings, line())
    broken = tmp_path / "broken.parquet"
    pd.DataFrame([line()]).drop(columns="Country").to_parquet(broken)
    with pytest.raises(DataError, match=r"'invoice_lines' lacks the columns 'Country'. It has 'CustomerID'"):
        load_online_retail(settings, str(broken))
    assert query(settings, "SELECT count(*) FROM events") == [(1,)]
