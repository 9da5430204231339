"""The purchase task: whether a household buys in a category in the coming week."""

from datetime import timedelta
from importlib.resources import files

from storekeeper.artefact import Column
from storekeeper_training.tasks.task import RuleBaseline, Task

PURCHASE = Task(
    name="purchase",
    title="Will the household buy in this category within 7 days?",
    description=(
        "One row is a household, a category that it bought in the 91 days before the cut-off, and a cut-off. "
        "The label is 1 if it buys in the category at or after the cut-off and before 7 days have passed. "
        "Cut-offs are weekly, at an hour of the week that is each household's own; rows are a deterministic sample."
    ),
    feature_service="purchase",
    spine_sql=files("storekeeper_training.tasks").joinpath("purchase.sql").read_text(encoding="utf-8"),
    parameters={
        "first_cutoff": None,
        "every": timedelta(days=7),
        "lookback": timedelta(days=91),
        "price_window": timedelta(days=28),
        "sample_rate": 0.045,
    },
    entity_keys=(Column("customer_id", "int64"), Column("category", "string")),
    request_columns=(Column("request_time", "timestamp[us, tz=UTC]"), Column("price", "double")),
    spine_inputs=("category", "price"),
    calendar_features=("seconds_as_customer", "affinity_seconds_since_first"),
    horizon=timedelta(days=7),
    rule=RuleBaseline(feature="affinity_baskets_91d", direction="rising"),
    selection_metric="average_precision",
    events=("purchase",),
)
