"""Online Retail in the canonical schema: invoice lines become purchases and returns.

Orders. The lines of one order (InvoiceNo) and product are one event, so that order and product name a purchase. Lines
without customer (a quarter) stay, with a null customer: they are sales of the product all the same.

Returns. A cancellation (InvoiceNo with a C) becomes a `return`, as other loaders write it: basket and product of the
purchase, quantity and amount positive; its own time. `online_retail_returns` works out the purchase. What was bought
before the data begin, or by nobody known, stays as a return without basket: it happened, but it is no order's label.

Times. The file's are local to the shop, in minutes, without zone; they are taken as UTC, so summer is an hour late.

Names. `product_id` is the stock code read as a number in base 36, so it doesn't depend on what else is in the file;
`sku` holds the code itself. The title is the code's most frequent description. Categories come from
`online_retail_categories`; `product_type` is the word that told. `store_id` is the country delivered to, as ISO
3166-1 numeric code. What the shop took off is unknown, so discounts are null.
"""
# ruff: noqa: S608 (the SQL is put together from constants of this package)

from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from storekeeper.shop.cleaning import clean, instant, literal, text, whole
from storekeeper.shop.columns import PURCHASE, RETURN
from storekeeper.shop.intake import POSITION, register
from storekeeper.shop.online_retail_categories import OTHER, categorise
from storekeeper.shop.online_retail_returns import Cancellation, OrderLine, match_returns
from storekeeper.shop.online_retail_rules import (
    CANCELLED,
    COLUMNS,
    COUNTRY_CODES,
    EARLIEST,
    INVOICE,
    QUANTITY,
    RULES,
    SOURCE,
    STOCK_CODE,
    UNIT_CENTS,
)
from storekeeper.shop.storing import StagedShop, event_id

# Pieces of one cancellation are told apart above the bits that positions take.
_ID_BITS_FOR_PIECE = 30
_CLOCK_SLACK = timedelta(days=31)


def stage_online_retail(connection: duckdb.DuckDBPyConnection, lines: pa.Table, now: datetime) -> StagedShop:
    """Clean the invoice lines and turn them into the canonical schema; nothing permanent is written.

    Every line ends in exactly one place: in a purchase, in returns, or among the rejects with a reason.

    Parameters
    ----------
    connection
        Receives temporary tables and views.
    lines
        With the columns `online_retail_rules.COLUMNS`, of any type that reads as what is expected.
    now
        By the platform's clock: a warning says so if the shop's history has not ended shortly before.

    Raises
    ------
    DataError
        If a column is missing.
    """
    register(connection, SOURCE, lines, COLUMNS)
    cleaned = clean(connection, SOURCE, RULES)
    connection.register("country_codes", pa.table({"name": [*COUNTRY_CODES], "code": [*COUNTRY_CODES.values()]}))
    connection.register("catalogue", _catalogue(connection))
    for statement in _LINES:
        connection.execute(statement)
    connection.register("returned_pieces", _match(connection))
    connection.execute(f"CREATE TEMP VIEW staged_events AS {' UNION ALL BY NAME '.join(_EVENTS)}")
    return StagedShop(
        events="staged_events",
        tables={name: connection.sql(query).to_arrow_table() for name, query in _TABLES.items()},
        cleaned=(cleaned,),
        adjustments={name: _count(connection, rows) for name, rows in _ADJUSTMENTS.items()},
        warnings={name: _count(connection, rows) for name, rows in _WARNINGS.items()} | _clock_warning(connection, now),
    )


