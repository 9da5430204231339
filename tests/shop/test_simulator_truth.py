"""The chances that a simulated shop writes down are those with which things come true."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from storekeeper.clock import Clock
from storekeeper.database import connect
from storekeeper.errors import NotFoundError, SourceError
from storekeeper.settings import Settings
from storekeeper.shop.behaviour import open_behaviour, write_behaviour
from storekeeper.shop.columns import EVENT_COLUMNS
from storekeeper.shop.simulator import (
    DECISIONS,
    SimulationOptions,
    best_auc,
    expected_auc,
    load_simulated,
    outcomes,
)
from storekeeper.shop.tables import shop_tables

OPTIONS = SimulationOptions(customers=2_500, days=98, seed=11, products=400)
# By how many standard deviations a right probability may miss; one in 15,000 does.
MOST_DEVIATIONS = 4.0


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The behaviour log of a simulated shop. Don't change it."""
    home = tmp_path_factory.mktemp("truth")
    clock = Clock(fixed=datetime(2025, 1, 1, tzinfo=UTC))
    settings = Settings(home=home, database_url=f"sqlite:///{home}/shop.db", clock=clock)
    load_simulated(settings, OPTIONS)
    return settings.behaviour_path


@pytest.mark.parametrize("decision", DECISIONS)
def test_chances_are_true(log: Path, decision: str) -> None:
    """As often as the chances say, things come true: over all, and in each fifth from the least to the most likely."""
    table = outcomes(log, decision)
    chance, came = (table[name].to_numpy().astype(float) for name in ("probability", "outcome"))
    fifth = np.searchsorted(np.quantile(chance, [0.2, 0.4, 0.6, 0.8]), chance)
    assert table.num_rows > 1_000
    for part in (np.ones(len(chance), bool), *(fifth == number for number in range(5))):
        deviation = np.sqrt((chance[part] * (1 - chance[part])).sum())
        assert abs(came[part].sum() - chance[part].sum()) < MOST_DEVIATIONS * deviation


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_best_auc_is_neither_chance_nor_certainty(log: Path, decision: str) -> None:
    """There is much to learn and much that nobody can know; what came of it agrees with what was expected."""
    expected = best_auc(log, decision)
    assert 0.62 < expected < 0.9
    table = outcomes(log, decision)
    chance, came = table["probability"].to_numpy(), table["outcome"].to_numpy()
    assert abs(ranked(chance, came) - expected) < 0.04


def ranked(chance: np.ndarray, came: np.ndarray) -> float:
    """The AUC, by the sum of ranks; probabilities tie too seldom to matter."""
    ranks = np.argsort(np.argsort(chance)) + 1
    positive = int(came.sum())
    return float((ranks[came].sum() - positive * (positive + 1) / 2) / (positive * (len(came) - positive)))


def test_expected_auc_is_that_of_all_outcomes() -> None:
    """It equals the ratio of expected to possible pairs, ties counted half."""
    chance = np.array([0.1, 0.3, 0.3, 0.8, 1.0, 0.0])
    pairs = [(p * (1 - q), (p > q) + (p == q) / 2) for p in chance for q in chance]
    assert expected_auc(chance) == pytest.approx(sum(w * g for w, g in pairs) / sum(w for w, _ in pairs))
    assert np.isnan(expected_auc(np.array([])))


def test_no_feature_can_see_the_truth(log: Path) -> None:
    """The events hold nothing but canonical columns, and truths hang on events of the right types."""
    types = {
        "click": {"impression"},
        "cart": {"view"},
        "purchase": {"view"},
        "checkout": {"cart_add"},
        "return": {"purchase"},
        "next_item": {"purchase"},
        "churn": {"purchase"},
        "again": {"purchase"},
        "redeem": {"offer_received"},
    }
    with open_behaviour(log) as connection:
        assert [row[0] for row in connection.execute("DESCRIBE events").fetchall()] == list(EVENT_COLUMNS)
        query = "SELECT decision, list(DISTINCT event_type) FROM truth LEFT JOIN events USING (event_id) GROUP BY ALL"
        assert {name: set(found) for name, found in connection.execute(query).fetchall()} == types
        query = "SELECT min(probability) >= 0, max(probability) <= 1, count(*) = count(DISTINCT (event_id, decision))"
        assert connection.execute(f"{query} FROM truth").fetchall() == [(True, True, True)]


