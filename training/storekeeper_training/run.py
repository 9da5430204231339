"""What every training run needs, whatever it trains: what may be kept, a model's record, the order of the models."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Self

from storekeeper.artefact import FORMAT_VERSION, Artefact, InputColumn, Manifest, list_artefacts, read_manifest
from storekeeper.artefact.manifest import Runtime
from storekeeper.clock import Clock
from storekeeper.errors import CheckFailedError, DataError, NotFoundError, listing
from storekeeper_training.cost import Cost
from storekeeper_training.dataset import Dataset, read_dataset
from storekeeper_training.dataset_folder import note_allowed
from storekeeper_training.fingerprint import training_hash
from storekeeper_training.lint import Evidence, refuse, run_lints
from storekeeper_training.models import Packaged, package_versions
from storekeeper_training.models.model import Parameters
from storekeeper_training.problems import Compared, Decision, Figures
from storekeeper_training.progress import StageProgress
from storekeeper_training.result import ModelResult, TrainResult
from storekeeper_training.split import Split, split_by_shares
from storekeeper_training.tasks import Task

# How far a model that was read back may be from the trained one.
TOLERANCE = 1e-5

Examine = Callable[[Dataset, Split], Evidence]


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """What all models of a run share.

    Attributes
    ----------
    dataset, split
        What they learn from.
    code_hash
        Of the training code.
    models_dir
        Where artefacts lie.
    seed
        Of every random choice.
    clock
        For the record.
    allowed_lints
        Names of the lints that were overridden.
    """

    dataset: Dataset
    split: Split
    code_hash: str
    models_dir: Path
    seed: int
    clock: Clock
    allowed_lints: tuple[str, ...] = ()

    def without_leaks(self, examine: Examine, allow: Collection[str], progress: StageProgress, folder: Path) -> Self:
        """Refuse a dataset that looks as if it leaks; lints that are overridden are noted in its folder, and kept.

        Raises
        ------
        CheckFailedError
            If there is an error that `allow` doesn't name.
        """
        progress("lint", 0, 1, "looking for leaks")
        report = run_lints(examine(self.dataset, self.split))
        progress("lint", 1, 1, report.summary(allow))
        refuse(report, allow)
        overridden = report.overridden(allow)
        note_allowed(folder, overridden)
        return replace(self, allowed_lints=overridden)

    def find_same(self, model: Packaged) -> Artefact | None:
        """The latest version of the same data, code, seed, packages and allowed lints."""
        record = self.dataset.manifest
        data = (record["dataset_hash"], record["definition_hash"], self.allowed_lints)
        wanted = (*data, self.code_hash, self.seed, _packages(model))
        for artefact in reversed(list_artefacts(self.models_dir, self.dataset.task.name, model.name)):
            try:
                m = read_manifest(artefact.path)
            except (DataError, NotFoundError):
                continue
            data = (m.dataset_hash, m.definition_hash, m.allowed_lints)
            if (*data, m.code_hash, m.seed, dict(m.packages)) == wanted:
                return artefact
        return None

    def find_trained(
        self, folder: Path, wanted: Sequence[str] | None, by_default: Sequence[str]
    ) -> tuple[Artefact, ...]:
        """The newest version of each wanted model, or of every one, that was trained on this dataset, in `folder`.

        Raises
        ------
        NotFoundError
            If an asked model, or every model, was never trained on it.
        """
        task = self.dataset.task.name
        found = {a.model: a for a in list_artefacts(self.models_dir, task) if self._trained_on(a)}
        missing = [name for name in wanted or [] if name not in found]
        if missing or not found:
            raise NotFoundError(
                f"Models {listing(missing or by_default)} were not trained on dataset '{folder.name}'. "
                f"Trained on it: {listing(found)}. Train them: storekeeper train {task}."
            )
        return tuple(found[name] for name in wanted or found)

    def manifest(
        self,
        model: Packaged,
        runtime: Runtime,
        parameters: Parameters,
        inputs: tuple[InputColumn, ...],
        cost: Cost,
        figures: Mapping[str, Figures],
        decision: Decision,
    ) -> Manifest:
        """The record of a fitted model; its version is given when it is written."""
        task, record = self.dataset.task, self.dataset.manifest
        return Manifest(
            format_version=FORMAT_VERSION,
            task=task.name,
            model=model.name,
            version=1,
            runtime=runtime,
            feature_service=record["feature_service"],
            definition_hash=record["definition_hash"],
            dataset_hash=record["dataset_hash"],
            code_hash=self.code_hash,
            inputs=inputs,
            entity_keys=task.entity_keys,
            request_columns=task.request_columns,
            threshold=decision.threshold,
            selection_metric=task.selection_metric,
            metrics={period: found.as_dict() for period, found in figures.items()},
            created_at=self.clock.now(),
            seed=self.seed,
            fit_seconds=round(cost.seconds, 3),
            peak_memory_mb=round(cost.peak_memory_mb, 1),
            parameters=parameters,
            packages=_packages(model),
            allowed_lints=self.allowed_lints,
            kind=task.kind,
            selection_greater=self.dataset.problem.metric(task.selection_metric).aim > 0,
            interval=decision.interval,
        )

    def result(
        self, models: Sequence[ModelResult], comparisons: tuple[Compared, ...], reports_dir: Path
    ) -> TrainResult:
        """The run's result, of models in order; its report is named by the artefacts that it shows."""
        shown = sorted((m.name, m.artefact.version, m.manifest.dataset_hash, m.manifest.code_hash) for m in models)
        name = f"{self.dataset.task.name}-{sha256(repr(shown).encode()).hexdigest()[:12]}.html"
        allowed = {*self.dataset.allowed_lints, *(name for model in models for name in model.manifest.allowed_lints)}
        return TrainResult(
            self.dataset, self.split, tuple(models), reports_dir / name, comparisons, tuple(sorted(allowed))
        )

    def _trained_on(self, artefact: Artefact) -> bool:
        try:
            return read_manifest(artefact.path).dataset_hash == str(self.dataset.manifest["dataset_hash"])
        except (DataError, NotFoundError):
            return False


def prepare_run(task: Task, folder: Path, models_dir: Path, seed: int, clock: Clock | None) -> TrainingRun:
    """Read a dataset and split it."""
    dataset = read_dataset(task, folder)
    split = split_by_shares(dataset.timestamps, task.horizon, task.shares)
    return TrainingRun(dataset, split, training_hash(task), models_dir, seed, clock or Clock())


def by_validation(result: ModelResult) -> tuple[float, str]:
    """What models are ordered by: the validation figure, the best first; then the name."""
    return -result.manifest.selection_value(), result.name


def draw_where_new(result: TrainResult, draw: Callable[[], None], progress: StageProgress) -> TrainResult:
    """Draw the report, unless all that it shows was kept and it is there."""
    if not (result.report.is_file() and all(model.reused for model in result.models)):
        progress("report", 0, 1, "drawing")
        draw()
        progress("report", 1, 1, str(result.report))
    return result


def check_read_back(furthest: float) -> None:
    """Refuse a saved model that predicts otherwise than the trained one, by more than 1e-5 at the most.

    Raises
    ------
    CheckFailedError
        If it does, or if the difference is no number.
    """
    if not furthest <= TOLERANCE:
        raise CheckFailedError(
            f"The saved model, read back, differs from the trained one by {furthest:.3g}; allowed is {TOLERANCE:g}. "
            f"It was not kept. Report the versions of the packages: its format doesn't carry the model."
        )


def _packages(model: Packaged) -> dict[str, str]:
    return {"numpy": version("numpy"), **package_versions(model)}
