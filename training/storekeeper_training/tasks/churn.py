"""The churn task: whether an active customer stays away for four weeks."""

from datetime import timedelta
from importlib.resources import files

from storekeeper.artefact import Column
from storekeeper_training.tasks.task import RuleBaseline, Shares, Task

CHURN = Task(
    name="churn",
    title="Will the customer stay away for 28 days?",
    description=(
        "One row is a customer who bought something in the 91 days before the cut-off, and a cut-off. The label is 1 "
        "if nothing is bought at or after the cut-off and before 28 days have passed. Cut-offs come every 14 days, at "
        "an hour that is each customer's own."
    ),
    feature_service="churn",
    spine_sql=files("storekeeper_training.tasks").joinpath("churn.sql").read_text(encoding="utf-8"),
    parameters={"first_cutoff": None, "every": timedelta(days=14), "lookback": timedelta(days=91)},
    entity_keys=(Column("customer_id", "int64"),),
    calendar_features=("seconds_as_customer",),
    horizon=timedelta(days=28),
    rule=RuleBaseline(feature="seconds_since_purchase", direction="rising"),
    selection_metric="auc",
    events=("purchase",),
    shares=Shares(0.6, 0.2, "kept"),
)
