"""What a customer bought, in order: the input of sequence models."""

from datetime import timedelta

from feast import Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Array, Int64, String

from entities import customer
from sources import purchases

behaviour_history = StreamFeatureView(
    name="behaviour_history",
    entities=[customer],
    schema=[
        Field(name="last_products", dtype=Array(Int64)),
        Field(name="last_categories", dtype=Array(String)),
    ],
    source=purchases,
    timestamp_field="event_time",
    aggregations=[
        Aggregation(column="product_id", function="last_n(50)", time_window=timedelta(days=364), name="last_products"),
        Aggregation(column="category", function="last_n(50)", time_window=timedelta(days=364), name="last_categories"),
    ],
    description="The last 50 products and categories, newest last",
)
