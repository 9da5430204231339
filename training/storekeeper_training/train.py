"""Train: a dataset in, evaluated and checked artefacts and a report out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import Artefact, Columns, load_predictor, read_manifest, write_artefact
from storekeeper.clock import Clock
from storekeeper_training.cost import Cost, measure
from storekeeper_training.dataset import Dataset
from storekeeper_training.explain.background import write_background
from storekeeper_training.lint import Evidence, check_names
from storekeeper_training.models import Fitted, Model, Sample, default_models, find_models
from storekeeper_training.next_item.pipeline import evaluate_rankers, train_rankers
from storekeeper_training.problems import Compared, Decision, Judge, ScoredProblem, Truth, find_scored
from storekeeper_training.progress import StageProgress, silent
from storekeeper_training.report import write_report
from storekeeper_training.result import ModelResult, TrainResult
from storekeeper_training.run import (
    Examine,
    TrainingRun,
    by_validation,
    check_read_back,
    draw_where_new,
    prepare_run,
)
from storekeeper_training.split import Split
from storekeeper_training.tasks import Task

Predictions = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Scored:
    """A run whose models predict one number a row.

    Attributes
    ----------
    run
        What every run has.
    problem
        What the labels mean.
    samples
        Rows by period.
    judge
        Who measures.
    """

    run: TrainingRun
    problem: ScoredProblem
    samples: dict[str, Sample]
    judge: Judge


def train(
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
    """Split a dataset by time, fit, evaluate and save the models, and write the report.

    Parameters
    ----------
    task
        What is predicted.
    dataset_folder
        `data.parquet` and `manifest.json` of the built dataset.
    models_dir, reports_dir
        Where artefacts and the report go.
    models
        Names of models; by default those that the task's kind has by default.
    seed
        The seed of every random choice: the same dataset and seed give the same figures.
    reuse
        Keep a model that was trained by the same code on the same data, instead of training it again.
    progress
        Told of each stage.
    clock
        What time it is, for the record; wall time by default.
    examine
        Gathers what the lints look at; by default the dataset alone.
    allow
        Names of lints whose errors don't stop the run. Where there are such errors, the names are kept in the
        manifests of the dataset and of the models, and in the report.

    Raises
    ------
    NotFoundError
        If the name of a model or a lint is unknown, or the dataset is missing.
    UsageError
        If a package is missing (the message names the extra) or the dataset is too short to be split.
    DataError
        If the dataset is damaged, or all labels of a period are the same.
    CheckFailedError
        If a lint says that the dataset leaks, before anything is trained; or if a saved model, read back, predicts
        otherwise than the trained one: nothing is then kept of it.
    """
    if task.kind == "ranking":
        return train_rankers(
            task, dataset_folder, models_dir, reports_dir, models,
            seed=seed, reuse=reuse, progress=progress, clock=clock, examine=examine, allow=allow,
        )  # fmt: skip
    chosen = find_models(task, models)
    check_names(allow)
    scored = _scored(prepare_run(task, dataset_folder, models_dir, seed, clock))
    scored = replace(scored, run=scored.run.without_leaks(examine, allow, progress, dataset_folder))
    results = [_result(scored, model, reuse, progress) for model in chosen]
    return _report(scored, results, reports_dir, progress)


def evaluate_trained(
    task: Task,
    dataset_folder: Path,
    models_dir: Path,
    reports_dir: Path,
    models: Sequence[str] | None = None,
    *,
    progress: StageProgress = silent,
) -> TrainResult:
    """Evaluate the newest version of each model that was trained on a dataset; nothing is trained.

    Parameters
    ----------
    models
        Names of models; by default all that were trained.

    Raises
    ------
    NotFoundError
        If an asked model, or every model, was never trained on this dataset.
    """
    if task.kind == "ranking":
        return evaluate_rankers(task, dataset_folder, models_dir, reports_dir, models, progress=progress)
    wanted = [model.name for model in find_models(task, models)] if models else None
    scored = _scored(prepare_run(task, dataset_folder, models_dir, seed=0, clock=None))
    found = scored.run.find_trained(dataset_folder, wanted, default_models(task))
    return _report(scored, [_reload(scored, artefact) for artefact in found], reports_dir, progress)


def _scored(run: TrainingRun) -> _Scored:
    dataset, split = run.dataset, run.split
    problem, labels = find_scored(dataset.task.kind), dataset.labels
    samples = {name: Sample(dataset.columns(rows), labels[rows]) for name, rows in split.parts.items()}
    for name, sample in samples.items():
        problem.check_period(name, sample.labels)
    return _Scored(run, problem, samples, problem.judge(_truth(dataset, split, samples)))


def _truth(dataset: Dataset, split: Split, samples: dict[str, Sample]) -> Truth:
    """What happened, for whoever measures the models."""
    keys = [dataset.entity_codes(column.name) for column in dataset.task.entity_keys]
    series = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return Truth(
        labels={name: sample.labels for name, sample in samples.items()},
        times={name: dataset.timestamps[rows] for name, rows in split.parts.items()},
        series={name: series[rows] for name, rows in split.parts.items()},
        drawn=keys[0][split.test],
        horizon=dataset.task.horizon,
    )


def _report(scored: _Scored, results: list[ModelResult], reports_dir: Path, progress: StageProgress) -> TrainResult:
    """Order the models by their validation figure; draw the report where it isn't there yet."""
    results.sort(key=by_validation)
    result = scored.run.result(results, _compare(scored, results), reports_dir)
    draw = partial(write_report, result, scored.samples["test"], seed=scored.run.seed)
    return draw_where_new(result, draw, progress)


