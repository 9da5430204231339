"""`storekeeper explain`: why a model predicts what it does, in the mean, for rows of the test period, and for now."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from storekeeper.cli.output import Json, console, print_json
from storekeeper.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from storekeeper.artefact import Artefact, Manifest
    from storekeeper.settings import Settings
    from storekeeper_training.dataset import Dataset
    from storekeeper_training.explain.rows import Rows
    from storekeeper_training.tasks import Task

# Trees take half a millisecond a row.
_MEAN_ROWS = 1000


def explain(
    task: Annotated[str, typer.Argument(help="The task, such as purchase.")],
    model: Annotated[str | None, typer.Option(help="A model of the task; by default the one that serves.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="A version of it; by default the latest.")] = None,
    row: Annotated[
        list[int] | None, typer.Option(help="A row of the test period, from 0; may be given several times.")
    ] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An entity key, or a request-time value such as price: explains the prediction now.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many inputs are listed.")] = 10,
    json: Json = False,
) -> None:
    """Say why a model predicts what it does: in the mean, for rows of the test period, or for an entity now."""
    if row and entity:
        raise UsageError("--row explains the test period, --entity what is predicted now. Give one of the two.")
    from storekeeper.settings import Settings
    from storekeeper_training.tasks import find_task

    found, settings = find_task(task), Settings.load()
    if found.kind == "ranking":
        raise UsageError(f"Task '{found.name}' ranks items; contributions are told of chances and quantities alone.")
    artefact = _artefact(found, settings, model, version)
    if row or entity:
        _explain_rows(found, settings, artefact, row or [], entity or [], top, as_json=json)
    else:
        _explain_mean(found, settings, artefact, top, as_json=json)


def _artefact(task: "Task", settings: "Settings", model: str | None, version: int | None) -> "Artefact":
    from storekeeper.artefact import default_artefact, find_artefact

    if model is None:
        default = default_artefact(settings.models_dir, task.name)
        if version is None:
            return default
        model = default.model
    return find_artefact(settings.models_dir, task.name, model, version)


def _explain_mean(task: "Task", settings: "Settings", artefact: "Artefact", top: int, *, as_json: bool) -> None:
    """Mean contributions over rows of the test period."""
    from storekeeper.artefact import read_manifest
    from storekeeper.explain import load_explainer
    from storekeeper_training.explain import show

    manifest = read_manifest(artefact.path)
    explained = load_explainer(artefact.path).explain(_spread(_dataset(task, settings, manifest)))
    if as_json:
        print_json(show.importance_as_dict(manifest, explained))
    else:
        show.show_importance(console, manifest, explained, top)


def _explain_rows(
    task: "Task",
    settings: "Settings",
    artefact: "Artefact",
    row: list[int],
    entity: list[str],
    top: int,
    *,
    as_json: bool,
) -> None:
    """Single predictions."""
    from storekeeper.artefact import load_predictor
    from storekeeper.explain import load_explainer
    from storekeeper_training.explain import show

    predictor, explainer = load_predictor(artefact.path), load_explainer(artefact.path)
    manifest = predictor.manifest
    rows = _rows(task, settings, artefact, manifest, row, entity)
    explained, predicted = explainer.explain(rows.columns), predictor.predict(rows.columns).tolist()
    if as_json:
        print_json(show.rows_as_dict(manifest, rows, explained, predicted, top))
    else:
        show.show_rows(console, manifest, rows, explained, predicted, top)


def _rows(
    task: "Task",
    settings: "Settings",
    artefact: "Artefact",
    manifest: "Manifest",
    row: list[int],
    entity: list[str],
) -> "Rows":
    """The rows that were asked for."""
    from storekeeper.online.reader import FeatureReader
    from storekeeper.store import FeatureStore
    from storekeeper_training.explain.rows import rows_of_now, rows_of_test
    from storekeeper_training.split import split_by_shares

    store = FeatureStore(settings.feature_repo)
    store.feature_service(manifest.feature_service)
    reader = FeatureReader(store, manifest.feature_service, watch_seconds=None)
    if entity:
        return rows_of_now(store, reader, artefact, manifest, _named_values(entity))
    dataset = _dataset(task, settings, manifest)
    split = split_by_shares(dataset.timestamps, task.horizon, task.shares)
    return rows_of_test(dataset, split, row, manifest, reader)


def _named_values(given: list[str]) -> dict[str, str]:
    """`NAME=VALUE` texts by name."""
    values: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name or name in values:
            raise UsageError(f"--entity takes NAME=VALUE, each name once. Received: '{text}'.")
        values[name] = value
    return values


def _dataset(task: "Task", settings: "Settings", manifest: "Manifest") -> "Dataset":
    """The training set that a model was trained on."""
    from storekeeper.ledger import Ledger
    from storekeeper_training.dataset import read_dataset

    record = Ledger(settings.database_url).find_dataset(task.name, manifest.dataset_hash)
    if record is not None and (settings.home / record.path).is_dir():
        return read_dataset(task, settings.home / record.path)
    raise NotFoundError(
        f"The training set {manifest.dataset_hash[:16]} of model '{manifest.model}' is not here. "
        f"Train it again: storekeeper train {task.name} --model {manifest.model}."
    )


def _spread(dataset: "Dataset") -> dict[str, Any]:
    """Rows of the test period, evenly taken."""
    import numpy as np

    from storekeeper_training.split import split_by_shares

    task = dataset.task
    test = split_by_shares(dataset.timestamps, task.horizon, task.shares).test
    chosen = np.linspace(0, len(test) - 1, min(len(test), _MEAN_ROWS)).astype(np.int64)
    return dict(dataset.columns(test[chosen]))
