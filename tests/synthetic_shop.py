"""A small synthetic shop that fits the project's own feature repo."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from projects import Project

ROOT = Path(__file__).resolve().parents[1]
SHOP_NOW = datetime(2017, 12, 25, tzinfo=UTC)


def fill_shop(project: Project, *, events: int = 4000, seed: int = 7) -> None:
    """Copy the feature repo and make customers, products and a year of events that fit it."""
    from storekeeper.database import upgrade
    from storekeeper.shop.behaviour import write_behaviour
    from storekeeper.shop.tables import replace_tables

    shutil.copytree(ROOT / "feature_repo", project.repo, ignore=shutil.ignore_patterns("__pycache__"))
    (project.root / "data").mkdir()
    rng = np.random.default_rng(seed)
    url = f"sqlite:///{project.root}/data/shop.db"
    upgrade(url)
    replace_tables(url, {"customers": _customers(rng), "products": _products(rng)})
    log = _events(rng, events)
    with write_behaviour(project.root / "data" / "behaviour.duckdb") as connection:
        connection.register("log", log)
        names = ", ".join(log.column_names)
        connection.execute(f"INSERT INTO events ({names}) SELECT {names} FROM log ORDER BY event_time, event_id")


_CUSTOMERS, _PRODUCTS = 40, 60
_CATEGORIES = ["SOUP", "SOFT DRINKS", "KÄSE", "O'BRIEN", "", "FLUID MILK"]


def _moments(rng: np.random.Generator, count: int, first: str = "2016-12-01") -> np.ndarray:
    start, end = np.datetime64(first, "us"), np.datetime64("2018-01-05", "us")
    drawn = start + rng.integers(0, (end - start).astype(np.int64), count).astype("timedelta64[us]")
    # A third falls on whole hours, so that times repeat and meet hop edges.
    return np.where(rng.random(count) < 1 / 3, drawn.astype("datetime64[h]").astype("datetime64[us]"), drawn)


def _late(rng: np.random.Generator, moments: np.ndarray) -> np.ndarray:
    """When rows became known: most at once, some days later."""
    days = np.where(rng.random(len(moments)) < 0.05, rng.integers(1, 30, len(moments)), 0)
    return moments + days.astype("timedelta64[D]")


def _words(rng: np.random.Generator, words: list[str], count: int) -> pa.Array:
    return pa.array(rng.choice(words, count).tolist(), pa.string(), mask=rng.random(count) < 0.1)


def _slow_rows(rng: np.random.Generator, key: str, count: int) -> dict[str, Any]:
    rows = 3 * count
    ids, moments = rng.integers(1, count + 1, rows), _moments(rng, rows, "2015-01-01")
    _, kept = np.unique(np.rec.fromarrays([ids, moments]), return_index=True)
    moments = moments[kept]
    return {key: pa.array(ids[kept]), "updated_at": pa.array(moments), "recorded_at": pa.array(_late(rng, moments))}


def _customers(rng: np.random.Generator) -> pa.Table:
    rows = _slow_rows(rng, "customer_id", _CUSTOMERS)
    bands = ["age_band", "income_band", "home_ownership", "marital_status", "household_size"]
    names = [*bands, "household_composition", "kids_count"]
    return pa.table(rows | {name: _words(rng, ["a", "b", "65+", "ü"], len(rows["customer_id"])) for name in names})


def _products(rng: np.random.Generator) -> pa.Table:
    rows = _slow_rows(rng, "product_id", _PRODUCTS)
    count = len(rows["product_id"])
    texts = ["sku", "title", "brand", "department", "category", "product_type", "package_size"]
    makers = pa.array(rng.integers(1, 2**60, count), mask=rng.random(count) < 0.2)
    return pa.table(rows | {name: _words(rng, _CATEGORIES, count) for name in texts} | {"manufacturer_id": makers})


def _events(rng: np.random.Generator, count: int) -> pa.Table:
    moments = _moments(rng, count)
    kinds = rng.choice(["purchase", "purchase", "purchase", "offer_received", "offer_redeemed"], count)
    product = rng.integers(1, _PRODUCTS + 1, count)
    return pa.table(
        {
            "event_id": pa.array(np.arange(count)),
            "event_type": pa.array(kinds.tolist()),
            "event_time": pa.array(moments),
            "known_time": pa.array(_late(rng, moments)),
            "customer_id": pa.array(
                (_CUSTOMERS * rng.random(count) ** 2).astype(int) + 1, mask=rng.random(count) < 0.02
            ),
            "product_id": pa.array(product),
            "category": pa.array(
                [_CATEGORIES[p % len(_CATEGORIES)] for p in product.tolist()],
                pa.string(),
                mask=rng.random(count) < 0.02,
            ),
            "department": _words(rng, ["GROCERY", "FUEL"], count),
            "basket_id": pa.array(rng.integers(0, count // 4, count)),
            "store_id": pa.array(rng.integers(1, 9, count)),
            "campaign_id": pa.array(rng.integers(1, 9, count)),
            "offer_id": pa.array(rng.integers(1, 30, count)),
            "quantity": pa.array(rng.integers(1, 5, count)),
            "amount_cents": pa.array(rng.integers(0, 3000, count)),
            "discount_cents": pa.array(rng.integers(0, 200, count)),
            "coupon_cents": pa.array(rng.integers(0, 50, count)),
        }
    )
