"""Which models are served: loaded, checked against the definitions in force, or refused with a reason."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from storekeeper.artefact import (
    Artefact,
    default_artefact,
    find_artefact,
    list_artefacts,
    promotions_stamp,
    read_manifest,
    verify_contents,
)
from storekeeper.definitions import definition_hash
from storekeeper.errors import NotFoundError, SourceError, StorekeeperError
from storekeeper.online.reader import UNREADABLE, FeatureReader
from storekeeper.store import FeatureStore
from storekeeper_serving.predictor import ServedModel, open_model
from storekeeper_serving.problems import Problem, RefusedError, RequestError


@dataclass(frozen=True)
class Refusal:
    """A model that is not served, and why."""

    artefact: Artefact
    problem: Problem


Entry = ServedModel | Refusal


@dataclass
class Catalogue:
    """The models of a folder, read through a feature store as it was when this was made.

    Attributes
    ----------
    models_dir
        Where artefacts lie.
    readers
        One a feature service; the error where a service can't be read.
    entries
        The latest version of every model, by task and model; older versions join when asked for.
    defaults
        Task -> artefact that answers when no model is named, or why none does: the promoted one, else the best.
    """

    models_dir: Path
    store: FeatureStore
    readers: dict[str, FeatureReader | StorekeeperError] = field(default_factory=dict)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    defaults: dict[str, Artefact | StorekeeperError] = field(default_factory=dict)
    _older: dict[Artefact, Entry] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def check_task(self, task: str) -> None:
        """Refuse a task that has no models with 404; the message lists those that have.

        Raises
        ------
        RequestError
            If there is no such task.
        """
        if task not in self.entries:
            raise RequestError(_unknown("task", task, self.entries, "storekeeper train NAME"))

    def find(self, task: str, model: str | None = None, version: int | None = None) -> ServedModel:
        """The model that answers a request.

        Raises
        ------
        RequestError
            404 where there is no such task, model or version; the message lists those that exist.
        RefusedError
            409 where it was trained on other definitions, 503 where it can't be loaded.
        """
        self.check_task(task)
        entry = self._default(task) if model is None else self._latest(task, model)
        if version is not None and version != _artefact(entry).version:
            entry = self._older_version(task, _artefact(entry).model, version)
        if isinstance(entry, Refusal):
            raise RefusedError(entry.problem)
        return entry

    def all_entries(self) -> Iterator[tuple[Artefact, Entry, bool]]:
        """The latest version of every model, and each task's default; each served or refused, the default or not."""
        for task, models in self.entries.items():
            default, known = self.defaults[task], [*models.values()]
            if isinstance(default, Artefact) and default not in map(_artefact, known):
                known.append(self._load(default))
            yield from ((_artefact(entry), entry, _artefact(entry) == default) for entry in known)

    def served(self) -> Iterator[ServedModel]:
        """Those of them that are served."""
        return (entry for _, entry, _ in self.all_entries() if isinstance(entry, ServedModel))

    def refused(self) -> Iterator[Refusal]:
        """Those of them that are not."""
        return (entry for _, entry, _ in self.all_entries() if isinstance(entry, Refusal))

    def reader(self, service: str) -> FeatureReader:
        """The reader of a feature service; made when first asked for."""
        if service not in self.readers:
            self.readers[service] = _open_reader(self.store, service)
        reader = self.readers[service]
        if isinstance(reader, StorekeeperError):
            raise reader
        return reader

    def _latest(self, task: str, model: str) -> Entry:
        models = self.entries[task]
        if model not in models:
            raise RequestError(_unknown("model", model, models, f"storekeeper train {task} --model NAME"))
        return models[model]

    def _default(self, task: str) -> Entry:
        default = self.defaults[task]
        if isinstance(default, StorekeeperError):
            summary = f"Task '{task}' has no default model: {default}"
            raise RefusedError(Problem(503, "no_default_model", summary, do="Name a model."))
        latest = self.entries[task].get(default.model)
        return latest if latest is not None and _artefact(latest) == default else self._load(default)

    def _older_version(self, task: str, model: str, version: int) -> Entry:
        try:
            artefact = find_artefact(self.models_dir, task, model, version)
        except NotFoundError as error:
            raise RequestError(Problem(404, "unknown_version", str(error))) from None
        return self._load(artefact)

    def _load(self, artefact: Artefact) -> Entry:
        """A model beside the latest versions, loaded when first asked for."""
        with self._loading:
            if artefact not in self._older:
                self._older[artefact] = load_entry(artefact, self)
            return self._older[artefact]


