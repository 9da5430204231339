"""`storekeeper models`."""

from typing import Annotated, Any

import typer

from storekeeper.cli.output import Json, console, print_json, print_table, progress_console

TaskName = Annotated[str, typer.Argument(help="The task, such as purchase.")]
AllowLints = Annotated[
    bool, typer.Option("--allow-lints", help="Let a model serve that was trained on data that may leak.")
]
_COLUMNS = {
    "model": "left",
    "serves": "left",
    "valid": "right",
    "test": "right",
    "dataset": "left",
    "fits": "left",
    "trained": "left",
}


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    models = typer.Typer(help="Which models there are, and which one serves.", no_args_is_help=True)
    models.command("list")(list_)
    models.command("promote")(promote)
    models.command("rollback")(rollback)
    app.add_typer(models, name="models")


def list_(
    task: Annotated[str | None, typer.Argument(help="Only this task's.")] = None,
    json: Json = False,
) -> None:
    """List every trained version: its figures, what it was trained on, and whether it still fits the definitions."""
    from storekeeper.settings import Settings
    from storekeeper_training.registry.definitions import registered_definitions
    from storekeeper_training.registry.models_list import list_models

    settings = Settings.load()
    found = list_models(settings, registered_definitions(settings), task)
    if json:
        print_json([model.as_dict() for model in found])
        return
    for name in dict.fromkeys(model.task for model in found):
        of_task = [model for model in found if model.task == name]
        metric = next((model.metric for model in reversed(of_task) if model.metric), "unknown figure")
        print_table(f"Models of '{name}' by {metric}", _COLUMNS, [_row(model) for model in of_task])
    if not found:
        console.print("There is no trained model. Train some: storekeeper train TASK.")
    for model in found:
        if model.problem:
            told = f"{model.task} {model.model} {model.version}: {model.problem}"
            console.print(told, soft_wrap=True, markup=False, highlight=False)


def promote(
    task: TaskName,
    model: Annotated[str, typer.Argument(help="The model, such as xgboost.")],
    version: Annotated[int, typer.Argument(min=1, help="Its version, as storekeeper models list shows it.")],
    allow_lints: AllowLints = False,
    json: Json = False,
) -> None:
    """Make one version of a model the one that serves its task.

    Refused where its files are missing or not those that were saved, where leaks were let pass, or where its feature
    service has been redefined. A running server follows by itself.
    """
    from storekeeper.artefact import find_artefact
    from storekeeper.settings import Settings
    from storekeeper_training.registry.definitions import registered_definitions
    from storekeeper_training.registry.promotion import promote as promote_artefact

    settings = Settings.load()
    artefact = find_artefact(settings.models_dir, task, model, version)
    definitions = registered_definitions(settings)
    promotions = promote_artefact(settings, definitions, artefact, _now(), allow_lints=allow_lints)
    _tell(settings, task, promotions, as_json=json)


def rollback(task: TaskName, allow_lints: AllowLints = False, json: Json = False) -> None:
    """Let the version that served before the promoted one serve again; the history is kept."""
    from storekeeper.settings import Settings
    from storekeeper_training.registry.definitions import registered_definitions
    from storekeeper_training.registry.promotion import roll_back

    settings = Settings.load()
    promotions = roll_back(settings, registered_definitions(settings), task, _now(), allow_lints=allow_lints)
    _tell(settings, task, promotions, as_json=json)


def track(settings: Any, task: str) -> None:
    """Bring MLflow up to date with a task's artefacts; one line on stderr where it can't be."""
    from storekeeper_training.registry.tracking import bring_up_to_date

    if told := bring_up_to_date(settings, task):
        progress_console.print(told, soft_wrap=True, markup=False, highlight=False)


def _tell(settings: Any, task: str, promotions: Any, *, as_json: bool) -> None:
    track(settings, task)
    champion, former = promotions.champion, promotions.former
    if as_json:
        history = [
            {"action": c.action, "model": c.model, "version": c.version, "at": c.at.isoformat()}
            for c in promotions.history
        ]
        print_json({"task": task, "model": champion.model, "version": champion.version, "history": history})
        return
    line = f"Task '{task}' is served by {champion.model} {champion.version}."
    if former is not None:
        line += f" Before it: {former.model} {former.version}; storekeeper models rollback {task} brings it back."
    console.print(line, soft_wrap=True, markup=False, highlight=False)


def _row(model: Any) -> list[Any]:
    return [
        f"{model.model} {model.version}",
        model.alias or ("best" if model.serves else ""),
        _figure(model.validation),
        _figure(model.test),
        model.dataset_hash[:8],
        _fit(model),
        model.trained_at[:10],
    ]


def _fit(model: Any) -> str:
    """Whether it is what was saved and reads what it was trained on, or why that isn't so."""
    features = {True: "", False: "features changed", None: "features unknown"}[model.definitions_match]
    files = {True: "", False: "files changed", None: "no hashes"}[model.files_match]
    told = [part for part in (features, files, "lints allowed" if model.allowed_lints else "") if part]
    return ", ".join(told) or "yes"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _now() -> Any:
    """When a promotion is made: by the wall, for people made it, whatever the project's clock says."""
    from datetime import UTC, datetime

    return datetime.now(UTC)
