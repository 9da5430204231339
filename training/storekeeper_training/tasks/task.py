"""Task: what is to be predicted, declared."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from storekeeper.artefact import Column
from storekeeper.errors import UsageError

Parameter = str | int | float | bool | datetime | timedelta | None

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class RuleBaseline:
    """The rule of thumb that a shop would use without any model.

    Attributes
    ----------
    feature
        One numeric feature of the task's service.
    direction
        `rising` if a greater value makes the label likelier, else `falling`.
    """

    feature: str
    direction: Literal["rising", "falling"]


@dataclass(frozen=True)
class Task:
    """A prediction task.

    Attributes
    ----------
    name
        One word, lower case: `purchase`. Folders and URLs use it.
    title, description
        For people: a line, and what exactly a row and its label are.
    feature_service
        The Feast feature service that models of this task read.
    spine_sql
        DuckDB SQL over the table `events`, with `$name` parameters, of which `$now` is the
        clock's and must be used. Its columns are the entity keys,
        `event_timestamp`, the request columns and the label, which is null where it can't be known yet.
    parameters
        Values of the SQL's parameters, beside `$horizon`.
    entity_keys
        The join keys with their Arrow types.
    request_columns
        What a caller of a live prediction passes, with Arrow types; in the spine, what the caller would have passed.
    spine_inputs
        Entity keys and request columns that models read beside the features.
    calendar_features
        Features that mostly tell how long the log had been running, and so lie beyond what was trained on when they
        are served. Trees, which can't continue a trend, leave them out.
    label
        The label's column: 0 or 1.
    horizon
        How far after `event_timestamp` the label looks; also the gap between the parts of a split.
    rule
        The baseline that must be beaten.
    selection_metric
        The validation metric by which models are compared: `auc` or `average_precision`.
    """

    name: str
    title: str
    description: str
    feature_service: str
    spine_sql: str
    entity_keys: tuple[Column, ...]
    horizon: timedelta
    rule: RuleBaseline
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    request_columns: tuple[Column, ...] = ()
    spine_inputs: tuple[str, ...] = ()
    calendar_features: tuple[str, ...] = ()
    label: str = "label"
    selection_metric: Literal["auc", "average_precision"] = "average_precision"

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"A task's name is lower-case letters, digits and '_'. Received: '{self.name}'.")
        if self.horizon <= timedelta(0):
            raise UsageError(f"Task '{self.name}': the horizon must be positive. Received: {self.horizon}.")
        known = {column.name for column in (*self.entity_keys, *self.request_columns)}
        if unknown := [name for name in self.spine_inputs if name not in known]:
            raise UsageError(f"Task '{self.name}': spine inputs {unknown} are neither entity keys nor request columns.")

    @property
    def spine_columns(self) -> tuple[Column, ...]:
        """The columns of the spine, in order: keys, `event_timestamp`, request columns, label."""
        instant = Column("event_timestamp", "timestamp[us, tz=UTC]")
        return (*self.entity_keys, instant, *self.request_columns, Column(self.label, "int64"))

    def bound_parameters(self) -> dict[str, Parameter]:
        """Every parameter of the spine's SQL."""
        return {**self.parameters, "horizon": self.horizon}
