"""Train rankers: a dataset of next items in, measured and checked artefacts and a report out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from storekeeper.artefact import Artefact, read_manifest, write_artefact
from storekeeper.clock import Clock
from storekeeper_training.cost import measure
from storekeeper_training.lint import Evidence, check_names
from storekeeper_training.models import FitProgress, choose_models
from storekeeper_training.next_item.available import DEFAULT_RANKERS, rankers
from storekeeper_training.next_item.blend import Blend, blend_fitted
from storekeeper_training.next_item.load import load_ranker
from storekeeper_training.next_item.model import FittedRanker, NextItemModel
from storekeeper_training.next_item.ranked import RankingEvaluation, compare_rankings, evaluate_ranking
from storekeeper_training.next_item.ranking import RowFigures
from storekeeper_training.next_item.report import write_ranking_report
from storekeeper_training.next_item.rows import rows_of, sequences_of
from storekeeper_training.next_item.sequences import Sequences
from storekeeper_training.problems import Decision
from storekeeper_training.progress import StageProgress, silent
from storekeeper_training.result import ModelResult, TrainResult
from storekeeper_training.run import (
    Examine,
    TrainingRun,
    by_validation,
    check_read_back,
    draw_where_new,
    prepare_run,
)
from storekeeper_training.tasks import Task

# On how many rows a ranker that was read back is compared with the trained one.
_CHECKED_ROWS = 200


@dataclass(frozen=True, eq=False)
class _Ranking:
    """A run whose models rank the catalogue.

    Attributes
    ----------
    run
        What every run has.
    sequences
        Rows by period.
    fitted
        What this run fitted, by name: a blend mixes it instead of fitting it again.
    """

    run: TrainingRun
    sequences: Mapping[str, Sequences]
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
    return choose_models(rankers(), names or DEFAULT_RANKERS)


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
    examine: Examine = Evidence,
    allow: Collection[str] = (),
) -> TrainResult:
    """As `train.train`, for tasks of kind `ranking`: same parameters, same errors."""
    chosen = find_rankers(models)
    check_names(allow)
    run = prepare_run(task, dataset_folder, models_dir, seed, clock)
    ranking = _Ranking(run, sequences_of(run.dataset, run.split))
    ranking = replace(ranking, run=run.without_leaks(examine, allow, progress, dataset_folder))
    return _finish(ranking, [_result(ranking, model, reuse, progress) for model in chosen], reports_dir, progress)


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
    run = prepare_run(task, dataset_folder, models_dir, 0, None)
    ranking = _Ranking(run, {})
    found = run.find_trained(dataset_folder, wanted, DEFAULT_RANKERS)
    return _finish(ranking, [_reload(run, artefact) for artefact in found], reports_dir, progress)


def _result(ranking: _Ranking, model: NextItemModel, reuse: bool, progress: StageProgress) -> _Ranked:
    """One model's result, trained or kept."""
    run = ranking.run
    if reuse and (kept := run.find_same(model)) is not None:
        progress(model.name, 1, 1, f"kept version {kept.version}: same data, same code")
        return _reload(run, kept)
    ranker, cost = measure(lambda: _fit(ranking, model, partial(progress, model.name)))
    ranking.fitted[model.name] = ranker
    progress(model.name, 1, 1, "ranking the catalogue")
    validation = ranking.sequences["validation"]
    on_validation, _ = evaluate_ranking(ranker, validation)
    on_test, rows = evaluate_ranking(ranker, ranking.sequences["test"])
    inputs = tuple(column for column in run.dataset.inputs if column.name == run.dataset.task.history)
    figures = {"validation": on_validation, "test": on_test}
    manifest = run.manifest(model, "ranker", ranker.parameters, inputs, cost, figures, Decision())
    artefact = write_artefact(run.models_dir, manifest, ranker.save, partial(_check_parity, ranker, validation))
    progress(model.name, 1, 1, f"{run.dataset.problem.tell(on_validation)} on validation")
    return _Ranked(_model_result(artefact, on_validation, on_test, reused=False), rows)


def _fit(ranking: _Ranking, model: NextItemModel, progress: FitProgress) -> FittedRanker:
    train, validation, seed = ranking.sequences["train"], ranking.sequences["validation"], ranking.run.seed
    if isinstance(model, Blend) and all(member.name in ranking.fitted for member in model.members):
        members = {member.name: ranking.fitted[member.name] for member in model.members}
        return blend_fitted(members, validation, seed, progress, model.steps)
    return model.fit(train, validation, seed, progress)


def _reload(run: TrainingRun, artefact: Artefact) -> _Ranked:
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


def _finish(ranking: _Ranking, found: list[_Ranked], reports_dir: Path, progress: StageProgress) -> TrainResult:
    """Order the models by their validation figure; draw the report where it isn't there yet."""
    run, task = ranking.run, ranking.run.dataset.task
    found.sort(key=lambda one: by_validation(one.result))
    named = [(one.result.name, one.rows) for one in found]
    entities = run.dataset.entity_codes(task.entity_keys[0].name)[run.split.test]
    compared = compare_rankings(named[0], named[1:], entities, run.seed)
    result = run.result([one.result for one in found], compared, reports_dir)
    return draw_where_new(result, partial(write_ranking_report, result, dict(named)), progress)


def _check_parity(trained: FittedRanker, rows: Sequences, folder: Path) -> None:
    """Read the ranker back and compare the scores of some rows, by their size beyond 1."""
    asked = rows.take(np.arange(min(len(rows), _CHECKED_ROWS)))
    expected = trained.scores(asked)
    differences = np.abs(load_ranker(folder).scores(asked) - expected) / np.maximum(np.abs(expected), 1)
    check_read_back(float(differences.max()))
