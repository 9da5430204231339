"""Feast's direct pulls: the rows of a source within a time range, all of them or each entity's latest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.repo_config import RepoConfig

from storekeeper.history.visible import latest_visible
from storekeeper.offline.job import HistoryRetrievalJob
from storekeeper.sources import ReadRequest, home_of, read_source

_ANY_TIME_US = 2**62


@dataclass(frozen=True)
class Pull:
    """What Feast asks of a source; all names are the source's own, for Feast maps them itself.

    Attributes
    ----------
    keys, features
        Columns, in order.
    event_time, known_time
        Timestamp columns; the second may be None.
    start, end
        Inclusive bounds of the event time, None for open; naive ones mean UTC.
    """

    keys: Sequence[str]
    features: Sequence[str]
    event_time: str
    known_time: str | None
    start: datetime | None
    end: datetime | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Each wanted column once: keys, features, times."""
        times = [self.event_time, *([self.known_time] if self.known_time else [])]
        return tuple(dict.fromkeys([*self.keys, *self.features, *times]))


def pull_all(config: RepoConfig, source: DataSource, pull: Pull) -> RetrievalJob:
    """All rows within the range, in the source's order."""
    metadata = RetrievalMetadata(list(pull.features), list(pull.keys), _utc(pull.start), _utc(pull.end))
    return HistoryRetrievalJob(
        lambda: iter([_rows(config, source, pull)]), metadata=lambda: metadata, home=home_of(config)
    )


def pull_latest(config: RepoConfig, source: DataSource, pull: Pull) -> RetrievalJob:
    """The latest row of each entity within the range, ties as in rule 4; rows with a null key are left out.

    Without keys there is one entity: its row carries Feast's dummy key, by which Feast writes it online.
    """

    def compute() -> pa.Table:
        rows = latest_visible(
            _rows(config, source, pull),
            keys=pull.keys, event_time=pull.event_time, known_time=pull.known_time, until_us=_ANY_TIME_US,
        )  # fmt: skip
        if pull.keys:
            return rows
        return rows.append_column(DUMMY_ENTITY_ID, pa.repeat(DUMMY_ENTITY_VAL, rows.num_rows))

    return HistoryRetrievalJob(lambda: iter([compute()]), home=home_of(config))


def _rows(config: RepoConfig, source: DataSource, pull: Pull) -> pa.Table:
    mapped = tuple(source.field_mapping.get(name, name) for name in pull.columns)
    request = ReadRequest(mapped, pull.event_time, _utc(pull.start), _utc(pull.end))
    return read_source(source, config, request).rename_columns(list(pull.columns))


def _utc(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
