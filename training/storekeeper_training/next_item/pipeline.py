"""Train rankers: a dataset of next items in, measured and checked artefacts and a report out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np

from storekeeper.artefact import FORMAT_VERSION, Artefact, Manifest, list_artefacts, read_manifest, write_artefact
from storekeeper.clock import Clock
from storekeeper.errors import CheckFailedError, DataError, NotFoundError, listing
from storekeeper_training.cost import Cost, measure
from storekeeper_training.dataset import Dataset, read_dataset
from storekeeper_training.dataset_folder import note_allowed
from storekeeper_training.fingerprint import training_hash
from storekeeper_training.lint import Evidence, check_names, refuse, run_lints
from storekeeper_training.models import FitProgress, package_versions
from storekeeper_training.next_item.available import DEFAULT_RANKERS, rankers
from storekeeper_training.next_item.blend import Blend, blend_fitted
from storekeeper_training.next_item.load import load_ranker
from storekeeper_training.next_item.model import FittedRanker, NextItemModel
from storekeeper_training.next_item.ranked import RankingEvaluation, compare_rankings, evaluate_ranking
from storekeeper_training.next_item.ranking import RowFigures
from storekeeper_training.next_item.report import write_ranking_report
from storekeeper_training.next_item.rows import rows_of, sequences_of
from storekeeper_training.next_item.sequences import Sequences
from storekeeper_training.progress import StageProgress, silent
from storekeeper_training.result import ModelResult, TrainResult
from storekeeper_training.split import Split, split_by_shares
from storekeeper_training.tasks import Task

# How far a reloaded ranker's scores may be from the trained one's, and on how many rows that is looked at.
TOLERANCE = 1e-5
_CHECKED_ROWS = 200


@dataclass(frozen=True, eq=False)
class _Run:
    """What all models of a run share."""

    dataset: Dataset
    split: Split
    sequences: Mapping[str, Sequences]
    code_hash: str
    models_dir: Path
    seed: int
    clock: Clock
    allowed_lints: tuple[str, ...] = ()
    # What this run fitted, by name: a blend mixes it instead of fitting it again.
    fitted: dict[str, FittedRanker] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Ranked:
    """A model's result with each test row's figures."""

    result: ModelResult
    rows: RowFigures


def find_rankers(names: Sequence[str] | None = None) -> tuple[NextItemModel, ...]:
    """The models of these names, in the order given; by default `DEFAULT_RANKERS`.

    Raises
    ------
    NotFoundError
        If a name is unknown; the message lists those that exist.
    UsageError
        If a model's package is not installed; the message names the extra that brings it.
    """
    available = rankers()
    chosen = tuple(dict.fromkeys(names or DEFAULT_RANKERS))
    if unknown := [name for name in chosen if name not in available]:
        raise NotFoundError(f"There is no model {listing(unknown)}. Models: {listing(available)}.")
    models = tuple(available[name] for name in chosen)
    for model in models:
        package_versions(model)
    return models


def train_rankers(
    task: Task,
    dataset_folder: Path,
    models_dir: Path,
    reports_dir: Path,
    models: Sequence[str] | None = None,
    *,
    seed: int = 0,
    reuse: bool = True,
    progress: StageProgress = silent,
    clock: Clock | None = None,
    examine: Callable[[Dataset, Split], Evidence] = Evidence,
    allow: Collection[str] = (),
) -> TrainResult:
    """As `train.train`, for tasks of kind `ranking`: same parameters, same errors."""
    chosen = find_rankers(models)
    check_names(allow)
    run = _prepare(task, dataset_folder, models_dir, seed, clock)
    progress("lint", 0, 1, "looking for leaks")
    report = run_lints(examine(run.dataset, run.split))
    progress("lint", 1, 1, report.summary(allow))
    refuse(report, allow)
    run = replace(run, allowed_lints=report.overridden(allow))
    note_allowed(dataset_folder, run.allowed_lints)
    return _finish(run, [_result(run, model, reuse, progress) for model in chosen], reports_dir, progress)


def evaluate_rankers(
    task: Task,
    dataset_folder: Path,
    models_dir: Path,
    reports_dir: Path,
    models: Sequence[str] | None = None,
    *,
    progress: StageProgress = silent,
) -> TrainResult:
    """As `train.evaluate_trained`, for tasks of kind `ranking`: nothing is trained.

    Raises
    ------
    NotFoundError
        If an asked model, or every model, was never trained on this dataset.
    """
    wanted = [model.name for model in find_rankers(models)] if models else None
    run = _prepare(task, dataset_folder, models_dir, 0, None)
    found = {
        artefact.model: artefact
        for artefact in list_artefacts(models_dir, task.name)
        if read_manifest(artefact.path).dataset_hash == run.dataset.manifest["dataset_hash"]
    }
    missing = [name for name in wanted or [] if name not in found]
    if missing or not found:
        raise NotFoundError(
            f"Models {listing(missing or DEFAULT_RANKERS)} were not trained on dataset '{dataset_folder.name}'. "
            f"Trained on it: {listing(found)}. Train them: storekeeper train {task.name}."
        )
    return _finish(run, [_reload(run, found[name]) for name in wanted or found], reports_dir, progress)


def _prepare(task: Task, folder: Path, models_dir: Path, seed: int, clock: Clock | None) -> _Run:
    dataset = read_dataset(task, folder)
    split = split_by_shares(dataset.timestamps, task.horizon, task.shares)
    return _Run(dataset, split, sequences_of(dataset, split), training_hash(task), models_dir, seed, clock or Clock())


def _result(run: _Run, model: NextItemModel, reuse: bool, progress: StageProgress) -> _Ranked:
    """One model's result, trained or kept."""
    if reuse and (kept := _find_same(run, model)) is not None:
        progress(model.name, 1, 1, f"kept version {kept.version}: same data, same code")
        return _reload(run, kept)
    ranker, cost = measure(lambda: _fit(run, model, partial(progress, model.name)))
    run.fitted[model.name] = ranker
    validation = run.sequences["validation"]
    progress(model.name, 1, 1, "ranking the catalogue")
    on_validation, _ = evaluate_ranking(ranker, validation)
    on_test, rows = evaluate_ranking(ranker, run.sequences["test"])
    manifest = _manifest(run, model, ranker, cost, on_validation, on_test)
    artefact = write_artefact(run.models_dir, manifest, ranker.save, partial(_check_parity, ranker, validation))
    progress(model.name, 1, 1, f"{run.dataset.problem.tell(on_validation)} on validation")
    result = _model_result(artefact, on_validation, on_test, reused=False)
    return _Ranked(result, rows)


