"""MLflow's record of what was trained: a SQLite file in the project, no server, no network.

The artefacts on disk are the truth and MLflow mirrors them, so what it missed is made up for when it is next open.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from storekeeper.artefact import Artefact, list_artefacts, read_manifest, read_promotions
from storekeeper.errors import SourceError, StorekeeperError
from storekeeper.settings import Settings
from storekeeper_training.registry.runs import MODEL_TAG, VERSION_TAG, run_metrics, run_parameters, run_tags

TRACKING_FILE = "mlflow.db"
CHAMPION = "champion"

Place = tuple[str, int]


def bring_up_to_date(settings: Settings, task: str) -> str | None:
    """Record in MLflow every artefact of a task that it lacks, and set its alias to the champion.

    Returns
    -------
    str or None
        Why that could not be done, in one sentence; None where it was. Training and promotion go on without MLflow.
    """
    try:
        tracker = Tracker(settings)
        tracker.record_missing(task)
        tracker.follow_champion(task)
    except ModuleNotFoundError as error:
        return (
            f"Not tracked: the package '{error.name}' is not installed. Install it: pip install 'storekeeper[train]'."
        )
    except tracking_errors() as error:
        return _not_tracked(settings, error)
    return None


class Tracker:
    """MLflow over a project's `data/mlflow.db`, which is made when missing.

    Parameters
    ----------
    settings
        The project.

    Raises
    ------
    ModuleNotFoundError
        If MLflow, or a package that it needs, is not installed.
    SourceError
        If the file is no database, or can't be written.
    """

    def __init__(self, settings: Settings) -> None:
        # Read when MLflow is first imported: it tells its makers of nothing, and leaves the process' logging alone.
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
        from mlflow.tracking import MlflowClient

        self._settings = settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        _check_writable(tracking_path(settings))
        url = f"sqlite:///{tracking_path(settings)}"
        self.client = MlflowClient(tracking_uri=url, registry_uri=url)

    def versions(self, task: str) -> dict[Place, Any]:
        """MLflow's registered versions of a task, by model and the artefact's own version."""
        found = self.client.search_model_versions(f"name='{task}'")
        ours = [version for version in found if {MODEL_TAG, VERSION_TAG} <= {*version.tags}]
        return {(version.tags[MODEL_TAG], int(version.tags[VERSION_TAG])): version for version in ours}

    def record_missing(self, task: str) -> None:
        """A run and a registered version for each artefact that has none; what can't be read is left for later."""
        known = self.versions(task)
        missing = [a for a in list_artefacts(self._settings.models_dir, task) if (a.model, a.version) not in known]
        if not missing:
            return
        experiment = self._experiment(task)
        for artefact in missing:
            try:
                self._record(experiment, artefact)
            except StorekeeperError:
                continue

    def follow_champion(self, task: str) -> None:
        """Set the alias `champion` to what `champion.json` names; again, if that has changed meanwhile."""
        champion = read_promotions(self._settings.models_dir, task).champion
        while champion is not None:
            version = self.versions(task).get(champion.place)
            if version is None:
                return
            self.client.set_registered_model_alias(task, CHAMPION, version.version)
            latest = read_promotions(self._settings.models_dir, task).champion
            if latest == champion:
                return
            champion = latest

    def _record(self, experiment: str, artefact: Artefact) -> None:
        from mlflow.entities import Metric, Param, RunTag

        manifest = read_manifest(artefact.path)
        tags = run_tags(self._settings.home, artefact, manifest)
        # When it happened by the wall, whatever the project's clock says.
        ended = int((artefact.path / "manifest.json").stat().st_mtime * 1000)
        started = ended - int(manifest.fit_seconds * 1000)
        name = f"{artefact.model} {artefact.version}"
        run = self.client.create_run(experiment, start_time=started, run_name=name).info.run_id
        self.client.log_batch(
            run,
            metrics=[Metric(name, value, ended, 0) for name, value in run_metrics(manifest).items()],
            params=[Param(name, value) for name, value in run_parameters(manifest).items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self.client.set_terminated(run, end_time=ended)
        self.client.create_model_version(artefact.task, source=tags["artefact"], run_id=run, tags=tags)

    def _experiment(self, task: str) -> str:
        """The experiment's id; made with the registered model of the same name where missing."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(task)
        place = (self._settings.models_dir / task).as_uri()
        experiment: str = found.experiment_id if found else self.client.create_experiment(task, place)
        try:
            self.client.create_registered_model(task)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return experiment


def tracking_errors() -> tuple[type[Exception], ...]:
    """What MLflow's store raises where its file can't be used, and artefacts that can't be read."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, StorekeeperError, OSError


def tracking_path(settings: Settings) -> Path:
    """Where MLflow's record lies."""
    return settings.data_dir / TRACKING_FILE


def _check_writable(path: Path) -> None:
    """Refuse at once what MLflow would try again and again for minutes."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA schema_version")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise SourceError(f"{error}. Move it away for a new one, or mend it.") from error


def _not_tracked(settings: Settings, error: Exception) -> str:
    told = " ".join(str(error).split())
    return f"Not tracked: MLflow's record '{tracking_path(settings)}' can't be used: {told[:300]}"
