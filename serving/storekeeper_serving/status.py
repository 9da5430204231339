"""What an engine says of itself: tasks, models, health."""

from storekeeper.errors import StorekeeperError
from storekeeper_serving.catalogue import Refusal
from storekeeper_serving.engine import Engine, check_materialised
from storekeeper_serving.inputs import REQUEST_TIME
from storekeeper_serving.predictor import ServedModel
from storekeeper_serving.schemas import Health, LogInfo, ModelInfo, TaskInfo


def describe_models(engine: Engine) -> dict[str, list[ModelInfo]]:
    """The latest version of every model, by task."""
    models: dict[str, list[ModelInfo]] = {}
    for artefact, entry, default in engine.catalogue.all_entries():
        info = ModelInfo(model=artefact.model, version=artefact.version, status="served", default=default)
        if isinstance(entry, Refusal):
            info.status, info.reason = "refused", entry.problem.message
        else:
            info.trained_at, info.threshold = entry.manifest.created_at, entry.manifest.threshold
            info.metrics = {period: dict(figures) for period, figures in entry.manifest.metrics.items()}
        models.setdefault(artefact.task, []).append(info)
    return models


def describe_tasks(engine: Engine) -> list[TaskInfo]:
    """Every task that has a model, and what its callers give."""
    tasks = []
    for task, models in describe_models(engine).items():
        served = default_model(engine, task)
        tasks.append(
            TaskInfo(
                task=task,
                feature_service=served.reader.service if served else None,
                entities={name: str(type_) for name, type_ in served.entity_types.items()} if served else {},
                context=_described_context(served) if served else {},
                models=models,
                example=served.example() if served else None,
            )
        )
    return tasks


def default_model(engine: Engine, task: str) -> ServedModel | None:
    """The model that answers when none is named; else any that is served, for it takes the same keys."""
    try:
        return engine.catalogue.find(task)
    except StorekeeperError:
        return next((model for model in engine.catalogue.served() if model.artefact.task == task), None)


def check_health(engine: Engine) -> Health:
    """Whether predictions can be made now, and what is wrong if not."""
    problems, able = _problems(engine)
    log = engine.log
    return Health(
        status="unavailable" if not able else "degraded" if problems else "ok",
        now=engine.clock.now(),
        clock=engine.clock.spec,
        uptime_seconds=round(engine.uptime_seconds, 3),
        models=describe_models(engine),
        problems=problems,
        served_log=LogInfo(written=log.written, pending=log.pending, dropped=log.dropped, problem=log.problem),
    )


def _problems(engine: Engine) -> tuple[list[str], bool]:
    """What is wrong, and whether any task can be predicted by its default model all the same."""
    problems = [refusal.problem.message for refusal in engine.catalogue.refused()]
    able = False
    for task in engine.catalogue.entries:
        try:
            check_materialised(engine.catalogue.find(task))
            able = True
        except StorekeeperError as error:
            problems.append(f"Task '{task}': {error}")
    if not engine.catalogue.entries:
        problems.append(f"There is no trained model in '{engine.settings.models_dir}'. Run storekeeper train.")
    if engine.log.dropped:
        problems.append(f"{engine.log.dropped} served vectors could not be logged.")
    problems += [f"The served log: {engine.log.problem}"] if engine.log.problem else []
    problems += [f"The background refresh: {engine.refresh_problem}"] if engine.refresh_problem else []
    return list(dict.fromkeys(problems)), able


def _described_context(model: ServedModel) -> dict[str, str]:
    return {
        name: f"{type_} (default: now)" if name == REQUEST_TIME else str(type_)
        for name, type_ in model.context_types.items()
    }