def load_catalogue(store: FeatureStore, models_dir: Path) -> Catalogue:
    """Load the latest version of every model.

    Models that can't be served are kept with the reason, so that one of them never takes the others down.
    """
    catalogue = Catalogue(models_dir, store)
    for artefact in list_artefacts(models_dir):
        # Versions come oldest first: the last one stays. Only that one is loaded.
        catalogue.entries.setdefault(artefact.task, {})[artefact.model] = Refusal(artefact, _NOT_LOADED)
    for task, models in catalogue.entries.items():
        for name, entry in models.items():
            models[name] = load_entry(_artefact(entry), catalogue)
        try:
            catalogue.defaults[task] = default_artefact(models_dir, task)
        except StorekeeperError as error:
            catalogue.defaults[task] = error
    return catalogue


def load_entry(artefact: Artefact, catalogue: Catalogue) -> Entry:
    """A model ready to serve, or why it is not."""
    try:
        manifest = read_manifest(artefact.path)
        verify_contents(artefact.path)
        reader = catalogue.reader(manifest.feature_service)
        if manifest.definition_hash != reader.definition_hash:
            return Refusal(artefact, _stale(artefact, manifest.definition_hash, reader))
        return open_model(artefact, reader)
    except StorekeeperError as error:
        return Refusal(artefact, Problem(503, "model_not_loadable", f"{_named(artefact)} can't be served: {error}"))


def _open_reader(store: FeatureStore, service: str) -> FeatureReader | StorekeeperError:
    try:
        store.feature_service(service)
        # The catalogue makes new readers when definitions change, and refuses models that were trained on others.
        return FeatureReader(store, service, watch_seconds=None)
    except StorekeeperError as error:
        return error
    except UNREADABLE as error:
        return SourceError(f"Feature service '{service}' can't be read: {error}. Run storekeeper apply.")


def fingerprint(store: FeatureStore, models_dir: Path, services: Iterable[str]) -> object:
    """Something that differs when models, promotions, or the definitions of these services, have changed."""
    store.refresh_registry()
    hashes = {service: _hash_or_error(store, service) for service in services}
    return list_artefacts(models_dir), promotions_stamp(models_dir), hashes


def _hash_or_error(store: FeatureStore, service: str) -> str:
    try:
        return definition_hash(store, service)
    except UNREADABLE as error:
        return str(error)


def _artefact(entry: Entry) -> Artefact:
    return entry.artefact


def _named(artefact: Artefact) -> str:
    return f"Version {artefact.version} of model '{artefact.model}' of task '{artefact.task}'"


def _stale(artefact: Artefact, trained_on: str, reader: FeatureReader) -> Problem:
    return Problem(
        409,
        "definitions_changed",
        f"{_named(artefact)} was trained on other definitions of feature service '{reader.service}'.",
        f"definitions {trained_on[:16]}",
        f"{reader.definition_hash[:16]}, which are in force",
        None,
        f"Train it again (storekeeper train {artefact.task}), or apply the definitions it was trained on.",
    )


def _unknown(what: str, name: str, existing: Mapping[str, object], do: str) -> Problem:
    summary = f"There is no trained {what} '{name[:100]}'."
    return Problem(
        404, f"unknown_{what}", summary, exists=sorted(existing), do=f"Name one of these, or train it: {do}."
    )


_NOT_LOADED = Problem(503, "model_not_loadable", "The model is being loaded.")
