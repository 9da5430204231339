"""Who and what features are about."""

from feast import Entity, ValueType

customer = Entity(
    name="customer",
    join_keys=["customer_id"],
    value_type=ValueType.INT64,
    description="A shopper, or a household that shares a loyalty card",
)

product = Entity(
    name="product",
    join_keys=["product_id"],
    value_type=ValueType.INT64,
    description="An article of the catalogue",
)

category = Entity(
    name="category",
    join_keys=["category"],
    value_type=ValueType.STRING,
    description="A category of the catalogue, by name",
)

campaign = Entity(
    name="campaign",
    join_keys=["campaign_id"],
    value_type=ValueType.INT64,
    description="A campaign whose offers are mailed to customers",
)
