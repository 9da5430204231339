"""Online equals offline, for every entity that history or the online state knows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from feast.feature_view import FeatureView

from storekeeper.audit.compare import Difference, differences
from storekeeper.definitions import ViewPlan, read_rows
from storekeeper.history.columns import times_us
from storekeeper.history.visible import latest_visible
from storekeeper.offline.retrieve import ViewRequest, retrieve
from storekeeper.offline.spine import EVENT_TIMESTAMP, Spine
from storekeeper.online.entity_keys import key_bytes, keys_from_bytes
from storekeeper.online.store import StateOnlineStore
from storekeeper.online.view_state import to_us
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
    missing
        How many entities history knows, as of the state's instant, that have no state.
    unexpected
        How many entities have state that history doesn't know, such as rows that Feast pushed.
    materialised
        Whether the view has ever been materialised.
    """

    view: str
    entities: int
    features: int
    differing: int
    examples: tuple[Difference, ...]
    missing: int = 0
    unexpected: int = 0
    materialised: bool = True

    @property
    def holds(self) -> bool:
        """Whether online equals offline: no value differs, and no entity is missing."""
        return self.materialised and not self.differing and not self.missing

    @property
    def compared(self) -> int:
        """Number of values."""
        return self.entities * self.features


def compare_views(store: FeatureStore) -> Iterator[ViewParity]:
    """Compare every view's state with its history at the clock's now, view by view."""
    for view in store.all_feature_views():
        yield compare_view(store, view)


def compare_view(store: FeatureStore, view: FeatureView) -> ViewParity:
    """All features of all entities that the view's history or its state knows: read online, computed offline."""
    online_store = store._get_provider().online_store
    assert isinstance(online_store, StateOnlineStore)  # noqa: S101  (the provider checks it)
    state = online_store.view_state(store.config, view)
    plan, now = state.plan, store.clock.now()
    until = store.materialised_until(view)
    expected, present = _known_to_history(store, plan, until or now), set(state.backend.keys(state.name))
    keys = keys_from_bytes(sorted(expected | present), plan.key_types)
    if not plan.keys:
        # A table without columns would have no rows either.
        keys = pa.table({"row": pa.nulls(len(expected | present))}).select([])
    features = tuple(plan.types)
    online = state.read(keys, features, now)
    times = pa.array([now] * keys.num_rows, pa.timestamp("us", tz="UTC"))
    spine = Spine(pa.table([*keys.columns, times], names=[*plan.keys, EVENT_TIMESTAMP]), EVENT_TIMESTAMP)
    request = ViewRequest(plan, features, features, plan.keys)
    offline = retrieve([request], spine, store.config, cutoff=True)
    count, examples = differences(online, offline)
    return ViewParity(
        view=view.name,
        entities=keys.num_rows,
        features=len(features),
        differing=count,
        examples=tuple(examples),
        missing=len(expected - present),
        unexpected=len(present - expected),
        materialised=until is not None,
    )


def _known_to_history(store: FeatureStore, plan: ViewPlan, until: datetime) -> set[bytes]:
    """Keys of the entities that must have state at an instant: a visible row, within the windows' reach if there are.

    A windowed view's state holds what happened before its instant; a latest-value view's what happened at it, too.
    """
    reach = plan.longest_window_us if plan.is_windowed else None
    start = None if reach is None else until - timedelta(microseconds=reach)
    events = read_rows(plan, (), store.config, start, until)
    until_us = to_us(until)
    if plan.is_windowed:
        events = events.filter(pc.less(pa.array(times_us(plan.event_time, events.column(plan.event_time))), until_us))
    rows = latest_visible(
        events, keys=plan.keys, event_time=plan.event_time, known_time=plan.known_time, until_us=until_us
    )
    return {key for key in key_bytes(rows.select(list(plan.keys))) if key is not None}