def _fit(run: _Run, model: NextItemModel, progress: FitProgress) -> FittedRanker:
    train, validation = run.sequences["train"], run.sequences["validation"]
    if isinstance(model, Blend) and all(member.name in run.fitted for member in model.members):
        members = {member.name: run.fitted[member.name] for member in model.members}
        return blend_fitted(members, validation, run.seed, progress, model.steps)
    return model.fit(train, validation, run.seed, progress)


def _reload(run: _Run, artefact: Artefact) -> _Ranked:
    """The result of a kept model: it ranks again, so that the report shows this very artefact."""
    ranker = load_ranker(artefact.path)
    parts = {name: rows_of(run.dataset, ranker.catalogue, run.split.parts[name]) for name in ("validation", "test")}
    on_validation, _ = evaluate_ranking(ranker, parts["validation"])
    on_test, rows = evaluate_ranking(ranker, parts["test"])
    return _Ranked(_model_result(artefact, on_validation, on_test, reused=True), rows)


def _model_result(
    artefact: Artefact, validation: RankingEvaluation, test: RankingEvaluation, *, reused: bool
) -> ModelResult:
    return ModelResult(artefact, read_manifest(artefact.path), validation, test, np.empty(0), reused)


def _finish(run: _Run, found: list[_Ranked], reports_dir: Path, progress: StageProgress) -> TrainResult:
    """Order the models by their validation figure; draw the report where it isn't there yet."""
    found.sort(key=lambda one: (-one.result.manifest.selection_value(), one.result.name))
    results = tuple(one.result for one in found)
    report = reports_dir / f"{run.dataset.task.name}-{_run_hash(results)}.html"
    allowed = {*run.dataset.allowed_lints, *(name for model in results for name in model.manifest.allowed_lints)}
    named = [(one.result.name, one.rows) for one in found]
    entities = run.dataset.entity_codes(run.dataset.task.entity_keys[0].name)[run.split.test]
    compared = compare_rankings(named[0], named[1:], entities, run.seed)
    result = TrainResult(run.dataset, run.split, results, report, compared, tuple(sorted(allowed)))
    if not (report.is_file() and all(model.reused for model in results)):
        progress("report", 0, 1, "drawing")
        write_ranking_report(result, dict(named))
        progress("report", 1, 1, str(report))
    return result


