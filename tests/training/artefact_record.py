"""A manifest for models that tests fit without a dataset on disk."""

from datetime import UTC, datetime

from storekeeper.artefact import FORMAT_VERSION, Column, InputColumn, Manifest
from storekeeper_training.models import Fitted


def manifest_of(fitted: Fitted, model: str) -> Manifest:
    """What an artefact's folder needs beside the fitted model."""
    return Manifest(
        format_version=FORMAT_VERSION,
        task="purchase",
        model=model,
        version=1,
        runtime=fitted.runtime,
        feature_service="purchase",
        definition_hash="d" * 64,
        dataset_hash="a" * 64,
        code_hash="c" * 64,
        inputs=tuple(InputColumn(name, "double", "feature") for name in fitted.encoder.input_names),
        entity_keys=(Column("customer_id", "int64"),),
        request_columns=(),
        threshold=0.25,
        selection_metric="auc",
        metrics={},
        created_at=datetime(2018, 1, 1, tzinfo=UTC),
        seed=0,
        fit_seconds=1.0,
        peak_memory_mb=1.0,
        parameters=fitted.parameters,
    )
