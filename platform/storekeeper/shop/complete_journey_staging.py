"""The Complete Journey in the canonical schema: its tables cleaned and turned into events and shop tables.

Times. The package's timestamps are UTC: its weeks break at 05:00 in winter and 04:00 in summer, which is midnight in
the shop's zone, America/New_York. Dates (campaigns, redemptions) are days of the shop. A campaign's offers are
received when its first day begins. A redemption carries only its day, so the event is stamped with the day's last
microsecond, the first moment at which it has surely happened: the day's first would let a model see the future, and
so would the end of the UTC day, after which one redemption in eight still comes.

Profiles. Demographics and the catalogue carry no date. They are taken as known from `EARLIEST` on, before any event.

Fuel. Fuel is sold by volume, in thousandths of a gallon, so its quantities run to tens of thousands where all others
are units. A line of fuel counts as one unit; what was paid for it is kept.
"""
# ruff: noqa: S608 (the SQL is put together from constants of this package)

from collections.abc import Mapping

import duckdb
import pandas as pd
import pyarrow as pa

from storekeeper.errors import DataError, listing
from storekeeper.shop.cleaning import cents, clean, instant, literal, text, whole
from storekeeper.shop.columns import OFFER_RECEIVED, OFFER_REDEEMED, PURCHASE
from storekeeper.shop.complete_journey_rules import EARLIEST, FUEL_PRODUCTS, KNOWN_CAMPAIGNS, RULES, SOURCES
from storekeeper.shop.intake import POSITION, register
from storekeeper.shop.storing import StagedShop, event_id

SHOP_ZONE = "America/New_York"

Tables = Mapping[str, pd.DataFrame | pa.Table]


def stage_complete_journey(connection: duckdb.DuckDBPyConnection, tables: Tables) -> StagedShop:
    """Clean the package's tables and turn them into the canonical schema; nothing permanent is written.

    Every row of every source ends in exactly one place: kept, or among its source's rejects with a reason.

    Parameters
    ----------
    connection
        Receives temporary tables and views.
    tables
        By the names in `complete_journey_rules.SOURCES`; columns may be of any type that reads as what is expected.

    Raises
    ------
    DataError
        If a table or a column is missing.
    """
    if missing := set(SOURCES) - set(tables):
        raise DataError(f"The Complete Journey lacks the tables {listing(missing)}. There are {listing(tables)}.")
    cleaned = []
    for source, columns in SOURCES.items():
        register(connection, source, tables[source], columns)
        cleaned.append(clean(connection, source, RULES[source]))
        if source in _DERIVED:
            connection.execute(f"CREATE TEMP TABLE {_DERIVED[source]}")
    connection.execute(f"CREATE TEMP VIEW staged_events AS {' UNION ALL BY NAME '.join(_EVENTS)}")
    return StagedShop(
        events="staged_events",
        tables={name: connection.sql(query).to_arrow_table() for name, query in _TABLES.items()},
        cleaned=tuple(cleaned),
        adjustments={name: _count(connection, condition) for name, condition in _ADJUSTMENTS.items()},
        warnings={name: _count(connection, condition) for name, condition in _WARNINGS.items()},
    )


def _count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])


def _day_begins(column: str, days_later: int = 0) -> str:
    """SQL for the UTC instant at which the shop's day in a column begins, or one some days later."""
    day = f"date_trunc('day', {instant(column)}) + INTERVAL {days_later} DAY"
    return f"timezone('UTC', timezone('{SHOP_ZONE}', CAST({day} AS TIMESTAMP)))"


def _day_ends(column: str) -> str:
    """SQL for the last microsecond of the shop's day in a column, in UTC."""
    return f"{_day_begins(column, 1)} - INTERVAL 1 MICROSECOND"


