"""Served vectors replayed through the offline path: the proof that served equals trained."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from storekeeper.audit.casts import kind_of
from storekeeper.audit.code_version import code_version
from storekeeper.audit.collector import Collector
from storekeeper.audit.counterfactual import Counterfactuals
from storekeeper.audit.explain import Explainer
from storekeeper.audit.former import former_plans
from storekeeper.audit.histories import SourceRecords
from storekeeper.audit.log import SERVED_AT, ServedFiles, read_definition, served_files, stream
from storekeeper.audit.served_rows import ServedRows
from storekeeper.audit.service_audit import ServiceAudit
from storekeeper.audit.service_plan import changed_owners, plan_service
from storekeeper.audit.verdicts import Known, different, find_verdicts
from storekeeper.errors import listing
from storekeeper.offline.job import to_frame
from storekeeper.offline.spine import EVENT_TIMESTAMP
from storekeeper.store import FeatureStore

BATCH_ROWS = 20_000
_EXPLAINED_ROWS = 5_000
_CONTROLS = 100


def audit_served(store: FeatureStore, folder: Path, *, batch_rows: int = BATCH_ROWS) -> Iterator[ServiceAudit]:
    """Replay all that the served log holds, service by service, and say of each difference why it is there.

    Each served vector becomes a spine row at the instant at which it was served, and goes through
    `get_historical_features` with the knowledge cut-off on, as a training set would.

    Parameters
    ----------
    batch_rows
        How many vectors are in memory at once.
    """
    services = {service.name for service in store.list_feature_services()}
    records = SourceRecords(store.config)
    for group in served_files(folder):
        if group.service not in services:
            reason = "the feature service is no longer registered"
            yield ServiceAudit(group.service, group.definition_hash, group.rows, 0, skipped=reason)
        else:
            yield _GroupAudit(store, folder, group, records).run(batch_rows)


class _GroupAudit:
    """The audit of what was served under one definition of one feature service."""

    def __init__(self, store: FeatureStore, folder: Path, group: ServedFiles, records: SourceRecords) -> None:
        self._store, self._group, self._records = store, group, records
        self._plan = plan = plan_service(store, group.service)
        self._recorded = read_definition(folder, group.service, group.definition_hash)
        self._redefined = plan.definition_hash != group.definition_hash
        changed = set(changed_owners(plan, self._recorded)) if self._redefined else set()
        self._former = former_plans(plan, self._recorded, store.config) if self._redefined else {}
        self._lost = frozenset(owner for owner in changed if not self._is_computable(owner, changed))
        self._code = code_version()
        self._collector = Collector(Explainer(plan, self._recorded, records, self._code))
        self._rows = self._compared = self._widest = 0

    def _is_computable(self, owner: str, changed: set[str]) -> bool:
        """Whether a changed view can be computed as it was; an on-demand view if all that changed is its inputs."""
        made = next((part for part in self._plan.on_demand if part.view.name == owner), None)
        if made is None:
            return owner in self._former
        before = (self._recorded or {}).get("on_demand", {}).get(owner)
        return before == made.code_hash and all(name in self._former for name in changed.intersection(made.inputs))

    def run(self, batch_rows: int) -> ServiceAudit:
        """Replay all vectors, batch by batch."""
        skipped = ""
        for table in stream(self._group, batch_rows):
            if problem := self._unfit(table):
                skipped = problem
                self._rows += table.num_rows
                continue
            skipped = skipped or self._incomplete(table)
            self._batch(ServedRows(table))
        known = set((self._recorded or {}).get("features", ()))
        return ServiceAudit(
            self._group.service,
            self._group.definition_hash,
            self._group.rows,
            self._widest,
            compared=self._compared,
            skipped=skipped,
            unproven=bool(skipped) and not self._redefined,
            redefined=self._redefined,
            gone=tuple(sorted(known - set(self._plan.types))),
            findings=self._collector.findings(),
        )

    def _unfit(self, table: pa.Table) -> str:
        """Why vectors can't be replayed; empty if they can."""
        given = self._plan.given_types
        if missing := [name for name in given if name not in table.column_names]:
            return f"the feature service now asks for {listing(missing)}, which wasn't given then"
        for name, declared in given.items():
            came = table.schema.field(name).type
            if kind_of(came) != kind_of(declared) and table.column(name).null_count < table.num_rows:
                return f"the feature service takes '{name}' as {declared}, and {came} was given then"
        return ""

    def _incomplete(self, table: pa.Table) -> str:
        """Which features vectors lack that were served under the present definition; empty if none."""
        lacking = [name for name in self._plan.types if name not in table.column_names]
        return f"the log lacks {listing(lacking)}, which the service has" if lacking and not self._redefined else ""

    def _batch(self, rows: ServedRows) -> None:
        features = [name for name in self._plan.types if name in rows.table.column_names]
        replayed = self._replay(rows)
        self._widest = max(self._widest, len(features))
        self._compared += len(rows) * len(features)
        differing = self._differing(rows, replayed, features)
        if len(differing):
            controls = _controls(rows, differing)
            for start in range(0, len(differing), _EXPLAINED_ROWS):
                chosen = np.concatenate([differing[start : start + _EXPLAINED_ROWS], controls])
                self._explain(rows.take(chosen), replayed.take(pa.array(chosen)), features, self._rows + chosen)
        self._rows += len(rows)

    def _differing(self, rows: ServedRows, replayed: pa.Table, features: list[str]) -> np.ndarray:
        """Vectors in which any value differs, (k,) int64."""
        types, mask = self._plan.types, np.zeros(len(rows), bool)
        for name in features:
            mask |= different(rows.table.column(name), replayed.column(name), types[name])
        return np.flatnonzero(mask)

    def _replay(self, rows: ServedRows) -> pa.Table:
        given = self._plan.given
        spine = rows.table.select([SERVED_AT, *given]).rename_columns([EVENT_TIMESTAMP, *given])
        job = self._store.get_historical_features(
            entity_df=to_frame(spine),
            features=self._store.get_feature_service(self._group.service),
            filter_by_created_timestamp=True,
        )
        return job.to_arrow()

    def _explain(self, rows: ServedRows, replayed: pa.Table, features: list[str], positions: np.ndarray) -> None:
        plans = [*(part.plan for part in self._plan.views), *self._former.values()]
        assumed = {
            "late": any(one is not None and one.views for one in rows.circumstances),
            "ttl": any(plan.ttl_us for plan in plans if not plan.is_windowed),
            "definition": bool(self._former),
        }
        known = Known(self._plan, self._lost, assumed, self._code)
        what_if = Counterfactuals(self._plan, self._former, rows, self._store.config, self._records)
        self._collector.add(find_verdicts(known, features, replayed, what_if), what_if, replayed, positions)


def _controls(rows: ServedRows, differing: np.ndarray) -> np.ndarray:
    """Some vectors of each process that are as they should be: what would have changed them explains nothing."""
    whole = np.setdiff1d(np.arange(len(rows)), differing)
    runs = rows.run_of[whole]
    return np.concatenate([whole[runs == run][:_CONTROLS] for run in np.unique(runs)] or [whole])
