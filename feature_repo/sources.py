"""Where features come from: slow-changing tables in a SQL database, behaviour in a DuckDB file."""

from feast import PushSource

from storekeeper.sources import DuckDBSource, SQLSource

DATABASE = "${STOREKEEPER_DATABASE_URL:-sqlite:///data/shop.db}"
BEHAVIOUR = "data/behaviour.duckdb"

customers = SQLSource(
    name="customers",
    url=DATABASE,
    table="customers",
    timestamp_field="updated_at",
    created_timestamp_column="recorded_at",
    description="Demographics, one row a change",
)

products = SQLSource(
    name="products",
    url=DATABASE,
    table="products",
    timestamp_field="updated_at",
    created_timestamp_column="recorded_at",
    description="The catalogue, one row a change",
)

campaigns = SQLSource(
    name="campaigns",
    url=DATABASE,
    query="SELECT campaign_id, campaign_type, starts_at, ends_at FROM campaigns",
    timestamp_field="starts_at",
    description="Campaigns, known from their start on",
)

# Unit price and discount share are per line; the views aggregate them.
_PURCHASES = """
SELECT
    customer_id, product_id, category, department, basket_id, store_id, event_time, known_time,
    quantity, amount_cents, discount_cents + coupon_cents AS saved_cents,
    amount_cents / quantity AS unit_price_cents,
    (discount_cents + coupon_cents) / nullif(amount_cents + discount_cents + coupon_cents, 0) AS discount_share
FROM events
WHERE event_type = 'purchase'
"""

purchase_log = DuckDBSource(
    name="purchase_log",
    database=BEHAVIOUR,
    query=_PURCHASES,
    timestamp_field="event_time",
    created_timestamp_column="known_time",
    description="Purchase lines",
)

offer_log = DuckDBSource(
    name="offer_log",
    database=BEHAVIOUR,
    query="""
SELECT
    customer_id, campaign_id, offer_id, event_time, known_time,
    CASE WHEN event_type = 'offer_received' THEN campaign_id END AS received_campaign_id,
    CASE WHEN event_type = 'offer_redeemed' THEN offer_id END AS redeemed_offer_id
FROM events
WHERE event_type IN ('offer_received', 'offer_redeemed')
""",
    timestamp_field="event_time",
    created_timestamp_column="known_time",
    description="Campaign mailings and coupon redemptions",
)

return_log = DuckDBSource(
    name="return_log",
    database=BEHAVIOUR,
    query="""
SELECT customer_id, product_id, basket_id, event_time, known_time, quantity, amount_cents
FROM events
WHERE event_type = 'return'
""",
    timestamp_field="event_time",
    created_timestamp_column="known_time",
    description="Order lines that came back",
)

# No tag names the log's event_id: it is a place in the files that were loaded, which no till knows. Live events are
# known by their content.
purchases = PushSource(name="purchases", batch_source=purchase_log, description="Purchase lines, live and past")
offers = PushSource(name="offers", batch_source=offer_log, description="Mailings and redemptions, live and past")
returns = PushSource(name="returns", batch_source=return_log, description="Order lines that came back, live and past")
