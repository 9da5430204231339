"""Why values differ: each is computed again under one assumption after another, until one gives what was served.

An assumption explains a value only if it breaks none: where it changes a value of the same view in the same vector
that was served as the plain replay has it, it can't have been so. What a process takes for the ttl it takes for all:
there a value broken in any of its vectors refutes it. Of several explanations the one that assumes least stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from storekeeper.audit.assumption import CAUSES, CODE, DEFINITION, TYPE, UNEXPLAINED, Assumption, assumptions
from storekeeper.audit.casts import equal_after_cast, of_other_kind
from storekeeper.audit.compare import differing_rows
from storekeeper.audit.counterfactual import Counterfactuals
from storekeeper.audit.served_rows import ServedRows
from storekeeper.audit.service_plan import ServicePlan

_MANY = 99


@dataclass(frozen=True)
class Verdict:
    """Why values differ.

    Attributes
    ----------
    causes
        The classes, `unexplained` among them; more than one where only several together give the served value.
    assumption
        Under which the replay gives the served value; None where none does.
    """

    causes: tuple[str, ...]
    assumption: Assumption | None = None

    @property
    def label(self) -> str:
        """The classes in one text."""
        return " + ".join(self.causes)


@dataclass(frozen=True)
class Known:
    """What the search may build on.

    Attributes
    ----------
    plan
        The feature service as it is now.
    redefined
        Views and on-demand views that meant something else at serving and can't be computed as they were.
    assumed
        Which kinds of assumption there is reason for.
    code
        The code that audits.
    """

    plan: ServicePlan
    redefined: frozenset[str]
    assumed: Mapping[str, bool]
    code: str


@dataclass
class _Column:
    """The search's state for one feature: which values are open, and the best explanation so far."""

    served: pa.ChunkedArray
    differs: np.ndarray
    size: np.ndarray = field(init=False)
    verdict: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.size = np.full(len(self.differs), _MANY)
        self.verdict = np.full(len(self.differs), None, object)

    def open_above(self, size: int) -> bool:
        return bool(np.any(self.differs & (self.size > size)))

    def take(self, rows: np.ndarray, size: int, verdict: Verdict) -> None:
        better = rows & self.differs & (self.size > size)
        self.size[better], self.verdict[better] = size, verdict


def different(served: pa.ChunkedArray, computed: pa.ChunkedArray, declared: pa.DataType) -> np.ndarray:
    """Rows in which a value, or its kind, differs; (n_rows,) bool."""
    mask = np.zeros(len(served), bool)
    mask[differing_rows(served, computed)] = True
    mask[of_other_kind(served, declared)] = True
    return mask


def find_verdicts(
    known: Known, features: Sequence[str], replayed: pa.Table, what_if: Counterfactuals
) -> dict[str, np.ndarray]:
    """A `Verdict` for each value that differs, None for the others: feature -> (n_rows,) object."""
    rows, types = what_if.rows, known.plan.types
    columns = {}
    for name in features:
        served = rows.table.column(name)
        columns[name] = _Column(served, different(served, replayed.column(name), types[name]))
    for assumption in assumptions(**known.assumed):
        size = len(assumption.causes)
        if not any(column.open_above(size) for column in columns.values()):
            break
        computed = replayed if assumption == Assumption() else what_if.features(assumption)
        for owner in {known.plan.owners[name] for name in features}:
            mine = {name: columns[name] for name in features if known.plan.owners[name] == owner}
            _try(mine, computed, what_if, assumption)
    for name, column in columns.items():
        _settle(known, known.plan.owners[name], column, rows)
    return {name: column.verdict for name, column in columns.items()}


def _try(columns: Mapping[str, _Column], computed: pa.Table, what_if: Counterfactuals, assumption: Assumption) -> None:
    """Hold one view's columns against what an assumption gives."""
    exact, cast, types = {}, {}, what_if.types(assumption)
    for name, column in columns.items():
        exact[name] = ~different(column.served, computed.column(name), types[name])
        cast[name] = np.zeros(len(exact[name]), bool)
        if not exact[name].all():
            cast[name] = equal_after_cast(column.served, computed.column(name)) & ~exact[name]
    broken = np.any([~column.differs & ~exact[name] & ~cast[name] for name, column in columns.items()], axis=0)
    if assumption.ttl:
        broken = np.isin(what_if.rows.run_of, what_if.rows.run_of[broken])
    causes = assumption.causes
    for name, column in columns.items():
        if causes:
            column.take(exact[name] & ~broken, len(causes), Verdict(causes, assumption))
        both = tuple(cause for cause in CAUSES if cause in {*causes, TYPE})
        column.take(cast[name] & ~broken, len(both), Verdict(both, assumption))


def _settle(known: Known, owner: str, column: _Column, rows: ServedRows) -> None:
    """What no assumption gives: another definition that can't be computed any more, other code, or nothing known."""
    if owner in known.redefined:
        column.take(column.differs, _MANY - 1, Verdict((DEFINITION,)))
        return
    others = [place for place, one in enumerate(rows.circumstances) if one and one.code and one.code != known.code]
    column.take(np.isin(rows.circumstance_of, others), _MANY - 1, Verdict((CODE,)))
    column.take(column.differs, _MANY - 1, Verdict((UNEXPLAINED,)))
