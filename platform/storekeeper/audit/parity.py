"""Online equals offline, for every entity that has state."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from feast.feature_view import FeatureView

from storekeeper.audit.compare import Difference, differences
from storekeeper.offline.retrieve import ViewRequest, retrieve
from storekeeper.offline.spine import EVENT_TIMESTAMP, Spine
from storekeeper.online.entity_keys import keys_from_bytes
from storekeeper.online.store import StateOnlineStore
from storekeeper.store import FeatureStore


@dataclass(frozen=True)
class ViewParity:
    """The comparison of one view.

    Attributes
    ----------
    view
        Its name.
    entities, features
        How many of each were compared.
    differing
        How many of the entities x features values differ.
    examples
        The first few that do.
    """

    view: str
    entities: int
    features: int
    differing: int
    examples: tuple[Difference, ...]

    @property
    def compared(self) -> int:
        """Number of values."""
        return self.entities * self.features


def compare_views(store: FeatureStore) -> Iterator[ViewParity]:
    """Compare every view's state with its history at the clock's now, view by view."""
    for view in store.all_feature_views():
        yield compare_view(store, view)


def compare_view(store: FeatureStore, view: FeatureView) -> ViewParity:
    """All features of all entities that a view has state for: read online, computed offline."""
    online_store = store._get_provider().online_store
    assert isinstance(online_store, StateOnlineStore)  # noqa: S101  (the provider checks it)
    state = online_store.view_state(store.config, view)
    plan, now = state.plan, store.clock.now()
    keys = keys_from_bytes(state.backend.keys(state.name), plan.key_types)
    features = tuple(plan.types)
    online = state.read(keys, features, now)
    times = pa.array([now] * keys.num_rows, pa.timestamp("us", tz="UTC"))
    spine = Spine(keys.append_column(EVENT_TIMESTAMP, times), EVENT_TIMESTAMP)
    request = ViewRequest(plan, features, features, plan.keys)
    offline = retrieve([request], spine, store.config, cutoff=True)
    count, examples = differences(online, offline)
    return ViewParity(view.name, keys.num_rows, len(features), count, tuple(examples))
