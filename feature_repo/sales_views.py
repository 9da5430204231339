"""How a category's sales go: units over windows, and the shape of the last weeks beside their level."""

from datetime import timedelta

import pandas as pd
from feast import Field, RequestSource, StreamFeatureView
from feast.aggregation import Aggregation
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, UnixTimestamp

from entities import category
from product_views import category_popularity
from sources import purchases
from windows import fields, over_days

# Weeks are differences of windows: with edges by the hour, as those of a week have, a week is one whenever it is asked.
_weeks = [
    Aggregation(
        column="quantity",
        function="sum",
        time_window=timedelta(days=days),
        slide_interval=timedelta(hours=1),
        name=f"category_units_{days}d",
    )
    for days in (1, 3, 7, 14, 21, 28)
]
_months = over_days("category_units", "sum", "quantity", (56, 91))

category_sales = StreamFeatureView(
    name="category_sales",
    entities=[category],
    schema=fields([*_weeks, *_months], Int64),
    source=purchases,
    timestamp_field="event_time",
    aggregations=[*_weeks, *_months],
    description="Units of a category that were sold",
)

forecast_request = RequestSource(name="forecast_request", schema=[Field(name="request_time", dtype=UnixTimestamp)])

_SHAPE = [
    "sales_level",
    "sales_share_1d",
    "sales_share_3d",
    "sales_share_week_1",
    "sales_share_week_2",
    "sales_share_week_3",
    "sales_share_week_4",
    "sales_share_28d",
    "sales_share_56d",
    "sales_share_91d",
    "sales_price_ratio",
    "sales_discount_change",
    "month_start_share",
    "month_start_share_before",
]


@on_demand_feature_view(
    sources=[
        forecast_request,
        category_sales,
        category_popularity[
            [
                "category_revenue_cents_7d",
                "category_revenue_cents_91d",
                "category_discount_share_7d",
                "category_discount_share_28d",
            ]
        ],
    ],
    schema=[Field(name=name, dtype=Float64) for name in _SHAPE],
    description="Weekly units of the last month and quarter, single weeks by it, price, discount, and the month",
)
def sales_shape(inputs: pd.DataFrame) -> pd.DataFrame:
    """Vectorised. Shares are of a week at the level: 1 is as usual. Days 1 to 10 of a month count as its start."""
    units = {days: inputs[f"category_units_{days}d"].astype("float64") for days in (1, 3, 7, 14, 21, 28, 56, 91)}
    level = units[28] / 8 + units[91] / 26
    # A lower level counts as this: a category that sells once in a quarter has no shape.
    usual = level.clip(lower=0.25)
    price, before = (
        inputs[f"category_revenue_cents_{days}d"].astype("float64") / units[days].where(units[days] > 0)
        for days in (7, 91)
    )
    discount = {days: inputs[f"category_discount_share_{days}d"].astype("float64") for days in (7, 28)}
    time = pd.to_datetime(inputs["request_time"], utc=True)
    # Each row looks at seven days: those to come, and those past.
    starts = [((time + pd.Timedelta(days=days)).dt.day <= 10).where(time.notna()) for days in range(-7, 7)]
    shares = {
        "sales_level": level,
        "sales_share_1d": units[1] * 7 / usual,
        "sales_share_3d": units[3] * 7 / 3 / usual,
        "sales_share_week_1": units[7] / usual,
        "sales_share_week_2": (units[14] - units[7]) / usual,
        "sales_share_week_3": (units[21] - units[14]) / usual,
        "sales_share_week_4": (units[28] - units[21]) / usual,
        "sales_share_28d": units[28] / 4 / usual,
        "sales_share_56d": units[56] / 8 / usual,
        "sales_share_91d": units[91] / 13 / usual,
        "sales_price_ratio": price / before.where(before > 0),
        "sales_discount_change": discount[7] - discount[28],
        "month_start_share": sum(start.astype("float64") for start in starts[7:]) / 7,
        "month_start_share_before": sum(start.astype("float64") for start in starts[:7]) / 7,
    }
    return pd.DataFrame(shares)
