"""The return task: whether an order line comes back."""

from datetime import timedelta
from importlib.resources import files

from storekeeper.artefact import Column
from storekeeper_training.tasks.task import RuleBaseline, Shares, Task

RETURN = Task(
    name="return",
    title="Will the order line come back within 60 days?",
    description=(
        "One row is a line of an order, at the moment of the order; those of the log's first 28 days are left out, "
        "since there was too little to know. The label is 1 if the line is returned before 60 days have passed. Rows "
        "are a deterministic sample."
    ),
    feature_service="return",
    spine_sql=files("storekeeper_training.tasks").joinpath("return.sql").read_text(encoding="utf-8"),
    parameters={"lookback": timedelta(days=28), "sample_rate": 0.35},
    entity_keys=(Column("customer_id", "int64"), Column("product_id", "int64")),
    request_columns=(
        Column("request_time", "timestamp[us, tz=UTC]"),
        Column("quantity", "int64"),
        Column("price", "double"),
    ),
    spine_inputs=("quantity", "price"),
    calendar_features=("seconds_as_customer",),
    horizon=timedelta(days=60),
    rule=RuleBaseline(feature="product_return_share", direction="rising"),
    selection_metric="average_precision",
    events=("purchase", "return"),
    shares=Shares(0.6, 0.2, "kept"),
)
