"""The serving process's inside, without HTTP: store, models, log, clock."""

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from storekeeper.audit.code_version import code_version
from storekeeper.audit.log import MODEL, PROBABILITY, REQUEST_ID, TASK, VERSION, Evidence, ServedLog
from storekeeper.audit.witness import Witness
from storekeeper.errors import SourceError, StorekeeperError, listing
from storekeeper.online.reader import UNREADABLE, FeatureReader
from storekeeper.settings import Settings
from storekeeper.store import FeatureStore
from storekeeper_serving.catalogue import fingerprint, load_catalogue
from storekeeper_serving.explanations import check_explainable, explain_rows
from storekeeper_serving.inputs import REQUEST_TIME, PredictBody, count_rows, parse_body, typed_columns
from storekeeper_serving.options import ServingOptions
from storekeeper_serving.predictor import Prediction, ServedModel
from storekeeper_serving.schemas import ExplanationInfo


@dataclass(frozen=True)
class Answer:
    """A prediction and what it was made with.

    Attributes
    ----------
    model
        The model that answered.
    served_at
        The `now` at which features were read.
    request_id
        Finds its rows in the served log.
    prediction
        Chances and decisions, or quantities and bounds; features.
    with_features
        Whether the caller wants to see the features.
    explanation
        Why, if the caller wants to know.
    """

    model: ServedModel
    served_at: datetime
    request_id: str
    prediction: Prediction
    with_features: bool
    explanation: ExplanationInfo | None = None


class Engine:
    """Predicts from entity keys.

    Parameters
    ----------
    settings
        The project.
    options
        Limits.

    Raises
    ------
    SettingError, SourceError
        If the feature store can't be opened.
    """

    def __init__(self, settings: Settings, options: ServingOptions | None = None) -> None:
        self.settings, self.options = settings, options or ServingOptions()
        self.store = FeatureStore(settings.feature_repo)
        self.clock = self.store.clock
        self.catalogue = load_catalogue(self.store, settings.models_dir)
        self.log = ServedLog(
            settings.served_dir,
            max_pending_rows=self.options.max_pending_rows,
            flush_seconds=self.options.flush_seconds,
        )
        self.refresh_problem: str | None = None
        self._witnesses: dict[tuple[str, str], Witness] = {}
        # Read now, for sources on disk may change while the code that was loaded goes on running.
        code_version()
        self._fingerprint: object = self._look()
        self._started = time.monotonic()
        self._closing = threading.Event()
        self._refresher = threading.Thread(target=self._keep_fresh, name="catalogue-refresh", daemon=True)
        self._refresher.start()

    @property
    def uptime_seconds(self) -> float:
        """How long the engine has run."""
        return time.monotonic() - self._started

    def predict(self, task: str, body: bytes) -> Answer:
        """Answer a request, and hand what was served to the log.

        Raises
        ------
        RequestError, RefusedError
            If the request can't be answered as asked; nothing is logged.
        SourceError
            If the online store is missing, broken or not materialised.
        """
        self.catalogue.check_task(task)
        request = parse_body(body)
        model = self.catalogue.find(task, request.model, request.version)
        now = self.clock.now()
        entities, context = self._columns(request, model, now)
        check_materialised(model)
        reader = model.reader
        evidence = self._testify(reader)
        prediction, vectors = model.predict(entities, context, now)
        explanation = None if request.explain is None else explain_rows(model, vectors, entities, now, request.explain)
        answer = Answer(model, now, secrets.token_hex(16), prediction, request.features, explanation)
        self.log.append(reader.service, reader.definition_hash, now, _logged(answer, vectors), evidence)
        return answer

    def warm_up(self) -> dict[str, str]:
        """Predict once with every model, unlogged. Returns the reason for each that can't yet."""
        problems = {}
        for model in self.catalogue.served():
            body, now = PredictBody.model_validate(model.example()), self.clock.now()
            try:
                check_materialised(model)
                model.predict(*self._columns(body, model, now), now)
            except StorekeeperError as error:
                problems[f"{model.manifest.task}/{model.manifest.model}"] = str(error)
        return problems

    def refresh(self) -> bool:
        """Load models and definitions anew if any has changed; requests go on with the old ones until then."""
        found = self._look()
        if found == self._fingerprint:
            return False
        self.catalogue, self._fingerprint = load_catalogue(self.store, self.settings.models_dir), found
        return True

    def close(self) -> None:
        """Write out the log and stop. Safe to call twice."""
        self._closing.set()
        self._refresher.join()
        self.log.close()

    def _columns(self, request: PredictBody, model: ServedModel, now: datetime) -> tuple[Any, Any]:
        rows = count_rows(request, self.options.max_rows)
        if request.explain is not None:
            check_explainable(rows, self.options.max_explained_rows)
        given = dict(request.context)
        if REQUEST_TIME in model.context_types:
            given.setdefault(REQUEST_TIME, now.isoformat())
        entities = typed_columns(request.entities, model.entity_types, rows, role="entity key")
        nullable = {*model.context_types} - {REQUEST_TIME}
        return entities, typed_columns(given, model.context_types, rows, role="context value", nullable=nullable)

    def _testify(self, reader: FeatureReader) -> Evidence:
        """What an audit will want to know of the features that are about to be read."""
        place = reader.service, reader.definition_hash
        if place not in self._witnesses:
            self._witnesses[place] = Witness.of(self.store, reader.service)
        return self._witnesses[place].testify(reader.definition_hash)

    def _look(self) -> object:
        return fingerprint(self.store, self.settings.models_dir, self.catalogue.readers)

    def _keep_fresh(self) -> None:
        while not self._closing.wait(self.options.refresh_seconds):
            try:
                self.refresh()
                self.refresh_problem = None
            except UNREADABLE as error:
                # What is loaded goes on serving; /health tells.
                self.refresh_problem = f"{type(error).__name__}: {error}"


def check_materialised(model: ServedModel) -> None:
    """Refuse to predict from views that were never filled: their features would all be null in silence.

    Raises
    ------
    SourceError
        Naming the views.
    """
    if empty := model.reader.unmaterialised():
        raise SourceError(
            f"Feature views {listing(empty)} have never been materialised, so there is nothing to predict from. "
            f"Run storekeeper materialize."
        )


def _logged(answer: Answer, vectors: pa.Table) -> pa.Table:
    """Vectors with who predicted what from them."""
    manifest, rows = answer.model.manifest, vectors.num_rows
    for name, value in (
        (REQUEST_ID, answer.request_id),
        (TASK, manifest.task),
        (MODEL, manifest.model),
        (VERSION, manifest.version),
    ):
        vectors = vectors.append_column(name, pa.repeat(pa.scalar(value), rows))
    return vectors.append_column(PROBABILITY, pa.array(answer.prediction.numbers))