def _compare(scored: _Scored, results: Sequence[ModelResult]) -> tuple[Compared, ...]:
    """The best model against each other on the test period, drawn by the first entity key."""
    if len(results) < 2:
        return ()
    best, *others = [(model.name, model.probabilities) for model in results]
    return scored.judge.compare(best, others, scored.run.seed)


def _result(scored: _Scored, model: Model, reuse: bool, progress: StageProgress) -> ModelResult:
    """One model's result, trained or kept."""
    if reuse and (kept := scored.run.find_same(model)) is not None:
        progress(model.name, 1, 1, f"kept version {kept.version}: same data, same code")
        return _reload(scored, kept)
    progress(model.name, 0, 1, "encoding")
    fitted, cost = measure(lambda: _fit(scored, model, progress))
    progress(model.name, 1, 1, "evaluating")
    result = _save(scored, model, fitted, cost)
    progress(model.name, 1, 1, f"{scored.problem.tell(result.validation)} on validation")
    return result


def _fit(scored: _Scored, model: Model, progress: StageProgress) -> Fitted:
    names = [column.name for column in scored.run.dataset.inputs]
    train, validation = scored.samples["train"], scored.samples["validation"]
    return model.fit(train, validation, names, scored.run.seed, partial(progress, model.name))


def _save(scored: _Scored, model: Model, fitted: Fitted, cost: Cost) -> ModelResult:
    """Evaluate a fitted model and write its artefact, checked before it gets its name."""
    predicted = {name: fitted.predict(scored.samples[name].columns) for name in ("validation", "test")}
    decision = scored.judge.decide(predicted["validation"])
    figures = {name: scored.judge.evaluate(name, p, decision) for name, p in predicted.items()}
    inputs = tuple(column for column in scored.run.dataset.inputs if column.name in fitted.encoder.input_names)
    manifest = scored.run.manifest(model, fitted.runtime, fitted.parameters, inputs, cost, figures, decision)
    check = partial(_check_parity, columns=scored.samples["validation"].columns, expected=predicted["validation"])
    artefact = write_artefact(scored.run.models_dir, manifest, partial(_fill, scored, fitted), check)
    manifest = read_manifest(artefact.path)
    return ModelResult(artefact, manifest, figures["validation"], figures["test"], predicted["test"], reused=False)


def _fill(scored: _Scored, fitted: Fitted, folder: Path) -> None:
    """Write a fitted model, and what it will be explained by."""
    fitted.save(folder)
    write_background(folder, fitted.encoder, fitted.runtime, scored.samples["train"].columns)


def _check_parity(folder: Path, columns: Columns, expected: Predictions) -> None:
    """Read the model back as serving will and compare; quantities beyond 1 by their size."""
    differences = np.abs(load_predictor(folder).predict(columns) - expected) / np.maximum(expected, 1.0)
    check_read_back(float(differences.max()))


def _reload(scored: _Scored, artefact: Artefact) -> ModelResult:
    """The result of a kept model: it predicts again, so that the report shows this very artefact."""
    predictor = load_predictor(artefact.path)
    decision = Decision(predictor.manifest.threshold, predictor.manifest.interval)
    predicted = {name: predictor.predict(scored.samples[name].columns) for name in ("validation", "test")}
    validation, test = (scored.judge.evaluate(name, p, decision) for name, p in predicted.items())
    return ModelResult(artefact, predictor.manifest, validation, test, predicted["test"], reused=True)
