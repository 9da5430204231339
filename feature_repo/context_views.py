"""What only the request knows: the moment, and the price on show."""

import pandas as pd
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, UnixTimestamp

from customer_views import customer_activity

shopping_request = RequestSource(
    name="shopping_request",
    schema=[
        Field(name="request_time", dtype=UnixTimestamp),
        Field(name="price", dtype=Float64),
    ],
)


@on_demand_feature_view(
    sources=[shopping_request, customer_activity[["unit_price_cents_91d"]]],
    schema=[
        Field(name="request_hour", dtype=Int64),
        Field(name="request_weekday", dtype=Int64),
        Field(name="price_ratio", dtype=Float64),
    ],
    description="Hour and weekday (Monday 0) in UTC, and the price against the customer's average of 91 days",
)
def shopping_context(inputs: pd.DataFrame) -> pd.DataFrame:
    """Vectorised: a DataFrame in, a DataFrame out; null where there is no time, no price or no average."""
    time = pd.to_datetime(inputs["request_time"], utc=True)
    average = inputs["unit_price_cents_91d"].astype("float64")
    return pd.DataFrame(
        {
            "request_hour": time.dt.hour.astype("Int64"),
            "request_weekday": time.dt.weekday.astype("Int64"),
            "price_ratio": inputs["price"].astype("float64") / average.where(average > 0),
        }
    )
