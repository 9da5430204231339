"""The next-item task: what goes into the next basket."""

from datetime import timedelta
from importlib.resources import files

from storekeeper.artefact import Column
from storekeeper_training.tasks.task import Task

NEXT_ITEM = Task(
    name="next_item",
    title="What goes into the basket next?",
    description=(
        "One row is a customer at the first moment of a basket, not the first one. The label is the products that the "
        "basket holds; the whole catalogue is ranked. Baskets of the log's first 28 days are left out, since there was "
        "too little history, and rows are a deterministic sample."
    ),
    feature_service="next_item",
    spine_sql=files("storekeeper_training.tasks").joinpath("next_item.sql").read_text(encoding="utf-8"),
    parameters={"lookback": timedelta(days=28), "sample_rate": 0.2},
    entity_keys=(Column("customer_id", "int64"),),
    horizon=timedelta(days=1),
    selection_metric="ndcg_at_10",
    kind="ranking",
    history="last_products",
    catalogue_size=5000,
    events=("purchase",),
)