def _manifest(
    run: _Run,
    model: NextItemModel,
    ranker: FittedRanker,
    cost: Cost,
    validation: RankingEvaluation,
    test: RankingEvaluation,
) -> Manifest:
    task, record = run.dataset.task, run.dataset.manifest
    return Manifest(
        format_version=FORMAT_VERSION,
        task=task.name,
        model=model.name,
        version=1,
        runtime="ranker",
        feature_service=record["feature_service"],
        definition_hash=record["definition_hash"],
        dataset_hash=record["dataset_hash"],
        code_hash=run.code_hash,
        inputs=tuple(column for column in run.dataset.inputs if column.name == task.history),
        entity_keys=task.entity_keys,
        request_columns=task.request_columns,
        threshold=None,
        selection_metric=task.selection_metric,
        metrics={"validation": validation.as_dict(), "test": test.as_dict()},
        created_at=run.clock.now(),
        seed=run.seed,
        fit_seconds=round(cost.seconds, 3),
        peak_memory_mb=round(cost.peak_memory_mb, 1),
        parameters=ranker.parameters,
        packages=_packages(model),
        allowed_lints=run.allowed_lints,
        kind="ranking",
    )


def _check_parity(trained: FittedRanker, rows: Sequences, folder: Path) -> None:
    """Read the ranker back and compare the scores of some rows, by their size beyond 1."""
    asked = rows.take(np.arange(min(len(rows), _CHECKED_ROWS)))
    expected = trained.scores(asked)
    furthest = float((np.abs(load_ranker(folder).scores(asked) - expected) / np.maximum(np.abs(expected), 1)).max())
    if not furthest <= TOLERANCE:
        raise CheckFailedError(
            f"The saved ranker, read back, differs from the trained one by {furthest:.3g}; allowed is {TOLERANCE:g}. "
            f"It was not kept. Report the versions of the packages: its format doesn't carry the model."
        )


def _find_same(run: _Run, model: NextItemModel) -> Artefact | None:
    """The latest version that the same code made of the same data, with the same seed, packages and lints allowed."""
    record = run.dataset.manifest
    data = (record["dataset_hash"], record["definition_hash"], run.allowed_lints)
    wanted = (*data, run.code_hash, run.seed, _packages(model))
    for artefact in reversed(list_artefacts(run.models_dir, run.dataset.task.name, model.name)):
        try:
            m = read_manifest(artefact.path)
        except (DataError, NotFoundError):
            continue
        if (m.dataset_hash, m.definition_hash, m.allowed_lints, m.code_hash, m.seed, dict(m.packages)) == wanted:
            return artefact
    return None


def _packages(model: NextItemModel) -> dict[str, str]:
    return {"numpy": version("numpy"), **package_versions(model)}


def _run_hash(results: Sequence[ModelResult]) -> str:
    """Names the report by the artefacts that it shows."""
    shown = sorted((r.name, r.artefact.version, r.manifest.dataset_hash, r.manifest.code_hash) for r in results)
    return sha256(repr(shown).encode()).hexdigest()[:12]
