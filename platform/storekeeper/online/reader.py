"""The way models read features: a feature service, resolved once, then one store read and no protobuf."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast import FeatureStore
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions import definition_hash
from storekeeper.definitions.views import arrow_type
from storekeeper.errors import DataError, UsageError, listing
from storekeeper.online.backends import Found
from storekeeper.online.entity_keys import keys_from_values
from storekeeper.online.layers import Question
from storekeeper.online.store import StateOnlineStore, clock_of
from storekeeper.online.view_state import ViewState


@dataclass(frozen=True)
class ViewRead:
    """One view's part in a feature service.

    Attributes
    ----------
    state
        The view's state.
    features
        Which of its features, in order.
    keys
        For each of the view's join keys, the name under which callers give it.
    """

    state: ViewState
    features: tuple[str, ...]
    keys: dict[str, str]

    @property
    def place(self) -> tuple[str, tuple[str, ...]]:
        """Which state is read, and by which of the caller's keys: what a feature's value depends on."""
        return self.state.name, tuple(self.keys.values())


@dataclass(frozen=True)
class OnDemandRead:
    """One on-demand view's part in a feature service: the view, and which of its features."""

    view: OnDemandFeatureView
    features: tuple[str, ...]


class FeatureReader:
    """Reads one feature service online, with the values that training would see at the same moment.

    Parameters
    ----------
    store
        A feature store whose online store is a `StateOnlineStore`.
    service
        Name of a registered feature service.

    Raises
    ------
    UsageError
        If two of the service's values have one name, such as the same feature of a buyer and of a seller.

    Attributes
    ----------
    service
        The service's name.
    definition_hash
        What the service meant when the reader was made.
    entity_types
        Join keys that a caller must give, with their Arrow types.
    request_types
        Request-time context that a caller must give, with its Arrow types.
    features
        Names of the service's features, in the order of the result.
    """

    def __init__(self, store: FeatureStore, service: str) -> None:
        found = store.get_feature_service(service, allow_cache=False)
        self.service = service
        self.definition_hash = definition_hash(store, service)
        self._config = store.config
        self._reads: list[ViewRead] = []
        self._on_demand: list[OnDemandRead] = []
        self.request_types: dict[str, pa.DataType] = {}
        for projection in found.feature_view_projections:
            self._compile(store, projection)
        projections = found.feature_view_projections
        self.features = tuple(feature.name for projection in projections for feature in projection.features)
        keys = {read.keys[key]: read.state.plan.key_types[key] for read in self._reads for key in read.state.plan.keys}
        self.entity_types: dict[str, pa.DataType] = keys
        self._refuse_ambiguity()

    def _compile(self, store: FeatureStore, projection: Any) -> None:
        view = store.registry.get_any_feature_view(projection.name, store.project, allow_cache=True)
        if not isinstance(view, OnDemandFeatureView):
            self._reads.append(self._view_read(store, view, projection))
            return
        self._on_demand.append(OnDemandRead(view, tuple(feature.name for feature in projection.features)))
        for source in view.source_request_sources.values():
            self.request_types |= {field.name: arrow_type(field.dtype) for field in source.schema}
        for needed in view.source_feature_view_projections.values():
            behind = store.registry.get_any_feature_view(needed.name, store.project, allow_cache=True)
            self._reads.append(self._view_read(store, behind, needed))

    def _refuse_ambiguity(self) -> None:
        """Names are all that tells values apart, here as in a training set, so each must mean one value."""
        meanings: dict[str, set[object]] = {}
        for read in self._reads:
            for feature in read.features:
                meanings.setdefault(feature, set()).add(read.place)
        for number, made in enumerate(self._on_demand):
            for feature in made.features:
                meanings.setdefault(feature, set()).add(number)
        for name in [*self.request_types, *self.entity_types]:
            meanings.setdefault(name, set()).add("given")
        twice = {name for name, meant in meanings.items() if len(meant) > 1}
        twice |= {name for name, count in Counter(self.features).items() if count > 1}
        if twice:
            raise UsageError(
                f"Feature service '{self.service}' has more than one value named {listing(twice)}: of several views, "
                f"or of one view by several keys, or beside a key or request-time value. Give each feature a name of "
                f"its own in the feature repo, or read the service with get_online_features(full_feature_names=True)."
            )

    def _view_read(self, store: FeatureStore, view: Any, projection: Any) -> ViewRead:
        online = store._get_provider().online_store
        if not isinstance(online, StateOnlineStore):
            raise UsageError(
                f"A FeatureReader reads a StateOnlineStore. Received: {type(online).__name__}. Correct "
                f"online_store.type in feature_store.yaml."
            )
        state = online.view_state(store.config, view)
        features = tuple(f.name for f in projection.features if f.name in state.plan.types)
        return ViewRead(state, features, {key: projection.join_key_map.get(key, key) for key in state.plan.keys})

    def read(
        self,
        entities: Mapping[str, Sequence[object]],
        context: Mapping[str, Sequence[object]] | None = None,
        now: datetime | None = None,
    ) -> pa.Table:
        """Features of entities at `now` (default: the clock's).

        Parameters
        ----------
        entities
            Join key -> one value a row.
        context
            Request-time value -> one value a row, for on-demand features.

        Returns
        -------
        pyarrow.Table
            One column a feature in the order of `features`, one row a row of `entities`.

        Raises
        ------
        UsageError
            A key or context value that is missing, unknown, or of another length.
        DataError
            A value of another type than declared.
        """
        keys = keys_from_values(entities, self.entity_types)
        request = _request_columns(context or {}, self.request_types, keys.num_rows)
        at = now or clock_of(self._config).now()
        columns: dict[str, pa.ChunkedArray] = {name: request.column(name) for name in request.column_names}
        for read, wanted, question, found in self._found(keys, set(columns)):
            answer = read.state.answer(question, found, wanted, at)
            columns |= {name: answer.column(name) for name in answer.column_names}
        inputs = pa.table(columns)
        for made in self._on_demand:
            results = made.view.transform_arrow(inputs, False)
            columns |= {name: results.column(name) for name in made.features}
        return pa.table({name: columns[name] for name in self.features})

    def _found(self, keys: pa.Table, known: set[str]) -> Iterator[tuple[ViewRead, list[str], Question, Found]]:
        """Each view's part, its features that aren't known yet, and what the backend has; all asked in one go."""
        asking = []
        for read in self._reads:
            # A name stands for one value (`_refuse_ambiguity`): what is here already needn't be read again.
            wanted = [feature for feature in read.features if feature not in known]
            if wanted:
                known.update(wanted)
                own = keys.select(list(read.keys.values())).rename_columns(list(read.keys))
                asking.append((read, wanted, read.state.question(own)))
        if not asking:
            return
        found = asking[0][0].state.backend.read([question.asked for _, _, question in asking])
        for (read, wanted, question), one in zip(asking, found, strict=True):
            yield read, wanted, question, one

    def unmaterialised(self) -> list[str]:
        """Names of the service's views that were never materialised: their features would be null or empty."""
        states = {read.state.name: read.state for read in self._reads}
        metas = {state.plan.name: state.backend.meta(name) for name, state in states.items()}
        return sorted(name for name, meta in metas.items() if meta is None or meta.until_us is None)


def _request_columns(context: Mapping[str, Sequence[object]], types: dict[str, pa.DataType], rows: int) -> pa.Table:
    missing = [name for name in types if name not in context]
    if missing:
        raise UsageError(
            f"Request-time context {listing(missing)} is missing. Expected: {listing(types)}. "
            f"Received: {listing(context)}."
        )
    columns = {}
    for name, type_ in types.items():
        if len(context[name]) != rows:
            raise UsageError(f"Context '{name}' has {len(context[name])} values for {rows} rows of entities.")
        try:
            columns[name] = pa.array(list(context[name]), type_)
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError) as error:
            raise DataError(f"Context '{name}' must be {type_}. Received: {list(context[name])[:3]!r}.") from error
    return pa.table(columns)
