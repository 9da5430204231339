"""What the small models of these tests read, and what they say of themselves."""

from datetime import UTC, datetime

from storekeeper.artefact import (
    FORMAT_VERSION,
    CategoricalColumn,
    Column,
    Encoder,
    InputColumn,
    Manifest,
    NumericColumn,
)

MANIFEST = Manifest(
    format_version=FORMAT_VERSION,
    task="purchase",
    model="logistic",
    version=1,
    runtime="logistic",
    feature_service="purchase",
    definition_hash="d" * 64,
    dataset_hash="a" * 64,
    code_hash="c" * 64,
    inputs=(InputColumn("x", "double", "feature"),),
    entity_keys=(Column("customer_id", "int64"),),
    request_columns=(),
    threshold=0.25,
    selection_metric="auc",
    metrics={},
    created_at=datetime(2018, 1, 1, tzinfo=UTC),
    seed=0,
    fit_seconds=1.0,
    peak_memory_mb=1.0,
)

TREE_ENCODER = Encoder(
    (NumericColumn("x"), NumericColumn("y"), NumericColumn("z")),
    (CategoricalColumn("colour", ("red", "blue", "green"), "index"),),
)
