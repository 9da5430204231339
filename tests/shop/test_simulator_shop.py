"""A simulated shop is whole, repeatable, consistent, and as untidy as it is meant to be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from storekeeper.clock import Clock
from storekeeper.database import connect
from storekeeper.settings import Settings
from storekeeper.shop.behaviour import open_behaviour
from storekeeper.shop.columns import EVENT_COLUMNS, EVENT_TYPES
from storekeeper.shop.report import LoadReport
from storekeeper.shop.simulator import SimulationOptions, load_simulated
from storekeeper.shop.tables import shop_tables

OPTIONS = SimulationOptions(customers=1_500, days=63, seed=5, products=300)
SMALL = SimulationOptions(customers=250, days=30, seed=3, products=150)
CONTENTS = ("events", "truth", "simulation")
Ask = Callable[[str], list[tuple[Any, ...]]]


def settings_in(home: Path) -> Settings:
    clock = Clock(fixed=datetime(2024, 2, 1, tzinfo=UTC))
    return Settings(home=home, database_url=f"sqlite:///{home}/shop.db", clock=clock)


def content(settings: Settings) -> dict[str, Any]:
    """All that a load wrote, but for when."""
    with open_behaviour(settings.behaviour_path) as log:
        found: dict[str, Any] = {name: log.sql(f"FROM {name}").to_arrow_table() for name in CONTENTS}
        found["rejects"] = log.sql("SELECT source, reason, row FROM rejects").to_arrow_table()
    return found | sql_rows(settings)


def sql_rows(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    with connect(settings.database_url) as connection:
        return {
            name: [dict(row) for row in connection.execute(table.select()).mappings()]
            for name, table in shop_tables().items()
        }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, LoadReport]:
    """One loaded shop. Don't change it."""
    settings = settings_in(tmp_path_factory.mktemp("simulated"))
    return settings, load_simulated(settings, OPTIONS)


@pytest.fixture(scope="module")
def ask(shop: tuple[Settings, LoadReport]) -> Iterator[Ask]:
    """Rows that SQL gives over the shop's log and its SQL tables."""
    settings, _ = shop
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{settings.behaviour_path}' AS log (READ_ONLY)")
        for name in ("events", "truth", "rejects"):
            connection.execute(f"CREATE VIEW {name} AS FROM log.{name}")
        for name, rows in sql_rows(settings).items():
            naive = [{k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in r.items()} for r in rows]
            connection.register(name, pa.Table.from_pylist(naive))
        yield lambda query: connection.execute(query).fetchall()


def test_the_same_options_give_the_same_shop(tmp_path: Path) -> None:
    """Events, truths, rejects and SQL tables agree, row for row; another seed gives others."""
    for name in "ab":
        load_simulated(settings_in(tmp_path / name), SMALL)
    load_simulated(settings_in(tmp_path / "c"), replace(SMALL, seed=4))
    first, second, other = (content(settings_in(tmp_path / name)) for name in "abc")
    assert first == second
    assert all(first[name] != other[name] for name in ("events", "truth", "customers", "products", "offers"))


@pytest.mark.parametrize("block_sessions", [7, 64])
def test_blocks_make_no_difference(tmp_path: Path, block_sessions: int) -> None:
    """However many sessions are simulated at once, the shop is the same."""
    load_simulated(settings_in(tmp_path / "whole"), SMALL)
    load_simulated(settings_in(tmp_path / "parts"), SMALL, block_sessions=block_sessions)
    assert content(settings_in(tmp_path / "whole")) == content(settings_in(tmp_path / "parts"))


def test_every_event_type_occurs_and_is_reported(shop: tuple[Settings, LoadReport], ask: Ask) -> None:
    """The report's counts are those of the log and of the SQL tables; nothing that came is lost."""
    _, report = shop
    assert dict(ask("SELECT event_type, count(*) FROM events GROUP BY ALL")) == report.events
    assert set(report.events) == set(EVENT_TYPES)
    assert {name: ask(f"SELECT count(*) FROM {name}")[0][0] for name in report.tables} == report.tables
    assert min(report.tables.values()) > 0
    assert report.rows_read == {"deliveries": report.event_count + report.reject_count}


def test_the_log_is_canonical(ask: Ask) -> None:
    """Columns are those of every shop; rows are ordered by time, then id, and ids are unique."""
    assert {row[0]: row[1] for row in ask("DESCRIBE events")} == EVENT_COLUMNS
    times = ask("SELECT event_time, event_id FROM events")
    assert times == sorted(times)
    assert [event_id for _, event_id in times] == list(range(1, len(times) + 1))
    assert times[0][0] >= OPTIONS.starts_at
    assert times[-1][0] < OPTIONS.ends_at


