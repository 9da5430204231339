"""Raw events on their way into the state of every view over their push source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from feast.repo_config import RepoConfig

from storekeeper.definitions import ViewPlan, known_type
from storekeeper.definitions.event_id import event_id_column
from storekeeper.errors import DataError, listing
from storekeeper.history.columns import TIMESTAMP, column_kind
from storekeeper.online.backends import ViewMeta
from storekeeper.online.checked_rows import CheckedRows, Rules, check_rows, complete_keys, given_columns
from storekeeper.online.event_words import SharedWords
from storekeeper.online.fitted_column import Given
from storekeeper.online.pushed_view import PushedView, key_types
from storekeeper.online.view_state import KEPT_TYPES, ViewState, source_kind, to_us
from storekeeper.push_report import PushReport
from storekeeper.sources import source_schema


@dataclass(frozen=True)
class Push:
    """Where pushed rows go.

    Attributes
    ----------
    source
        The push source's name.
    states
        The views over it, at least one; they share one history.
    online
        Whether rows go into the views' state.
    history
        Types of the history's columns under their mapped names; None where rows don't go there.
    now, tolerance
        The clock's now, and by how much a row's times may be later.
    """

    source: str
    states: Sequence[ViewState]
    online: bool
    history: Mapping[str, pa.DataType] | None
    now: datetime
    tolerance: timedelta

    @property
    def plan(self) -> ViewPlan:
        """The plan of one of the views: all have the same history, with the same times."""
        return self.states[0].plan


def history_types(plan: ViewPlan, config: RepoConfig) -> dict[str, pa.DataType]:
    """Types of a history's columns, under the names that its views know."""
    mapping = plan.source.field_mapping
    return {mapping.get(field.name, field.name): field.type for field in source_schema(plan.source, config)}


def push_rows(rows: pa.Table | pd.DataFrame, push: Push, config: RepoConfig) -> tuple[PushReport, pa.Table]:
    """Write rows into the state of the views; those that can't be kept are told, one by one.

    Returns
    -------
    report : PushReport
    accepted : pyarrow.Table
        The rows that weren't rejected, in their order, in history's columns if it is to have them.

    Raises
    ------
    DataError
        If all rows lack a column, or have one that the history doesn't know. Nothing was written then.
    """
    given = given_columns(rows, push.plan.source.field_mapping)
    _check_names(given, push)
    views = [PushedView(state, aggregated_kinds(state, config)) for state in push.states] if push.online else []
    ids = _id_types(given, push)
    history = {name: _kept_type(type_) for name, type_ in (push.history or {}).items()}
    wanted = [view.values for view in views] + [ids, history]
    checked = check_rows(given, len(rows), _rules(push, wanted))
    kept = np.flatnonzero(checked.kept)
    accepted = _write(views, checked, ids, to_us(push.now)) if push.online else len(kept)
    report = PushReport(accepted, len(kept) - accepted, checked.rejected)
    return report, _selected(checked, history, kept)


def aggregated_kinds(state: ViewState, config: RepoConfig) -> dict[str, str]:
    """Kinds of the columns that a view aggregates: as it was last materialised, else as its source has them.

    The latter are kept in the view's meta, for readers must decode by what was encoded.
    """
    columns = sorted({window.column for window in state.plan.windows if window.column})
    meta = state.backend.meta(state.name) or ViewMeta(None, {})
    if not set(columns) <= set(meta.kinds):
        types = history_types(state.plan, config)
        known = {column: known_type(state.plan, column, types[column]) for column in columns}
        kinds = {column: source_kind(type_) for column, type_ in known.items()}
        meta = ViewMeta(meta.until_us, kinds, meta.made_from)
        state.backend.update(state.name, (), meta)
    return {column: meta.kinds[column] for column in columns}


def _check_names(given: Mapping[str, Given], push: Push) -> None:
    needed = {name for state in push.states for name in state.plan.source_columns(list(state.plan.types))}
    needed |= set(filter(None, [event_id_column(push.plan.source)])) | set(push.history or ())
    missing = needed - {push.plan.known_time} - set(given)
    if missing:
        raise DataError(
            f"Rows for push source '{push.source}' lack the column {listing(missing)}. Expected: {listing(needed)}. "
            f"Received: {listing(given)}."
        )
    unknown = set(given) - set(push.history) if push.history is not None else set()
    if unknown:
        raise DataError(
            f"Rows for push source '{push.source}' have the column {listing(unknown)}, which its history doesn't. It "
            f"has: {listing(push.history or ())}. Leave it out, or push online only."
        )


def _id_types(given: Mapping[str, Given], push: Push) -> dict[str, pa.DataType]:
    """The column of event ids, if there is one, in its history's type or as it came."""
    name = event_id_column(push.plan.source)
    if name is None or not push.online:
        return {}
    if push.history is not None:
        return {name: _kept_type(push.history[name])}
    column = given[name]
    if isinstance(column, pa.ChunkedArray):
        return {name: _kept_type(column.type)}
    # An id is a whole number or a text; a column with one missing may have floats for whole numbers.
    is_text = any(isinstance(value, str) for value in column)
    return {name: pa.string() if is_text else pa.int64()}


def _kept_type(type_: pa.DataType) -> pa.DataType:
    """The type in which a column is looked at: its kind's, but decimals keep all their digits."""
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    return plain if pa.types.is_decimal(plain) else KEPT_TYPES.get(column_kind(plain), plain)


def _rules(push: Push, wanted: Sequence[Mapping[str, pa.DataType]]) -> Rules:
    plan = push.plan
    values = frozenset(pair for types in wanted for pair in types.items())
    keys = tuple(key_types(state) for state in push.states)
    return Rules(plan.event_time, plan.known_time, keys, values, push.history or {}, push.now, push.tolerance)


def _write(views: Sequence[PushedView], checked: CheckedRows, ids: Mapping[str, pa.DataType], now_us: int) -> int:
    """Write rows into each view that has an entity for them. How many weren't there before.

    The first view decides, and of windowed views if there are any: they tell events apart. So several writers of one
    event agree on who was first.
    """
    decided, new = (np.zeros(len(checked.kept), bool) for _ in range(2))
    shared, words = _shared(views, ids), SharedWords(checked.columns, np.flatnonzero(checked.kept))
    for view in sorted(views, key=lambda view: not view.state.plan.is_windowed):
        keys = [checked.columns[key] for key in view.keys.items()]
        taken = np.flatnonzero(checked.kept & complete_keys(keys, len(checked.kept)))
        rows = _selected(checked, {**shared, **view.keys, **view.values}, taken)
        new[taken] |= view.push(rows, words.of(taken), now_us) & ~decided[taken]
        decided[taken] = True
    return int(new.sum())


def _shared(views: Sequence[PushedView], ids: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """What any of the views reads, and the ids; each column in one type."""
    plan = views[0].state.plan
    read = {name: type_ for view in views for name, type_ in {**view.keys, **view.values}.items()}
    return {**ids, **read, **{name: TIMESTAMP for name in (plan.event_time, plan.known_time) if name}}


def _selected(checked: CheckedRows, types: Mapping[str, pa.DataType], rows: np.ndarray) -> pa.Table:
    columns = {name: checked.columns[name, type_] for name, type_ in types.items()}
    table = pa.table(columns)
    return table if len(rows) == table.num_rows else table.take(pa.array(rows))
