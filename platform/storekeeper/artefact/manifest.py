"""What a trained model is, beside its weights: what it reads, what it was made from, how well it does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from storekeeper.artefact.document import read_document, write_document
from storekeeper.artefact.interval import Interval
from storekeeper.errors import DataError

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"

Origin = Literal["feature", "entity", "request"]
Runtime = Literal[
    "xgboost", "xgboost-scaled", "onnx", "logistic", "rule", "log-linear", "weighted-sum", "blend", "ranker"
]
#: What a model predicts: a chance, a number of units, an order of items.
Kind = Literal["binary", "quantity", "ranking"]

_STRICT = ConfigDict(extra="forbid", strict=False)


@dataclass(frozen=True)
class Column:
    """A named, typed column.

    Attributes
    ----------
    name
        Its name.
    dtype
        Its Arrow type as Arrow writes it: `int64`, `string`, `double`, `timestamp[us, tz=UTC]`, `list<item: string>`.
    """

    name: str
    dtype: str


@dataclass(frozen=True)
class InputColumn:
    """A column that the model is given, and where serving finds it.

    Attributes
    ----------
    name
        Its name, without the view's.
    dtype
        Its Arrow type in the training set.
    origin
        `feature` (the feature service), `entity` (the entity key itself) or `request` (the caller).
    """

    name: str
    dtype: str
    origin: Origin


@dataclass(frozen=True)
class Manifest:
    """The record kept in an artefact's `manifest.json`.

    Attributes
    ----------
    format_version
        Version of the artefact's layout; readers refuse those they don't know.
    task, model, version
        Which model this is: `models_dir/<task>/<model>/<version>/`.
    runtime
        How its weights are run.
    feature_service
        The Feast feature service that it reads.
    definition_hash
        Hash of the feature definitions in force when its dataset was built.
    dataset_hash
        Hash of the dataset that it was trained on.
    code_hash
        Hash of the training code, so that an unchanged model isn't trained twice.
    inputs
        Every column that `Predictor.predict` needs, in order.
    entity_keys, request_columns
        What a caller gives: keys, and request-time context.
    threshold
        The probability from which on the answer is yes; chosen on the validation period. None where no chance is
        predicted.
    selection_metric
        The validation metric by which models of this task are compared.
    metrics
        Figures by period (`validation`, `test`) and name; null where undefined.
    parameters
        The model's own settings, for the record.
    packages
        Versions of the packages that made it.
    created_at
        When it was trained, UTC.
    seed
        The seed of every random choice.
    fit_seconds, peak_memory_mb
        What the fit cost.
    allowed_lints
        Names of the lints whose errors were let pass when it was trained: its dataset may leak.
    kind
        What is predicted.
    selection_greater
        Whether the greater figure of `selection_metric` is the better one; of errors it is the smaller.
    interval
        How far what happens may be from a quantity that is predicted; learnt on the validation period.
    """

    format_version: int
    task: str
    model: str
    version: int
    runtime: Runtime
    feature_service: str
    definition_hash: str
    dataset_hash: str
    code_hash: str
    inputs: tuple[InputColumn, ...]
    entity_keys: tuple[Column, ...]
    request_columns: tuple[Column, ...]
    threshold: float | None
    selection_metric: str
    metrics: Mapping[str, Mapping[str, float | None]]
    created_at: datetime
    seed: int
    fit_seconds: float
    peak_memory_mb: float
    parameters: Mapping[str, str | float | int | bool | None] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    allowed_lints: tuple[str, ...] = ()
    kind: Kind = "binary"
    selection_greater: bool = True
    interval: Interval | None = None

    __pydantic_config__ = _STRICT

    def __post_init__(self) -> None:
        """Refuse what no reader could use."""
        if self.kind == "binary" and (self.threshold is None or not 0.0 <= self.threshold <= 1.0):
            raise DataError(f"threshold must be a probability. Received: {self.threshold}.")
        if self.kind != "binary" and self.threshold is not None:
            raise DataError(f"Only a chance has a threshold, not a {self.kind}. Received: {self.threshold}.")
        if self.version < 1:
            raise DataError(f"version must be 1 or more. Received: {self.version}.")
        if self.created_at.tzinfo is None:
            raise DataError(f"created_at must carry a time zone. Received: {self.created_at.isoformat()}.")
        names = [column.name for column in self.inputs]
        if not names or len(set(names)) != len(names):
            raise DataError(f"inputs must be distinct and at least one. Received: {names}.")

    @property
    def selection_figure(self) -> float | None:
        """The validation figure by which this model is compared; None where undefined."""
        return self.metrics.get("validation", {}).get(self.selection_metric)

    def selection_value(self) -> float:
        """That figure, turned so that greater is better; minus infinity where undefined."""
        figure = self.selection_figure
        if figure is None:
            return float("-inf")
        return figure if self.selection_greater else -figure

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into an artefact's folder."""
        write_document(folder / MANIFEST_FILE, self)


def read_manifest(folder: Path) -> Manifest:
    """Read and validate an artefact's manifest.

    Raises
    ------
    NotFoundError
        If the folder holds none.
    DataError
        If its format is unknown or a field is missing or wrong; the message names the file and the field.
    """
    path = folder / MANIFEST_FILE
    if path.is_file():
        _check_format(path)
    return read_document(path, Manifest)


def _check_format(path: Path) -> None:
    """Look at the format alone first: fields of a later format would only confuse the message."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}. Train the model again.") from error
    found = content.get("format_version") if isinstance(content, dict) else None
    if found != FORMAT_VERSION:
        raise DataError(
            f"{path}: expected artefact format {FORMAT_VERSION}, found {found!r}. "
            f"Train the model again with this version of Storekeeper, or run the version that wrote it."
        )
