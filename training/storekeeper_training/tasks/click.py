"""The click task: whether what is shown, or mailed, is taken up."""

from datetime import timedelta
from importlib.resources import files

from storekeeper.artefact import Column
from storekeeper_training.tasks.task import RuleBaseline, Shares, Task

CLICK = Task(
    name="click",
    title="Will what is shown be clicked, what is mailed redeemed?",
    description=(
        "One row is a product shown to a customer; in a log without impressions, a campaign mailed to one. The label "
        "is 1 if the product is clicked later in the session, or a coupon of the campaign redeemed by the customer "
        "within 28 days. A product's or a campaign's key is null where the row has none."
    ),
    feature_service="click",
    spine_sql=files("storekeeper_training.tasks").joinpath("click.sql").read_text(encoding="utf-8"),
    parameters={"sample_rate": 0.5},
    entity_keys=(Column("customer_id", "int64"), Column("product_id", "int64"), Column("campaign_id", "int64")),
    calendar_features=("seconds_as_customer",),
    horizon=timedelta(days=28),
    rule=RuleBaseline(feature="offers_redeemed_91d", direction="rising"),
    selection_metric="average_precision",
    events=(("impression", "offer_received"), ("click", "offer_redeemed")),
    shares=Shares(0.5, 0.2, "kept"),
)