def _catalogue(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Each stock code with its id, its most frequent description, and what that tells."""
    found = connection.execute(_TITLES).fetchall()
    told = [categorise(title) for _, title in found]
    return pa.table(
        {
            "sku": pa.array([sku for sku, _ in found], pa.string()),
            "product_id": pa.array([int(sku, 36) for sku, _ in found], pa.int64()),
            "title": pa.array([title for _, title in found], pa.string()),
            "category": pa.array([category for category, _ in told], pa.string()),
            "product_type": pa.array([word for _, word in told], pa.string()),
        }
    )


def _match(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Which pieces of which cancellation came from which order."""
    returned = match_returns(
        [OrderLine(*row) for row in connection.execute(_RETURNABLE).fetchall()],
        [Cancellation(*row) for row in connection.execute(_CANCELLATIONS).fetchall()],
    )
    return pa.table(
        {
            "position": pa.array([one.position for one in returned], pa.int64()),
            "piece": pa.array([one.piece for one in returned], pa.int64()),
            "basket_id": pa.array([one.basket_id for one in returned], pa.int64()),
            "quantity": pa.array([one.quantity for one in returned], pa.int64()),
        }
    )


def _clock_warning(connection: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, int]:
    """All events, under what to do about it, if the clock shows a time at which the shop isn't at its end."""
    last, events = connection.execute("SELECT max(event_time), count(*) FROM staged_events").fetchall()[0]
    if last is None or last <= now.astimezone(UTC).replace(tzinfo=None) <= last + _CLOCK_SLACK:
        return {}
    fitting = (last + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    hint = f"events of a history that ends at {last}: the clock shows {now:%Y-%m-%d}; it should show its end: "
    return {f"{hint}STOREKEEPER_CLOCK={fitting.isoformat()}Z": events}


def _count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    return int(connection.execute(f"SELECT coalesce({rows}, 0)").fetchall()[0][0])


_TITLES = f"""SELECT sku, title FROM (
        SELECT {STOCK_CODE} AS sku, {text("Description")} AS title, count(*) AS lines FROM {SOURCE}_clean GROUP BY ALL
    ) QUALIFY row_number() OVER (PARTITION BY sku ORDER BY title IS NULL, lines DESC, title) = 1 ORDER BY sku"""

_LINES = (
    f"""CREATE TEMP TABLE lines AS
    SELECT {POSITION} AS position, {CANCELLED} AS cancelled, CAST(ltrim({INVOICE}, 'C') AS BIGINT) AS basket_id,
        {whole("CustomerID")} AS customer_id, product_id, category, {instant("InvoiceDate")} AS event_time,
        code AS store_id, abs({QUANTITY}) AS quantity, {UNIT_CENTS} AS unit_cents
    FROM {SOURCE}_clean AS line JOIN catalogue ON sku = {STOCK_CODE}
        LEFT JOIN country_codes ON name = trim(CAST("Country" AS VARCHAR))""",
    # An order whose lines were entered over several minutes is known as a whole when the last is.
    """CREATE TEMP TABLE bought AS
    SELECT min(position) AS position, basket_id, product_id, min(category) AS category,
        min(customer_id) AS customer_id, min(store_id) AS store_id, max(event_time) AS event_time,
        CAST(sum(quantity) AS BIGINT) AS quantity, CAST(sum(quantity * unit_cents) AS BIGINT) AS amount_cents,
        count(*) AS lines
    FROM lines WHERE NOT cancelled GROUP BY basket_id, product_id""",
)

_CANCELLATIONS = """SELECT position, customer_id, product_id, epoch_us(event_time), quantity, unit_cents
    FROM lines WHERE cancelled"""
_RETURNABLE = """SELECT customer_id, product_id, basket_id, epoch_us(event_time), quantity, amount_cents
    FROM bought SEMI JOIN (FROM lines WHERE cancelled) USING (customer_id, product_id)"""

_EVENTS = (
    f"""SELECT {event_id(PURCHASE, "position")} AS event_id, '{PURCHASE}' AS event_type, event_time,
        event_time AS known_time, customer_id, product_id, category, basket_id, store_id, quantity, amount_cents
    FROM bought""",
    f"""SELECT {event_id(RETURN, f"(piece << {_ID_BITS_FOR_PIECE}) + position")} AS event_id,
        '{RETURN}' AS event_type, event_time, event_time AS known_time, customer_id, product_id, category,
        piece.basket_id, store_id, piece.quantity, piece.quantity * unit_cents AS amount_cents
    FROM returned_pieces AS piece JOIN lines USING (position)""",
)

_SINCE = f"{literal(EARLIEST)} AS updated_at, {literal(EARLIEST)} AS recorded_at"
_UNKNOWN = "CAST(NULL AS VARCHAR)"

_TABLES = {
    "customers": f"""SELECT DISTINCT customer_id, {_SINCE}, {_UNKNOWN} AS age_band, {_UNKNOWN} AS income_band,
            {_UNKNOWN} AS home_ownership, {_UNKNOWN} AS marital_status, {_UNKNOWN} AS household_size,
            {_UNKNOWN} AS household_composition, {_UNKNOWN} AS kids_count
        FROM staged_events WHERE customer_id IS NOT NULL ORDER BY customer_id""",
    "products": f"""SELECT product_id, {_SINCE}, sku, title, {_UNKNOWN} AS brand,
            CAST(NULL AS BIGINT) AS manufacturer_id, {_UNKNOWN} AS department, category, product_type,
            {_UNKNOWN} AS package_size
        FROM catalogue ORDER BY product_id""",
}

_ADJUSTMENTS = {
    "lines added to another of the same order and product": "(SELECT sum(lines - 1) FROM bought)",
    "further returns of cancellations that undo several orders": "(SELECT count(*) FROM returned_pieces "
    "WHERE piece > 0)",
}
_WARNINGS = {
    "purchases without customer": "(SELECT count(*) FROM bought WHERE customer_id IS NULL)",
    "returns without customer, so without basket": "(SELECT count(*) FROM lines WHERE cancelled "
    "AND customer_id IS NULL)",
    "returns of what no earlier order explains, without basket": """(SELECT count(*) FROM returned_pieces AS piece
        JOIN lines USING (position) WHERE piece.basket_id IS NULL AND customer_id IS NOT NULL)""",
    "purchases to a country without code, without store": "(SELECT count(*) FROM bought WHERE store_id IS NULL)",
    f"products whose title names no known thing, in category '{OTHER}'": "(SELECT count(*) FROM catalogue "
    f"WHERE category = '{OTHER}')",
}
