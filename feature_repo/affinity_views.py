"""How a customer and a category get on."""

from datetime import timedelta

from feast import StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Float64, Int64

from entities import category, customer
from sources import purchases
from windows import fields, over_days

_lines = over_days("affinity_lines", "count")
_baskets = over_days("affinity_baskets", "count_distinct", "basket_id", (28, 91))
_spend = over_days("affinity_spend_cents", "sum", "amount_cents", (7, 28, 91))
_products = over_days("affinity_products", "count_distinct", "product_id", (91,))
_discount = over_days("affinity_discount_share", "mean", "discount_share", (91,))
_recency = [
    Aggregation(function="seconds_since_last", time_window=timedelta(days=364), name="affinity_seconds_since_last"),
    Aggregation(function="seconds_since_first", time_window=timedelta(days=364), name="affinity_seconds_since_first"),
]

customer_category_affinity = StreamFeatureView(
    name="customer_category_affinity",
    entities=[customer, category],
    schema=[
        *fields([*_lines, *_baskets, *_spend, *_products], Int64),
        *fields([*_discount, *_recency], Float64),
    ],
    source=purchases,
    timestamp_field="event_time",
    aggregations=[*_lines, *_baskets, *_spend, *_products, *_discount, *_recency],
    description="How often, how much and how lately a customer bought in a category",
)
