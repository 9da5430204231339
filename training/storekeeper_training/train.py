"""Train: a dataset in, evaluated and checked artefacts and a report out."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import (
    FORMAT_VERSION,
    Artefact,
    Columns,
    Manifest,
    list_artefacts,
    load_predictor,
    read_manifest,
    write_artefact,
)
from storekeeper.clock import Clock
from storekeeper.errors import CheckFailedError, DataError, NotFoundError, listing
from storekeeper_training.cost import Cost, measure
from storekeeper_training.dataset import Dataset, read_dataset
from storekeeper_training.dataset_folder import note_allowed
from storekeeper_training.explain.background import write_background
from storekeeper_training.fingerprint import training_hash
from storekeeper_training.lint import Evidence, check_names, refuse, run_lints
from storekeeper_training.models import Fitted, Model, Sample, default_models, find_models, package_versions
from storekeeper_training.next_item.pipeline import evaluate_rankers, train_rankers
from storekeeper_training.problems import Compared, Decision, Figures, Judge, Truth
from storekeeper_training.progress import StageProgress, silent
from storekeeper_training.report import write_report
from storekeeper_training.result import ModelResult, TrainResult
from storekeeper_training.split import Split, split_by_shares
from storekeeper_training.tasks import Task

# How far a reloaded model may be from the trained one.
TOLERANCE = 1e-5

Predictions = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Run:
    """What all models of a run share."""

    dataset: Dataset
    split: Split
    samples: dict[str, Sample]
    judge: Judge
    code_hash: str
    models_dir: Path
    seed: int
    clock: Clock
    allowed_lints: tuple[str, ...] = ()


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
    examine: Callable[[Dataset, Split], Evidence] = Evidence,
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
    run = _prepare(task, dataset_folder, models_dir, seed, clock)
    run = replace(run, allowed_lints=_lint(run, examine, allow, progress))
    note_allowed(dataset_folder, run.allowed_lints)
    results = [_result(run, model, reuse, progress) for model in chosen]
    return _report(run, results, reports_dir, progress)


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
    run = _prepare(task, dataset_folder, models_dir, seed=0, clock=None)
    found: dict[str, Artefact] = {}
    for artefact in list_artefacts(models_dir, task.name):
        if _trained_on(run, artefact):
            found[artefact.model] = artefact
    missing = [name for name in wanted or [] if name not in found]
    if missing or not found:
        raise NotFoundError(
            f"Models {listing(missing or default_models(task))} were not trained on dataset '{dataset_folder.name}'. "
            f"Trained on it: {listing(found)}. Train them: storekeeper train {task.name}."
        )
    results = [_reload(run, found[name]) for name in wanted or found]
    return _report(run, results, reports_dir, progress)


def _trained_on(run: _Run, artefact: Artefact) -> bool:
    try:
        return read_manifest(artefact.path).dataset_hash == str(run.dataset.manifest["dataset_hash"])
    except (DataError, NotFoundError):
        return False


def _prepare(task: Task, folder: Path, models_dir: Path, seed: int, clock: Clock | None) -> _Run:
    dataset = read_dataset(task, folder)
    split = split_by_shares(dataset.timestamps, task.horizon, task.shares)
    labels = dataset.labels
    samples = {name: Sample(dataset.columns(rows), labels[rows]) for name, rows in split.parts.items()}
    for name, sample in samples.items():
        dataset.problem.check_period(name, sample.labels)
    judge = dataset.problem.judge(_truth(dataset, split, samples))
    return _Run(dataset, split, samples, judge, training_hash(task), models_dir, seed, clock or Clock())


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


def _lint(
    run: _Run, examine: Callable[[Dataset, Split], Evidence], allow: Collection[str], progress: StageProgress
) -> tuple[str, ...]:
    """Refuse a dataset that looks as if it leaks; returns the names of the lints that were overridden."""
    progress("lint", 0, 1, "looking for leaks")
    report = run_lints(examine(run.dataset, run.split))
    progress("lint", 1, 1, report.summary(allow))
    refuse(report, allow)
    return report.overridden(allow)


def _report(run: _Run, results: list[ModelResult], reports_dir: Path, progress: StageProgress) -> TrainResult:
    """Order the models by their validation figure; draw the report where it isn't there yet."""
    results.sort(key=lambda result: (-result.manifest.selection_value(), result.name))
    report = reports_dir / f"{run.dataset.task.name}-{_run_hash(results)}.html"
    allowed = {*run.dataset.allowed_lints, *(name for model in results for name in model.manifest.allowed_lints)}
    result = TrainResult(run.dataset, run.split, tuple(results), report, _compare(run, results), tuple(sorted(allowed)))
    if not (report.is_file() and all(model.reused for model in results)):
        progress("report", 0, 1, "drawing")
        write_report(result, run.samples["test"], seed=run.seed)
        progress("report", 1, 1, str(report))
    return result


def _compare(run: _Run, results: Sequence[ModelResult]) -> tuple[Compared, ...]:
    """The best model against each other on the test period, drawn by the first entity key."""
    if len(results) < 2:
        return ()
    best, *others = [(model.name, model.probabilities) for model in results]
    return run.judge.compare(best, others, run.seed)


