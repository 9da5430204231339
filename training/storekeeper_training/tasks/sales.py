"""The sales task: how many units of a category are sold in the coming week."""

from datetime import timedelta
from importlib.resources import files

from storekeeper.artefact import Column
from storekeeper_training.tasks.task import Forecast, Task

SALES = Task(
    name="sales",
    title="How many units of the category are sold within 7 days?",
    description=(
        "One row is a category that was sold in the 91 days before the cut-off, and a cut-off. The label is how many "
        "units of it are sold at or after the cut-off and before 7 days have passed; a week without sales is 0. "
        "Cut-offs are weekly, Monday at midnight (UTC), the same for all categories."
    ),
    feature_service="sales",
    spine_sql=files("storekeeper_training.tasks").joinpath("sales.sql").read_text(encoding="utf-8"),
    parameters={
        "first_cutoff": None,
        "every": timedelta(days=7),
        "lookback": timedelta(days=91),
    },
    entity_keys=(Column("category", "string"),),
    request_columns=(Column("request_time", "timestamp[us, tz=UTC]"),),
    horizon=timedelta(days=7),
    kind="quantity",
    events=("purchase",),
    forecasts=(
        Forecast("seasonal-naive", "category_units_7d"),
        Forecast("moving-average", "category_units_28d", 0.25),
    ),
    level="sales_level",
    selection_metric="rmsse",
)