@pytest.mark.parametrize(
    "orphans",
    [
        "events ANTI JOIN customers USING (customer_id)",
        "events e WHERE NOT EXISTS (FROM customers c WHERE c.customer_id = e.customer_id AND updated_at <= event_time)",
        "(FROM events WHERE product_id IS NOT NULL) ANTI JOIN products USING (product_id, category, department)",
        "(FROM events WHERE event_type <> 'offer_received' AND product_id IS NULL)",
        "(FROM events WHERE campaign_id IS NOT NULL) ANTI JOIN campaigns USING (campaign_id)",
        "(FROM events WHERE offer_id IS NOT NULL) ANTI JOIN offers USING (campaign_id, offer_id)",
        "(FROM events WHERE event_type = 'offer_redeemed') ANTI JOIN offers USING (campaign_id, offer_id, product_id)",
        "offers ANTI JOIN products USING (product_id)",
        "events e JOIN campaigns USING (campaign_id) WHERE event_time NOT BETWEEN starts_at AND ends_at",
    ],
)
def test_every_reference_leads_somewhere(ask: Ask, orphans: str) -> None:
    """Whom and what events name is in the SQL tables, since before, and with the same category."""
    assert ask(f"SELECT count(*) FROM {orphans}") == [(0,)]


@pytest.mark.parametrize(
    ("after", "before", "keys"),
    [
        ("click", "impression", "session_id, product_id, customer_id"),
        ("cart_add", "view", "session_id, product_id, customer_id"),
        ("cart_remove", "cart_add", "session_id, product_id, customer_id"),
        ("offer_redeemed", "offer_received", "campaign_id, offer_id, customer_id"),
        ("return", "purchase", "basket_id, product_id, customer_id, quantity, amount_cents"),
        ("rating", "purchase", "basket_id, product_id, customer_id"),
    ],
)
def test_things_happen_in_order(ask: Ask, after: str, before: str, keys: str) -> None:
    """What follows from something comes once, and later than it."""
    query = f"""
        SELECT count(*), count(DISTINCT a.event_id), coalesce(min(a.event_time > b.event_time), true)
        FROM events a JOIN events b USING ({keys})
        WHERE a.event_type = '{after}' AND b.event_type = '{before}'"""
    total = ask(f"SELECT count(*) FROM events WHERE event_type = '{after}'")[0][0]
    assert ask(query) == [(total, total, True)]


def test_purchases_come_from_the_cart_or_a_coupon(ask: Ask) -> None:
    """A line was put into the cart in its session and not taken out, or redeems an offer in its basket."""
    where = "session_id, product_id"
    carts = f"SELECT {where} FROM events WHERE event_type = 'cart_add'"
    removed = f"SELECT {where} FROM events WHERE event_type = 'cart_remove'"
    coupons = "SELECT basket_id, product_id, offer_id FROM events WHERE event_type = 'offer_redeemed'"
    plain = "(FROM events WHERE event_type = 'purchase' AND offer_id IS NULL)"
    assert ask(f"SELECT count(*) FROM {plain} ANTI JOIN ({carts}) USING ({where})") == [(0,)]
    assert ask(f"SELECT count(*) FROM {plain} SEMI JOIN ({removed}) USING ({where})") == [(0,)]
    offered = "(FROM events WHERE event_type = 'purchase' AND offer_id IS NOT NULL)"
    assert ask(f"SELECT count(*) FROM {offered} ANTI JOIN ({coupons}) USING (basket_id, product_id, offer_id)") == [
        (0,)
    ]


def test_amounts_add_up(ask: Ask) -> None:
    """Paid, discount and coupon make a product's usual price times the quantity, whenever it is bought."""
    query = """
        SELECT max(low <> high), min(paid) FROM (
            SELECT min(usual) AS low, max(usual) AS high, min(amount_cents) AS paid FROM (
                SELECT product_id, amount_cents, (amount_cents + discount_cents + coupon_cents) / quantity AS usual
                FROM events WHERE event_type = 'purchase') GROUP BY product_id)"""
    different, least = ask(query)[0]
    assert different is False
    assert least > 0


def test_some_events_are_known_late(shop: tuple[Settings, LoadReport], ask: Ask) -> None:
    """No event is known before it happens; about 3 in 100 hours or days later, and the report says how many."""
    _, report = shop
    earliest, late, share, longest = ask(
        "SELECT min(known_time - event_time) >= INTERVAL 0 DAY, count(*) FILTER (known_time > event_time), "
        "avg((known_time > event_time)::INT), max(known_time - event_time) > INTERVAL 2 DAY FROM events"
    )[0]
    assert earliest
    assert longest
    assert 0.025 < share < 0.035
    assert report.warnings["events known later than they happened"] == late


