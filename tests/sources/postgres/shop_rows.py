"""Rows that a PostgreSQL database holds in tables and views, and sources over it."""

from typing import Any

import pyarrow as pa

from projects import at
from storekeeper.sources import SQLSource
from storekeeper.sources.sql_connection import connect
from storekeeper.sources.sql_relation import SQLRelation

UTC_TIME = pa.timestamp("us", tz="UTC")
TIMES = [at("1969-12-31T23:59:59.999999"), at("2020-02-01T10:30:00.000001"), at("2020-02-02"), at("2020-02-03")]
NAMES = ("user_id", "at", "known", "amount", "word", "flag")
ROWS: list[tuple[Any, ...]] = [
    (3, TIMES[0], TIMES[0], 0.5, "ä", True),
    (1, TIMES[1], TIMES[1], None, "", False),
    (2**53 + 1, TIMES[2], None, -1.5, None, None),
    (None, TIMES[3], TIMES[3], 0.1, 'o\'b "%s",\n\t\\N :x', True),
]
LARGE = """
CREATE TABLE own AS
SELECT (i * 7919) % 5000 AS user_id, 'k' || i % 50 AS word, i AS n,
    timestamptz '2020-01-01 00:00:00+00' + (i % 1000) * interval '1 hour' AS at
FROM generate_series(1, 40000) AS i;
"""


def shop_source(**options: Any) -> SQLSource:
    """A source over the database that `SHOP_URL` names."""
    return SQLSource(**{"name": "s", "url": "${SHOP_URL}", "timestamp_field": "at"} | options)


def open_relation(url: str, relation: SQLRelation) -> Any:
    """A connection as a read of the source has it."""
    return connect(url, relation.source)