def test_every_decision_has_its_chance(log: Path) -> None:
    """Each impression, view, cart, line, basket and mailing has the chances that hang on it."""
    with open_behaviour(log) as connection:
        truths = dict(connection.execute("SELECT decision, count(*) FROM truth GROUP BY ALL").fetchall())
        events = dict(connection.execute("SELECT event_type, count(*) FROM events GROUP BY ALL").fetchall())
        query = "SELECT count(DISTINCT basket_id), count(*) FILTER (offer_id IS NULL) FROM events"
        baskets, plain = connection.execute(f"{query} WHERE event_type = 'purchase'").fetchall()[0]
    assert truths == {
        "click": events["impression"],
        "cart": events["view"],
        "purchase": events["view"],
        "checkout": events["cart_add"],
        "return": events["purchase"],
        "again": events["purchase"],
        "redeem": events["offer_received"],
        "churn": baskets,
        "next_item": plain,
    }


def test_the_next_item_beats_popularity(log: Path) -> None:
    """The true chance of the product bought is, in the geometric mean, several times its share of all purchases."""
    query = """
        SELECT avg(ln(truth.probability)), avg(ln(share)) FROM truth JOIN events USING (event_id) JOIN (
            SELECT product_id, count(*) / sum(count(*)) OVER () AS share
            FROM events WHERE event_type = 'purchase' GROUP BY product_id) USING (product_id)
        WHERE decision = 'next_item'"""
    with open_behaviour(log) as connection:
        known, popular = connection.execute(query).fetchall()[0]
    assert known > popular + np.log(1.5)


def test_immature_outcomes_are_left_out(log: Path) -> None:
    """Only events whose outcome is known at the end of the log count, and only those of the time asked for."""
    times = outcomes(log, "churn")["event_time"].to_numpy()
    assert times.max() <= np.datetime64(OPTIONS.ends_at - timedelta(days=28), "us")
    since, until = datetime(2024, 1, 20), datetime(2024, 1, 25)  # noqa: DTZ001
    some = outcomes(log, "click", since, until)["event_time"].to_numpy()
    assert some.min() >= np.datetime64(since)
    assert some.max() < np.datetime64(until)


def test_unknown_decisions_and_other_logs_are_refused(log: Path, tmp_path: Path) -> None:
    """The message lists the decisions that there are, or says how to get a simulated shop."""
    with pytest.raises(NotFoundError, match=r"no decision 'sneeze'. There are 'again', 'cart', 'checkout'"):
        best_auc(log, "sneeze")
    with write_behaviour(tmp_path / "real.duckdb"):
        pass
    with pytest.raises(SourceError, match="not the log of a simulated shop"):
        best_auc(tmp_path / "real.duckdb", "click")


def profiles(log: Path) -> pa.Table:
    """A row of `customers` for each, from the database beside the log."""
    customers = shop_tables()["customers"]
    with connect(f"sqlite:///{log.parent.parent}/shop.db") as connection:
        found = connection.execute(
            select(customers.c.customer_id, func.max(customers.c.income_band)).group_by("customer_id")
        )
        ids, bands = zip(*found.fetchall(), strict=True)
    return pa.table({"customer_id": ids, "income_band": bands})


def test_discounts_work_on_those_who_count_pennies(log: Path) -> None:
    """A discount on show lifts clicks, and lifts them most where the visible income is low."""
    query = """
        WITH looks AS (
            SELECT income_band, discount_cents > 0 AS off, EXISTS (
                FROM events c WHERE c.event_type = 'click' AND c.session_id = e.session_id
                AND c.product_id = e.product_id) AS clicked
            FROM events e JOIN people USING (customer_id) WHERE event_type = 'impression')
        SELECT income_band, avg(clicked::INT) FILTER (off) / avg(clicked::INT) FILTER (NOT off)
        FROM looks WHERE income_band IS NOT NULL GROUP BY ALL"""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{log}' AS log (READ_ONLY); CREATE VIEW events AS FROM log.events")
        connection.register("people", profiles(log))
        lift = dict(connection.execute(query).fetchall())
    assert 1 < lift["100K+"] < lift["UNDER 50K"]
