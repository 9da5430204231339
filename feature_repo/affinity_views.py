"""How a customer and a category get on."""

from datetime import timedelta

import pandas as pd
from feast import Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

from customer_views import customer_activity
from entities import category, customer
from sources import purchases
from windows import fields, over_days

_lines = over_days("affinity_lines", "count")
_baskets = over_days("affinity_baskets", "count_distinct", "basket_id", (28, 91, 182, 364))
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


@on_demand_feature_view(
    sources=[
        customer_category_affinity[
            ["affinity_baskets_364d", "affinity_seconds_since_last", "affinity_seconds_since_first"]
        ],
        customer_activity[["baskets_364d"]],
    ],
    schema=[
        Field(name="affinity_gap_seconds", dtype=Float64),
        Field(name="affinity_due", dtype=Float64),
        Field(name="affinity_basket_share", dtype=Float64),
    ],
    description="Time between a customer's baskets with a category, how much of it has passed, and their share of all",
)
def affinity_rhythm(inputs: pd.DataFrame) -> pd.DataFrame:
    """Vectorised, over 364 days; the gap is null before a second basket, `affinity_due` is 1 after one mean gap."""
    baskets = inputs["affinity_baskets_364d"].astype("float64")
    since_last = inputs["affinity_seconds_since_last"].astype("float64")
    since_first = inputs["affinity_seconds_since_first"].astype("float64")
    gap = (since_first - since_last) / (baskets - 1).where(baskets > 1)
    all_baskets = inputs["baskets_364d"].astype("float64")
    return pd.DataFrame(
        {
            "affinity_gap_seconds": gap,
            "affinity_due": since_last / gap.where(gap > 0),
            "affinity_basket_share": baskets / all_baskets.where(all_baskets > 0),
        }
    )
