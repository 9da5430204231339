"""What we know of a customer: who they are, what they did lately."""

from datetime import timedelta

from feast import FeatureView, Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Float64, Int64, String

from entities import customer
from sources import customers, offers, purchases
from windows import DAYS, fields, over_days

customer_profile = FeatureView(
    name="customer_profile",
    entities=[customer],
    ttl=timedelta(0),
    schema=[
        Field(name="age_band", dtype=String),
        Field(name="income_band", dtype=String),
        Field(name="home_ownership", dtype=String),
        Field(name="marital_status", dtype=String),
        Field(name="household_size", dtype=String),
        Field(name="household_composition", dtype=String),
        Field(name="kids_count", dtype=String),
    ],
    source=customers,
    description="Demographics, the latest known",
)

_lines = over_days("lines", "count")
_spend = over_days("spend_cents", "sum", "amount_cents")
_baskets = over_days("baskets", "count_distinct", "basket_id", (*DAYS, 364))
_products = over_days("products", "count_distinct", "product_id")
_categories = over_days("categories", "count_distinct", "category", (28, 91))
_discount = over_days("discount_share", "mean", "discount_share", (28, 91))
_price = over_days("unit_price_cents", "mean", "unit_price_cents", (91,))
_recency = [
    Aggregation(function="seconds_since_last", time_window=timedelta(days=364), name="seconds_since_purchase"),
    Aggregation(function="seconds_since_first", time_window=timedelta(days=364), name="seconds_as_customer"),
]

customer_activity = StreamFeatureView(
    name="customer_activity",
    entities=[customer],
    schema=[
        *fields([*_lines, *_spend, *_baskets, *_products, *_categories], Int64),
        *fields([*_discount, *_price, *_recency], Float64),
    ],
    source=purchases,
    timestamp_field="event_time",
    aggregations=[
        *_lines,
        *_spend,
        *_baskets,
        *_products,
        *_categories,
        *_discount,
        *_price,
        *_recency,
    ],
    description="How often, how much and how varied a customer bought",
)

_offers = [
    *over_days("offers_received", "count", "received_campaign_id", (28, 91)),
    *over_days("offers_redeemed", "count", "redeemed_offer_id", (28, 91)),
]

customer_offers = StreamFeatureView(
    name="customer_offers",
    entities=[customer],
    schema=fields(_offers, Int64),
    source=offers,
    timestamp_field="event_time",
    aggregations=_offers,
    description="Campaigns mailed to a customer, and coupons redeemed",
)