def _result(run: _Run, model: Model, reuse: bool, progress: StageProgress) -> ModelResult:
    """One model's result, trained or kept."""
    if reuse and (kept := _find_same(run, model)) is not None:
        progress(model.name, 1, 1, f"kept version {kept.version}: same data, same code")
        return _reload(run, kept)
    progress(model.name, 0, 1, "encoding")
    fitted, cost = measure(lambda: _fit(run, model, progress))
    progress(model.name, 1, 1, "evaluating")
    result = _save(run, model, fitted, cost)
    progress(model.name, 1, 1, f"{run.dataset.problem.tell(result.validation)} on validation")
    return result


def _fit(run: _Run, model: Model, progress: StageProgress) -> Fitted:
    names = [column.name for column in run.dataset.inputs]
    train, validation = run.samples["train"], run.samples["validation"]
    return model.fit(train, validation, names, run.seed, partial(progress, model.name))


def _save(run: _Run, model: Model, fitted: Fitted, cost: Cost) -> ModelResult:
    """Evaluate a fitted model and write its artefact, checked before it gets its name."""
    predicted = {name: fitted.predict(run.samples[name].columns) for name in ("validation", "test")}
    decision = run.judge.decide(predicted["validation"])
    validation, test = (run.judge.evaluate(name, p, decision) for name, p in predicted.items())
    manifest = _manifest(run, model, fitted, cost, decision, validation, test)
    check = partial(_check_parity, columns=run.samples["validation"].columns, expected=predicted["validation"])
    artefact = write_artefact(run.models_dir, manifest, partial(_fill, run, fitted), check)
    return ModelResult(artefact, read_manifest(artefact.path), validation, test, predicted["test"], reused=False)


def _fill(run: _Run, fitted: Fitted, folder: Path) -> None:
    """Write a fitted model, and what it will be explained by."""
    fitted.save(folder)
    write_background(folder, fitted.encoder, fitted.runtime, run.samples["train"].columns)


def _manifest(
    run: _Run, model: Model, fitted: Fitted, cost: Cost, decision: Decision, validation: Figures, test: Figures
) -> Manifest:
    task, record = run.dataset.task, run.dataset.manifest
    return Manifest(
        format_version=FORMAT_VERSION,
        task=task.name,
        model=model.name,
        version=1,
        runtime=fitted.runtime,
        feature_service=record["feature_service"],
        definition_hash=record["definition_hash"],
        dataset_hash=record["dataset_hash"],
        code_hash=run.code_hash,
        inputs=tuple(column for column in run.dataset.inputs if column.name in fitted.encoder.input_names),
        entity_keys=task.entity_keys,
        request_columns=task.request_columns,
        threshold=decision.threshold,
        selection_metric=task.selection_metric,
        metrics={"validation": validation.as_dict(), "test": test.as_dict()},
        created_at=run.clock.now(),
        seed=run.seed,
        fit_seconds=round(cost.seconds, 3),
        peak_memory_mb=round(cost.peak_memory_mb, 1),
        parameters=fitted.parameters,
        packages=_packages(model),
        allowed_lints=run.allowed_lints,
        kind=task.kind,
        selection_greater=run.dataset.problem.metric(task.selection_metric).aim > 0,
        interval=decision.interval,
    )


def _check_parity(folder: Path, columns: Columns, expected: Predictions) -> None:
    """Read the model back as serving will and compare; quantities beyond 1 by their size."""
    furthest = float((np.abs(load_predictor(folder).predict(columns) - expected) / np.maximum(expected, 1.0)).max())
    if not furthest <= TOLERANCE:
        raise CheckFailedError(
            f"The saved model, read back, differs from the trained one by {furthest:.3g}; allowed is {TOLERANCE:g}. "
            f"It was not kept. Report the versions of the packages: its format doesn't carry the model."
        )


def _find_same(run: _Run, model: Model) -> Artefact | None:
    """The latest version that the same code made of the same data, with the same seed, packages and lints allowed."""
    record = run.dataset.manifest
    data = (record["dataset_hash"], record["definition_hash"], run.allowed_lints)
    wanted = (*data, run.code_hash, run.seed, _packages(model))
    for artefact in reversed(list_artefacts(run.models_dir, run.dataset.task.name, model.name)):
        try:
            m = read_manifest(artefact.path)
        except (DataError, NotFoundError):
            continue
        data = (m.dataset_hash, m.definition_hash, m.allowed_lints)
        if (*data, m.code_hash, m.seed, dict(m.packages)) == wanted:
            return artefact
    return None


def _reload(run: _Run, artefact: Artefact) -> ModelResult:
    """The result of a kept model: it predicts again, so that the report shows this very artefact."""
    predictor = load_predictor(artefact.path)
    decision = Decision(predictor.manifest.threshold, predictor.manifest.interval)
    predicted = {name: predictor.predict(run.samples[name].columns) for name in ("validation", "test")}
    validation, test = (run.judge.evaluate(name, p, decision) for name, p in predicted.items())
    return ModelResult(artefact, predictor.manifest, validation, test, predicted["test"], reused=True)


def _packages(model: Model) -> dict[str, str]:
    return {"numpy": version("numpy"), **package_versions(model)}


def _run_hash(results: Sequence[ModelResult]) -> str:
    """Names the report by the artefacts that it shows."""
    shown = sorted((r.name, r.artefact.version, r.manifest.dataset_hash, r.manifest.code_hash) for r in results)
    return sha256(repr(shown).encode()).hexdigest()[:12]