# What later sources need to know of earlier ones.
_DERIVED = {
    "products": f"""catalogue AS
        SELECT {whole("product_id")} AS product_id, {whole("manufacturer_id")} AS manufacturer_id,
            {text("department")} AS department, {text("brand")} AS brand, {text("product_category")} AS category,
            {text("product_type")} AS product_type, {text("package_size")} AS package_size
        FROM products_clean;
        CREATE TEMP VIEW {FUEL_PRODUCTS} AS
        SELECT product_id FROM catalogue WHERE department = 'FUEL' OR product_type LIKE 'GASOLINE%'""",
    "campaign_descriptions": f"""{KNOWN_CAMPAIGNS} AS
        SELECT {whole("campaign_id")} AS campaign_id, {text("campaign_type")} AS campaign_type,
            {_day_begins("start_date")} AS starts_at, {_day_ends("end_date")} AS ends_at
        FROM campaign_descriptions_clean""",
    "transactions": f"""lines AS
        SELECT t.* EXCLUDE (quantity, product_id), {whole("quantity")} AS quantity, {whole("product_id")} AS product_id,
            ({whole("product_id")}) IN (FROM {FUEL_PRODUCTS}) AS is_fuel
        FROM transactions_clean AS t""",
}

_EVENTS = (
    f"""SELECT {event_id(PURCHASE, POSITION)} AS event_id, '{PURCHASE}' AS event_type,
        {instant("transaction_timestamp")} AS event_time, event_time AS known_time,
        {whole("household_id")} AS customer_id, lines.product_id, category, department,
        {whole("basket_id")} AS basket_id, {whole("store_id")} AS store_id,
        CASE WHEN is_fuel THEN 1 ELSE quantity END AS quantity, {cents("sales_value")} AS amount_cents,
        {cents("retail_disc")} AS discount_cents,
        {cents("coupon_disc")} + {cents("coupon_match_disc")} AS coupon_cents
    FROM lines LEFT JOIN catalogue ON lines.product_id = catalogue.product_id""",
    f"""SELECT {event_id(OFFER_RECEIVED, POSITION)} AS event_id, '{OFFER_RECEIVED}' AS event_type,
        starts_at AS event_time, event_time AS known_time, {whole("household_id")} AS customer_id,
        known.campaign_id
    FROM campaigns_clean AS mailed JOIN {KNOWN_CAMPAIGNS} AS known
        ON TRY_CAST(mailed.campaign_id AS BIGINT) = known.campaign_id""",
    f"""SELECT {event_id(OFFER_REDEEMED, POSITION)} AS event_id, '{OFFER_REDEEMED}' AS event_type,
        {_day_ends("redemption_date")} AS event_time, event_time AS known_time,
        {whole("household_id")} AS customer_id, {whole("campaign_id")} AS campaign_id,
        {whole("coupon_upc")} AS offer_id
    FROM coupon_redemptions_clean""",
)

_SINCE = f"{literal(EARLIEST)} AS updated_at, {literal(EARLIEST)} AS recorded_at"

_TABLES = {
    "customers": f"""SELECT customer_id, {_SINCE}, age_band, income_band, home_ownership, marital_status,
            household_size, household_composition, kids_count
        FROM (SELECT customer_id FROM staged_events UNION SELECT {whole("household_id")} FROM demographics_clean)
        LEFT JOIN (
            SELECT {whole("household_id")} AS customer_id, {text("age")} AS age_band, {text("income")} AS income_band,
                {text("home_ownership")} AS home_ownership, {text("marital_status")} AS marital_status,
                {text("household_size")} AS household_size, {text("household_comp")} AS household_composition,
                {text("kids_count")} AS kids_count
            FROM demographics_clean
        ) USING (customer_id) ORDER BY customer_id""",
    "products": f"""SELECT product_id, {_SINCE}, CAST(product_id AS VARCHAR) AS sku, CAST(NULL AS VARCHAR) AS title,
            brand, manufacturer_id, department, category, product_type, package_size
        FROM catalogue ORDER BY product_id""",
    "campaigns": f"SELECT campaign_id, campaign_type, starts_at, ends_at FROM {KNOWN_CAMPAIGNS} ORDER BY campaign_id",
    "offers": f"""SELECT DISTINCT {whole("campaign_id")} AS campaign_id, {whole("coupon_upc")} AS offer_id,
            {whole("product_id")} AS product_id
        FROM coupons_clean ORDER BY ALL""",
}

_ADJUSTMENTS = {"fuel sold by volume, quantity set to 1": "lines WHERE is_fuel AND quantity <> 1"}

_WARNINGS = {
    "purchases of products that are not in the catalogue, without category": "lines ANTI JOIN catalogue "
    "USING (product_id)",
    "offers on products that are not in the catalogue": f"(SELECT {whole('product_id')} AS product_id "
    "FROM coupons_clean) ANTI JOIN catalogue USING (product_id)",
}
