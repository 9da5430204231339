"""A view's history as its source holds it."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.definitions.views import ViewPlan
from storekeeper.sources import ReadRequest, read_source


def read_rows(
    plan: ViewPlan, features: Sequence[str], config: RepoConfig, start: datetime | None, end: datetime | None
) -> pa.Table:
    """A view's source between two instants, inclusive (None for open): its keys, its times and what features need."""
    return read_source(
        plan.source, config, ReadRequest(plan.source_columns(features), plan.source_timestamp, start, end)
    )
