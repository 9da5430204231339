"""Served vectors replayed through the offline path: the proof that served equals trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import FeatureStore as FeastStore

from storekeeper.audit.compare import Difference, differences
from storekeeper.audit.log import SERVED_AT, ServedGroup, read_served
from storekeeper.definitions import definition_hash
from storekeeper.offline.job import to_frame
from storekeeper.offline.spine import EVENT_TIMESTAMP
from storekeeper.online.reader import FeatureReader


@dataclass(frozen=True)
class ServiceAudit:
    """What was found of the vectors served under one definition of one feature service.

    Attributes
    ----------
    service
        The feature service.
    definition
        What it meant: a hash.
    vectors, features
        How many vectors were served, of how many features.
    differing
        How many of the vectors x features values differ; 0 where nothing was compared.
    examples
        The first few that do.
    skipped
        Why nothing was compared, or an empty text.
    """

    service: str
    definition: str
    vectors: int
    features: int
    differing: int
    examples: tuple[Difference, ...]
    skipped: str = ""

    @property
    def compared(self) -> int:
        """Number of values."""
        return 0 if self.skipped else self.vectors * self.features

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "service": self.service,
            "definition": self.definition,
            "vectors": self.vectors,
            "features": self.features,
            "compared": self.compared,
            "differing": self.differing,
            "skipped": self.skipped,
            "examples": [
                {"feature": e.feature, "row": e.row, "served": str(e.online), "replayed": str(e.offline)}
                for e in self.examples
            ],
        }


def audit_served(store: FeastStore, folder: Path) -> Iterator[ServiceAudit]:
    """Replay all that the served log holds, service by service.

    Each served vector becomes a spine row at the instant at which it was served, and goes through
    `get_historical_features` with the knowledge cut-off on, as a training set would.
    """
    services = {service.name for service in store.list_feature_services()}
    for group in read_served(folder):
        if group.service not in services:
            yield _skipped(group, "the feature service is no longer registered")
        elif definition_hash(store, group.service) != group.definition_hash:
            yield _skipped(group, "the feature service has been redefined since")
        else:
            yield _replay(store, group)


def _skipped(group: ServedGroup, reason: str) -> ServiceAudit:
    return ServiceAudit(group.service, group.definition_hash, group.table.num_rows, 0, 0, (), reason)


def _replay(store: FeastStore, group: ServedGroup) -> ServiceAudit:
    reader = FeatureReader(store, group.service)
    given = [*reader.entity_types, *reader.request_types]
    served = group.table.select(list(reader.features))
    spine = group.table.select([SERVED_AT, *given]).rename_columns([EVENT_TIMESTAMP, *given])
    job = store.get_historical_features(
        entity_df=to_frame(spine),
        features=store.get_feature_service(group.service),
        filter_by_created_timestamp=True,
    )
    replayed: pa.Table = job.to_arrow()
    count, examples = differences(served, replayed)
    return ServiceAudit(
        group.service, group.definition_hash, served.num_rows, served.num_columns, count, tuple(examples)
    )
