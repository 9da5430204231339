"""What a serving process writes down beside each vector, so that an audit can tell later why it differs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from storekeeper.audit.code_version import code_version
from storekeeper.audit.log import Evidence, ViewSeen
from storekeeper.audit.service_plan import plan_service
from storekeeper.errors import UsageError
from storekeeper.online.store import StateOnlineStore, clock_of
from storekeeper.online.view_state import ViewState
from storekeeper.store import FeatureStore


@dataclass(frozen=True)
class Witness:
    """Knows the circumstances under which one feature service is read.

    Attributes
    ----------
    definition_hash
        What the service meant when the witness was called.
    code, clock
        The code that reads, and the clock's setting.
    states
        State of each view of the service, by name.
    definition
        What the service meant, as JSON.
    """

    definition_hash: str
    code: str
    clock: str
    states: Mapping[str, ViewState]
    definition: str

    @classmethod
    def of(cls, store: FeatureStore, service: str) -> Self:
        """Resolve a service once.

        Raises
        ------
        UsageError
            If the online store is another than a `StateOnlineStore`.
        """
        online = store._get_provider().online_store
        if not isinstance(online, StateOnlineStore):
            raise UsageError(
                f"What is served can be proven for a StateOnlineStore. Received: {type(online).__name__}. Correct "
                f"online_store.type in feature_store.yaml."
            )
        plan = plan_service(store, service)
        views = {view.name: view for view in store.all_feature_views()}
        states = {part.plan.name: online.view_state(store.config, views[part.plan.name]) for part in plan.views}
        definition = json.dumps(plan.described(), separators=(",", ":"))
        return cls(plan.definition_hash, code_version(), clock_of(store.config).spec, states, definition)

    def testify(self, definition_hash: str | None = None) -> Evidence:
        """The circumstances now: to be taken before the features are read.

        Parameters
        ----------
        definition_hash
            What the reader takes the service to mean; where that is something else, only the rest is told.
        """
        metas = {name: state.backend.meta(state.name) for name, state in self.states.items()}
        views = tuple(
            (name, ViewSeen(meta.until_us, meta.made_from) if meta else ViewSeen(None)) for name, meta in metas.items()
        )
        known = definition_hash in (None, self.definition_hash)
        return Evidence(self.code, self.clock, views, self.definition if known else "")
