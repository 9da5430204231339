"""Task: what is to be predicted, declared."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from storekeeper.artefact import Column
from storekeeper.errors import UsageError, listing

Parameter = str | int | float | bool | datetime | timedelta | None

Kind = Literal["binary", "quantity", "ranking"]

#: What a label is, by kind: 0 or 1; a number of units; the items that came next.
LABEL_TYPES: Mapping[Kind, str] = {"binary": "int64", "quantity": "double", "ranking": "list<item: int64>"}

_BINARY_METRICS = ("auc", "average_precision")
_QUANTITY_METRICS = ("rmsse", "mase", "wape", "rmse", "mae")
_RANKING_METRICS = ("ndcg_at_10", "hr_at_10", "recall_at_20", "mrr")
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
class Forecast:
    """A forecast that needs no model: a feature times a weight.

    Attributes
    ----------
    name
        Its name in the leaderboard.
    feature
        One numeric feature of the task's service, such as last week's units.
    weight
        What it counts: a sum of four weeks, 0.25.
    """

    name: str
    feature: str
    weight: float = 1.0


@dataclass(frozen=True)
class Shares:
    """How a task's rows are parted by time.

    Attributes
    ----------
    train, validation
        Shares of the rows; the rest is the test.
    of
        `all`: the share of all rows that lies before a boundary, so that the gap after it comes off the next part.
        `kept`: the share of the rows that are left once the gaps are taken out, for horizons that are long beside
        the log.
    """

    train: float = 0.7
    validation: float = 0.15
    of: Literal["all", "kept"] = "all"

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing for a part."""
        if not (0 < self.train < 1 and 0 < self.validation < 1 and self.train + self.validation < 1):
            raise UsageError(
                f"train and validation must be positive and leave a share for the test. "
                f"Received: train={self.train}, validation={self.validation}."
            )


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
        The label's column.
    kind
        What is predicted: `binary`, a chance, from labels 0 and 1; `quantity`, how many units; `ranking`, which items
        come next, from lists of them.
    events
        The event types without which the task makes no sense: a log that lacks one is refused by its name. A tuple
        within stands for any one of its types.
    shares
        How rows are parted by time.
    horizon
        How far after `event_timestamp` the label looks; also the gap between the parts of a split.
    rule
        The baseline that must be beaten; needed where `kind` is `binary`.
    selection_metric
        The validation metric by which models are compared: for chances `auc` or `average_precision`, for quantities
        `rmsse`, `mase`, `wape`, `rmse` or `mae`, for rankings `ndcg_at_10`, `hr_at_10`, `recall_at_20` or `mrr`.
    forecasts
        Where `kind` is `quantity`: the baselines that must be beaten.
    level
        Where `kind` is `quantity`: a feature about which quantities lie, in the label's unit. Trees learn by what it
        is to be multiplied, so that they need not learn every size anew.
    history
        Where `kind` is `ranking`: the feature that lists what was taken before, oldest first.
    catalogue_size
        Where `kind` is `ranking`: how many items are ranked at most, the most frequent ones of the training rows. Any
        other item that comes next counts as a miss.
    """

    name: str
    title: str
    description: str
    feature_service: str
    spine_sql: str
    entity_keys: tuple[Column, ...]
    horizon: timedelta
    rule: RuleBaseline | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    request_columns: tuple[Column, ...] = ()
    spine_inputs: tuple[str, ...] = ()
    calendar_features: tuple[str, ...] = ()
    label: str = "label"
    selection_metric: str = "average_precision"
    kind: Kind = "binary"
    events: tuple[str | tuple[str, ...], ...] = ()
    shares: Shares = Shares()
    forecasts: tuple[Forecast, ...] = ()
    level: str | None = None
    history: str = ""
    catalogue_size: int = 20_000

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"A task's name is lower-case letters, digits and '_'. Received: '{self.name}'.")
        if self.horizon <= timedelta(0):
            raise UsageError(f"Task '{self.name}': the horizon must be positive. Received: {self.horizon}.")
        if self.kind == "binary" and (self.rule is None or self.selection_metric not in _BINARY_METRICS):
            raise UsageError(
                f"Task '{self.name}' predicts a chance: it needs a rule, and a selection_metric of "
                f"{listing(_BINARY_METRICS)}. Received: {self.rule}, '{self.selection_metric}'."
            )
        if self.kind == "quantity" and not (self.forecasts and self.selection_metric in _QUANTITY_METRICS):
            raise UsageError(
                f"Task '{self.name}' predicts a quantity: it needs forecasts as baselines, and a selection_metric of "
                f"{listing(_QUANTITY_METRICS)}. Received: {self.forecasts}, '{self.selection_metric}'."
            )
        if self.kind == "ranking" and not (self.history and self.selection_metric in _RANKING_METRICS):
            raise UsageError(
                f"Task '{self.name}' ranks items: it needs the feature that is their history, and a selection_metric "
                f"of {listing(_RANKING_METRICS)}. Received: '{self.history}', '{self.selection_metric}'."
            )
        known = {column.name for column in (*self.entity_keys, *self.request_columns)}
        if unknown := [name for name in self.spine_inputs if name not in known]:
            raise UsageError(f"Task '{self.name}': spine inputs {unknown} are neither entity keys nor request columns.")

    @property
    def spine_columns(self) -> tuple[Column, ...]:
        """The columns of the spine, in order: keys, `event_timestamp`, request columns, label."""
        instant = Column("event_timestamp", "timestamp[us, tz=UTC]")
        return (*self.entity_keys, instant, *self.request_columns, Column(self.label, LABEL_TYPES[self.kind]))

    def bound_parameters(self) -> dict[str, Parameter]:
        """Every parameter of the spine's SQL."""
        return {**self.parameters, "horizon": self.horizon}
