"""Adds verdicts up to findings."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from storekeeper.audit.counterfactual import Counterfactuals
from storekeeper.audit.explain import Explainer
from storekeeper.audit.findings import HOUR_US, Example, Finding, Sum, closed
from storekeeper.audit.log import SERVED_AT
from storekeeper.audit.verdicts import Verdict


class Collector:
    """The findings of one service while they grow.

    Parameters
    ----------
    explainer
        Puts evidence into words, for examples.
    """

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer
        self._sums: dict[tuple[str, ...], Sum] = {}

    def findings(self) -> tuple[Finding, ...]:
        """All that was added."""
        return closed(self._sums)

    def add(
        self, verdicts: Mapping[str, np.ndarray], what_if: Counterfactuals, replayed: pa.Table, positions: np.ndarray
    ) -> None:
        """Add some vectors' verdicts.

        Parameters
        ----------
        verdicts
            Feature -> a `Verdict` or None a vector, (n_rows,) object.
        what_if
            The vectors.
        replayed
            What the plain replay gave for them.
        positions
            Their positions among all vectors of the service, (n_rows,) int64.
        """
        touched: dict[tuple[str, ...], set[int]] = {}
        for feature, column in verdicts.items():
            groups: dict[tuple[str, ...], list[int]] = {}
            for row, verdict in enumerate(column.tolist()):
                if verdict is not None:
                    groups.setdefault(verdict.causes, []).append(row)
            for causes, rows in groups.items():
                touched.setdefault(causes, set()).update(rows)
                found, where = self._sums.setdefault(causes, Sum()), np.array(rows)
                self._add_counts(found, where, feature, what_if)
                if found.wants_example_of(feature):
                    found.examples.append(
                        self._example(feature, rows[0], column[rows[0]], what_if, replayed, int(positions[rows[0]]))
                    )
        for causes, vectors in touched.items():
            self._sums[causes].vectors += len(vectors)

    def _add_counts(self, found: Sum, where: np.ndarray, feature: str, what_if: Counterfactuals) -> None:
        plan, rows = self._explainer.plan, what_if.rows.take(where)
        owner = plan.owners[feature]
        found.values += len(where)
        hours, counts = np.unique(rows.at_us // HOUR_US, return_counts=True)
        for hour, count in zip(hours.tolist(), counts.tolist(), strict=True):
            found.hours[owner, hour] += count
        found.add_span(int(rows.at_us.min()), int(rows.at_us.max()))
        columns = [rows.table.column(key).to_pylist() for key in plan.keys_of(owner)]
        found.add_entities((owner, *entity) for entity in (set(zip(*columns, strict=True)) if columns else {()}))

    def _example(
        self,
        feature: str,
        row: int,
        verdict: Verdict,
        what_if: Counterfactuals,
        replayed: pa.Table,
        position: int,
    ) -> Example:
        plan, table = self._explainer.plan, what_if.rows.table
        owner = plan.owners[feature]
        return Example(
            row=position,
            served_at=table.column(SERVED_AT)[row].as_py(),
            owner=owner,
            feature=feature,
            entity={key: table.column(key)[row].as_py() for key in plan.keys_of(owner)},
            online=table.column(feature)[row].as_py(),
            offline=replayed.column(feature)[row].as_py(),
            why=self._explainer.why(verdict, what_if, feature, row),
        )
