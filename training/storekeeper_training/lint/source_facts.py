"""What a source without knowledge time shows of when its rows were recorded."""

from datetime import timedelta

import numpy as np
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan
from storekeeper.history.columns import column_kind, times_us
from storekeeper.sources import ReadRequest, SQLSource, read_source, source_schema
from storekeeper_training.lint.evidence import SourceFacts

_MICROSECOND = timedelta(microseconds=1)


def source_facts(plan: ViewPlan, config: RepoConfig, lateness: timedelta) -> SourceFacts:
    """Read the times of a view's source.

    Parameters
    ----------
    lateness
        How much later than it happened a row may be recorded without being called late.
    """
    source, slack = plan.source, lateness // _MICROSECOND
    schema = source_schema(source, config)
    types = {source.field_mapping.get(field.name, field.name): field.type for field in schema}
    others = [name for name, type_ in types.items() if column_kind(type_) == "timestamp" and name != plan.event_time]
    table = read_source(source, config, ReadRequest((plan.event_time, *others)))
    time = times_us(plan.event_time, table.column(plan.event_time))
    later = {name: _share(times_us(name, table.column(name), fallback=time) > time + slack) for name in others}
    # A SQL table has no order of its own.
    late = None if isinstance(source, SQLSource) else _share(time < np.maximum.accumulate(time) - slack)
    return SourceFacts(len(time), later, late, min(len(np.unique(time)), 2))


def _share(rows: np.ndarray) -> float:
    return float(rows.mean()) if len(rows) else 0.0
