"""Rows that are to be explained: of the test period, or of entities as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from storekeeper.artefact import Artefact, Column, Columns, Manifest
from storekeeper.errors import DataError, SourceError, UsageError, listing
from storekeeper.online.provenance import FeatureSource, feature_sources
from storekeeper.online.reader import FeatureReader
from storekeeper.store import FeatureStore
from storekeeper_training.dataset import Dataset
from storekeeper_training.split import Split

REQUEST_TIME = "request_time"


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows with what is known of each.

    Attributes
    ----------
    names
        What each is called.
    at
        The instant as of which each row's features are.
    labels
        What came, if it is known.
    columns
        The model's inputs.
    sources
        Where features come from.
    """

    names: tuple[str, ...]
    at: tuple[datetime, ...]
    labels: tuple[float | None, ...]
    columns: Columns
    sources: Mapping[str, FeatureSource]


def rows_of_test(
    dataset: Dataset, split: Split, chosen: Sequence[int], manifest: Manifest, reader: FeatureReader
) -> Rows:
    """Rows of the test period by their number, from 0 in the order of time.

    Raises
    ------
    UsageError
        If there is no such row.
    """
    rows = len(split.test)
    if wrong := [row for row in chosen if not 0 <= row < rows]:
        raise UsageError(f"The test period has {rows:,} rows, numbered from 0. There is no row {wrong[0]}.")
    places = split.test[np.asarray(chosen, dtype=np.int64)]
    keys = [key.name for key in dataset.task.entity_keys]
    names = tuple(
        f"row {row}: " + ", ".join(f"{key} {dataset.table[key][int(place)].as_py()}" for key in keys)
        for row, place in zip(chosen, places, strict=True)
    )
    instants = [dataset.table["event_timestamp"][int(place)].as_py() for place in places]
    labels = tuple(float(label) for label in dataset.labels[places])
    # Of the training set it isn't known how old a value was then.
    same = reader.definition_hash == manifest.definition_hash
    features = [column.name for column in manifest.inputs if column.origin == "feature"]
    sources = feature_sources(reader.plan, features, None, instants[0]) if same and instants else {}
    return Rows(names, tuple(instants), labels, dataset.columns(places), sources)


def rows_of_now(
    store: FeatureStore, reader: FeatureReader, artefact: Artefact, manifest: Manifest, given: Mapping[str, str]
) -> Rows:
    """One row of entities as they are now, read from the online store.

    Parameters
    ----------
    given
        Entity keys and request-time values by name, as text; `request_time` is now unless it is given.

    Raises
    ------
    UsageError
        If a name is missing or unknown, or a text is no value of its type; or the definitions have changed since the
        model was trained.
    SourceError
        If the online store can't be read, or views were never materialised.
    """
    if reader.definition_hash != manifest.definition_hash:
        raise UsageError(
            f"'{artefact.path}' was trained on other definitions of feature service '{reader.service}'. "
            f"Train it again: storekeeper train {manifest.task}."
        )
    if empty := reader.unmaterialised():
        raise SourceError(f"Feature views {listing(empty)} were never materialised. Run storekeeper materialize.")
    now = store.clock.now()
    types = {**_declared(manifest.entity_keys, reader.entity_types), **reader.entity_types}
    asked = {**_declared(manifest.request_columns, reader.request_types), **reader.request_types}
    values = _typed(given, {**types, **asked}, now)
    keys = {name: values[name] for name in reader.entity_types}
    try:
        table = reader.read_table(keys, {name: values[name] for name in reader.request_types}, now)
    except DataError as error:
        raise SourceError(f"The online features of service '{reader.service}' can't be used: {error}") from error
    columns = {**values, **{name: table.column(name) for name in table.column_names}}
    listed = {name: column.to_pylist() for name, column in keys.items()}
    sources = feature_sources(reader.plan, table.column_names, listed, now)
    name = "now: " + ", ".join(f"{name} {values[name][0].as_py()}" for name in types)
    return Rows((name,), (now,), (None,), columns, sources)


def _declared(columns: Sequence[Column], read: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """Types that the manifest declares of what the service doesn't read itself."""
    plain = {str(kind): kind for kind in (pa.int64(), pa.float64(), pa.string(), pa.bool_())}
    plain[str(pa.timestamp("us", tz="UTC"))] = pa.timestamp("us", tz="UTC")
    return {column.name: plain.get(column.dtype, pa.string()) for column in columns if column.name not in read}


def _typed(given: Mapping[str, str], types: Mapping[str, pa.DataType], now: datetime) -> dict[str, pa.Array]:
    """Texts as arrays of one value."""
    needed = [name for name in types if name != REQUEST_TIME]
    missing, unknown = [n for n in needed if n not in given], [n for n in given if n not in types]
    if missing or unknown:
        described = ", ".join(f"{name} ({types[name]})" for name in needed)
        raise UsageError(
            f"This model asks for {described}. "
            + (f"Missing: {listing(missing)}. " if missing else "")
            + (f"Unknown: {listing(unknown)}. " if unknown else "")
            + "Give each as --entity NAME=VALUE."
        )
    return {name: _value(name, given.get(name), kind, now) for name, kind in types.items()}


def _value(name: str, text: str | None, kind: pa.DataType, now: datetime) -> pa.Array:
    if text is None:
        return pa.array([now], kind)
    try:
        value: Any = text
        if pa.types.is_timestamp(kind):
            instant = datetime.fromisoformat(text)
            value = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        elif not pa.types.is_string(kind):
            value = pa.array([text]).cast(kind)[0].as_py()
        return pa.array([value], kind)
    except (ValueError, pa.ArrowInvalid) as error:
        raise UsageError(f"'{name}' is {kind}. Received: '{text}'.") from error