def test_second_deliveries_are_set_aside(shop: tuple[Settings, LoadReport], ask: Ask) -> None:
    """Each reject repeats an event that stayed, arrived later, and is otherwise the same; the report counts them."""
    _, report = shop
    rejected = ask("SELECT count(*), count(DISTINCT reason) FROM rejects")[0]
    assert report.rejects == {"deliveries": {"second delivery of the same event": rejected[0]}}
    assert 0.005 < rejected[0] / report.event_count < 0.007
    names = [name for name in EVENT_COLUMNS if name != "known_time"]
    same = " AND ".join(
        f"row->>'{name}' IS NOT DISTINCT FROM CAST(to_json(e.{name})->>'$' AS VARCHAR)" for name in names
    )
    matched = ask(
        "SELECT count(*) FROM rejects JOIN events e ON (row->>'event_id')::BIGINT = e.event_id "
        f"WHERE (row->>'known_time')::TIMESTAMP > e.known_time AND {same}"
    )
    assert matched == [(rejected[0],)]


def test_customers_change(ask: Ask) -> None:
    """Some have several rows, no change is recorded before it happens, and some are recorded late."""
    several, backwards, late = ask(
        "SELECT (SELECT count(*) FROM (FROM customers SELECT customer_id GROUP BY ALL HAVING count(*) > 1)), "
        "count(*) FILTER (recorded_at < updated_at), count(*) FILTER (recorded_at > updated_at) FROM customers"
    )[0]
    assert several > 50
    assert backwards == 0
    assert late > 10
    assert ask("SELECT count(DISTINCT customer_id) FROM customers") == [(OPTIONS.customers,)]


def test_popularity_is_skewed(ask: Ask) -> None:
    """The tenth of the products that is viewed most draws more than a third of all views."""
    counts = np.array(ask("SELECT count(*) FROM events WHERE event_type = 'view' GROUP BY product_id ORDER BY 1 DESC"))
    assert counts[: OPTIONS.products // 10].sum() > counts.sum() / 3


def test_reviews_say_what_ratings_mean(ask: Ask) -> None:
    """Good words go with high ratings and bad ones with low, most of the time; some rate without a word."""
    moods = dict(
        ask(
            "SELECT CASE WHEN regexp_matches(review_text, 'Love|happy|great|recommended|Exactly|better than') "
            "THEN 'good' "
            "WHEN regexp_matches(review_text, 'Disappointed|Not what|sent|Would not|poor|Sadly') THEN 'bad' END, "
            "avg(rating) FROM events WHERE event_type = 'rating' AND review_text IS NOT NULL GROUP BY ALL"
        )
    )
    assert moods["good"] >= 4
    assert moods["bad"] <= 2
    assert ask("SELECT count(*) > 0 FROM events WHERE event_type = 'rating' AND review_text IS NULL") == [(True,)]
    assert ask("SELECT min(rating), max(rating) FROM events") == [(1.0, 5.0)]
    assert ask("SELECT count(*) FROM events WHERE (rating IS NULL) <> (event_type <> 'rating')") == [(0,)]


def test_the_same_shop_is_not_simulated_twice(tmp_path: Path) -> None:
    """A second load does nothing and says so; other options or `force` simulate."""
    settings = settings_in(tmp_path)
    first = load_simulated(settings, SMALL)
    assert load_simulated(settings, SMALL) == replace(first, already_loaded=True)
    assert not load_simulated(settings, SMALL, force=True).already_loaded
    assert not load_simulated(settings, replace(SMALL, seed=8)).already_loaded
    assert not load_simulated(settings, SMALL).already_loaded


def test_an_interrupted_simulation_leaves_the_old_shop(tmp_path: Path) -> None:
    """Stopped in the middle, it leaves the log and the tables as they were, and no other file."""
    settings = settings_in(tmp_path)
    load_simulated(settings, SMALL)
    before, files = content(settings), set(settings.data_dir.iterdir())

    def stop(step: str, done: int, total: int) -> None:
        if step.startswith("Simulating") and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_simulated(settings, replace(SMALL, seed=9), stop)
    assert content(settings) == before
    assert set(settings.data_dir.iterdir()) == files


@pytest.mark.parametrize(("customers", "days"), [(1, 1), (3, 8), (40, 7)])
def test_the_smallest_shops_work(tmp_path: Path, customers: int, days: int) -> None:
    """A customer, a day, or a week without a campaign is enough."""
    report = load_simulated(settings_in(tmp_path), SimulationOptions(customers, days, products=100))
    assert report.tables["customers"] >= customers
    assert report.tables["products"] >= 100
