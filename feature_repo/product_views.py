"""What we know of a product: what it is, how it sells."""

from datetime import timedelta

from feast import FeatureView, Field, StreamFeatureView
from feast.types import Float64, Int64, String

from entities import category, product
from sources import products, purchases
from windows import fields, over_days

product_catalogue = FeatureView(
    name="product_catalogue",
    entities=[product],
    ttl=timedelta(0),
    schema=[
        Field(name="brand", dtype=String),
        Field(name="manufacturer_id", dtype=Int64),
        Field(name="department", dtype=String),
        Field(name="product_type", dtype=String),
        Field(name="package_size", dtype=String),
    ],
    source=products,
    description="The catalogue, the latest known",
)

_sales = over_days("product_lines", "count")
_revenue = over_days("product_revenue_cents", "sum", "amount_cents")
_buyers = over_days("product_buyers", "count_distinct", "customer_id", (7, 28))
_price = over_days("product_price_cents", "mean", "unit_price_cents", (28,))

product_popularity = StreamFeatureView(
    name="product_popularity",
    entities=[product],
    schema=[*fields([*_sales, *_revenue, *_buyers], Int64), *fields(_price, Float64)],
    source=purchases,
    timestamp_field="event_time",
    aggregations=[*_sales, *_revenue, *_buyers, *_price],
    description="How a product sells",
)

_category_sales = over_days("category_lines", "count")
_category_revenue = over_days("category_revenue_cents", "sum", "amount_cents")
_category_buyers = over_days("category_buyers", "count_distinct", "customer_id", (7, 28))
_category_discount = over_days("category_discount_share", "mean", "discount_share", (7, 28))

category_popularity = StreamFeatureView(
    name="category_popularity",
    entities=[category],
    schema=[
        *fields([*_category_sales, *_category_revenue, *_category_buyers], Int64),
        *fields(_category_discount, Float64),
    ],
    source=purchases,
    timestamp_field="event_time",
    aggregations=[*_category_sales, *_category_revenue, *_category_buyers, *_category_discount],
    description="How a category sells",
)
