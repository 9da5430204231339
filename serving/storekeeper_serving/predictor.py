"""One model with the features that it reads: entity keys and context in, probabilities or quantities out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.artefact import Artefact, CategoricalColumn, Manifest, Predictor, load_predictor
from storekeeper.artefact import Column as DeclaredColumn
from storekeeper.errors import DataError, SourceError, StorekeeperError, listing
from storekeeper.explain import Explainer, load_explainer
from storekeeper.online.reader import FeatureReader
from storekeeper_serving.inputs import REQUEST_TIME, Column, json_type
from storekeeper_serving.problems import Problem, RequestError

_TYPES = {
    str(type_): type_ for type_ in (pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.timestamp("us", tz="UTC"))
}


@dataclass(frozen=True)
class Prediction:
    """What came of one batch.

    Attributes
    ----------
    features
        The feature service's columns, as the model was given them.
    numbers
        `(n_rows,) float64`, in the order of the rows: chances, or quantities where the model predicts those.
    decisions
        Of chances, `(n_rows,) bool`: whether they reach the model's threshold.
    bounds
        Of quantities, `(n_rows,) float64` each: the lower and the upper end of the model's interval.
    """

    features: pa.Table
    numbers: npt.NDArray[np.float64]
    decisions: npt.NDArray[np.bool_] | None = None
    bounds: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None


@dataclass(frozen=True)
class ServedModel:
    """A model that is ready to predict.

    Attributes
    ----------
    artefact
        Which one.
    predictor
        Its encoder and weights.
    reader
        Reads its feature service.
    entity_types, context_types
        What a caller must give, with Arrow types.
    """

    artefact: Artefact
    predictor: Predictor
    reader: FeatureReader
    entity_types: Mapping[str, pa.DataType]
    context_types: Mapping[str, pa.DataType]

    @property
    def manifest(self) -> Manifest:
        """What the model is."""
        return self.predictor.manifest

    def predict(
        self, entities: Mapping[str, Column], context: Mapping[str, Column], now: datetime
    ) -> tuple[Prediction, pa.Table]:
        """Read features at `now` and predict.

        Parameters
        ----------
        entities, context
            A column for each of `entity_types` and `context_types`, all of one length.

        Returns
        -------
        tuple[Prediction, pyarrow.Table]
            The prediction, and the vectors behind it: keys, context, features.

        Raises
        ------
        SourceError
            If the online store can't be read, or its state was made for other definitions or a later time.
        """
        features = self._read(entities, context, now)
        given = {**entities, **context}
        types = {**self.entity_types, **self.context_types}
        vectors = {name: pa.chunked_array([pa.array(given[name], type_)]) for name, type_ in types.items()}
        vectors |= dict(zip(features.column_names, features.columns, strict=True))
        numbers, manifest = self.predictor.predict(vectors), self.manifest
        decisions = None if manifest.threshold is None else numbers >= manifest.threshold
        bounds = None if manifest.interval is None else manifest.interval.bounds(numbers)
        return Prediction(features, numbers, decisions, bounds), pa.table(vectors)

    def explainer(self) -> Explainer:
        """What takes its predictions apart; loaded when first asked for, so that predicting never waits for it.

        Raises
        ------
        RequestError
            If the model can't be explained; the message says why.
        """
        try:
            return self._explainer
        except StorekeeperError as error:
            raise RequestError(Problem(422, "not_explainable", str(error), do="Ask without 'explain'.")) from error

    @cached_property
    def _explainer(self) -> Explainer:
        return load_explainer(self.artefact.path)

    def _read(self, entities: Mapping[str, Column], context: Mapping[str, Column], now: datetime) -> pa.Table:
        reader = self.reader
        keys = {name: entities[name] for name in reader.entity_types}
        try:
            return reader.read_table(keys, {name: context[name] for name in reader.request_types}, now)
        except DataError as error:
            # Keys and context were checked before: what doesn't fit is the stored state.
            raise SourceError(f"The online features of service '{reader.service}' can't be used: {error}") from error

    def example(self) -> dict[str, Any]:
        """A request that the model can answer, for documentation and warming up."""
        known = {c.name: c.vocabulary for c in self.predictor.encoder.categorical if isinstance(c, CategoricalColumn)}
        entities = {name: [_example(type_, known.get(name))] for name, type_ in self.entity_types.items()}
        context = {n: [_example(t, known.get(n))] for n, t in self.context_types.items() if n != REQUEST_TIME}
        return {"entities": entities, "context": context} if context else {"entities": entities}


def open_model(artefact: Artefact, reader: FeatureReader) -> ServedModel:
    """Load a model that reads a feature service.

    Raises
    ------
    NotFoundError, UsageError
        If a file or package that it needs is missing.
    DataError
        If it is damaged, needs a column that the feature service lacks, or names collide.
    """
    predictor = load_predictor(artefact.path)
    manifest = predictor.manifest
    model = ServedModel(
        artefact,
        predictor,
        reader,
        {**_declared(manifest.entity_keys, artefact), **reader.entity_types},
        {**_declared(manifest.request_columns, artefact), **reader.request_types},
    )
    _check(model)
    return model


def _declared(columns: tuple[DeclaredColumn, ...], artefact: Artefact) -> dict[str, pa.DataType]:
    if unknown := [f"{column.name} {column.dtype}" for column in columns if column.dtype not in _TYPES]:
        raise DataError(
            f"'{artefact.path}' asks callers for {listing(unknown)}. Types that a request can hold: {listing(_TYPES)}. "
            f"Train the model again with such columns."
        )
    return {column.name: _TYPES[column.dtype] for column in columns}


def _check(model: ServedModel) -> None:
    """Refuse at once what no request could answer."""
    names = [*model.entity_types, *model.context_types, *model.reader.features]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(
            f"Entity keys, context and features of service '{model.reader.service}' must differ in name. "
            f"There twice: {listing(twice)}. Rename one in the feature repo."
        )
    needed = {*(column.name for column in model.manifest.inputs), *model.predictor.encoder.input_names}
    if missing := needed - set(names):
        raise DataError(
            f"'{model.artefact.path}' needs the columns {listing(missing)}, which feature service "
            f"'{model.reader.service}' and the request don't have. Train the model again."
        )
    types = {**model.entity_types, **model.context_types}
    if unfit := [f"{name} {type_}" for name, type_ in types.items() if not json_type(type_)]:
        raise DataError(f"A request can't hold {listing(unfit)}. Change the type in the feature repo.")


def _example(type_: pa.DataType, known: tuple[str, ...] | None) -> object:
    if pa.types.is_string(type_):
        return known[0] if known else "..."
    if pa.types.is_timestamp(type_):
        return "2017-12-25T18:00:00Z"
    if pa.types.is_boolean(type_):
        return True
    return 1 if pa.types.is_integer(type_) else 199.0
