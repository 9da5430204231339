"""What comes back: how often a customer returns, and how often a product is returned."""

from datetime import timedelta

import pandas as pd
from feast import Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

from customer_views import customer_activity
from entities import customer, product
from product_views import product_popularity
from sources import returns
from windows import fields, over_days

_LONG = (28, 91, 364)

_returned = over_days("returned_lines", "count", days=_LONG)
_returned_cents = over_days("returned_cents", "sum", "amount_cents", (91, 364))
_since_return = [
    Aggregation(function="seconds_since_last", time_window=timedelta(days=364), name="seconds_since_return"),
]

customer_returns = StreamFeatureView(
    name="customer_returns",
    entities=[customer],
    schema=[*fields([*_returned, *_returned_cents], Int64), *fields(_since_return, Float64)],
    source=returns,
    timestamp_field="event_time",
    aggregations=[*_returned, *_returned_cents, *_since_return],
    description="How often, how much and how lately a customer sent something back",
)

_product_returned = over_days("product_returned_lines", "count", days=_LONG)
_product_returners = over_days("product_returners", "count_distinct", "customer_id", (91, 364))

product_returns = StreamFeatureView(
    name="product_returns",
    entities=[product],
    schema=fields([*_product_returned, *_product_returners], Int64),
    source=returns,
    timestamp_field="event_time",
    aggregations=[*_product_returned, *_product_returners],
    description="How often a product came back, and from how many customers",
)


@on_demand_feature_view(
    sources=[
        customer_returns[["returned_lines_91d"]],
        customer_activity[["lines_91d"]],
        product_returns[["product_returned_lines_91d"]],
        product_popularity[["product_lines_91d"]],
    ],
    schema=[
        Field(name="customer_return_share", dtype=Float64),
        Field(name="product_return_share", dtype=Float64),
    ],
    description="Lines that came back in 91 days, of those that were bought in 91 days",
)
def return_shares(inputs: pd.DataFrame) -> pd.DataFrame:
    """Vectorised; null where nothing was bought. What was bought before the 91 days may make a share exceed 1."""
    customer_lines = inputs["lines_91d"].astype("float64")
    product_lines = inputs["product_lines_91d"].astype("float64")
    return pd.DataFrame(
        {
            "customer_return_share": inputs["returned_lines_91d"].astype("float64")
            / customer_lines.where(customer_lines > 0),
            "product_return_share": inputs["product_returned_lines_91d"].astype("float64")
            / product_lines.where(product_lines > 0),
        }
    )
