"""How regularly a customer comes, and whether the next visit is due."""

import pandas as pd
from feast import Field
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

from customer_views import customer_activity


@on_demand_feature_view(
    sources=[
        customer_activity[
            ["baskets_28d", "baskets_91d", "baskets_364d", "seconds_since_purchase", "seconds_as_customer"]
        ]
    ],
    schema=[
        Field(name="visit_gap_seconds", dtype=Float64),
        Field(name="visit_due", dtype=Float64),
        Field(name="visit_trend", dtype=Float64),
    ],
    description="Time between a customer's baskets, how much of it has passed, and whether baskets become more",
)
def customer_rhythm(inputs: pd.DataFrame) -> pd.DataFrame:
    """Vectorised; the gap, over 364 days, is null before a second basket.

    `visit_due` is 1 after one mean gap; `visit_trend` compares baskets a day of 28 days with those of 91 days.
    """
    baskets = inputs["baskets_364d"].astype("float64")
    since_last = inputs["seconds_since_purchase"].astype("float64")
    gap = (inputs["seconds_as_customer"].astype("float64") - since_last) / (baskets - 1).where(baskets > 1)
    recent, lately = inputs["baskets_91d"].astype("float64"), inputs["baskets_28d"].astype("float64")
    return pd.DataFrame(
        {
            "visit_gap_seconds": gap,
            "visit_due": since_last / gap.where(gap > 0),
            "visit_trend": (lately / 28) / (recent.where(recent > 0) / 91),
        }
    )
