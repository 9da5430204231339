"""`storekeeper dataset build`, `lint`, `train`, `evaluate`, `explain` and `benchmark`."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Annotated, Any

import typer

from storekeeper.cli.output import Json, console, print_json, print_table, progress_console
from storekeeper.errors import NotFoundError, SettingError, SourceError
from storekeeper_training import dataset_commands
from storekeeper_training.benchmark import commands as benchmark_commands
from storekeeper_training.explain.command import explain
from storekeeper_training.registry import commands as registry_commands

TaskName = Annotated[str, typer.Argument(help="The task, such as purchase.")]
Allowed = Annotated[
    list[str] | None, typer.Option("--allow", help="Let this lint's errors pass, by name; may be given several times.")
]
Models = Annotated[list[str] | None, typer.Option("--model", help="Only this model; may be given several times.")]


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    dataset = typer.Typer(help="Point-in-time-correct training sets.", no_args_is_help=True)
    dataset.command("build")(build)
    dataset_commands.register(dataset)
    app.add_typer(dataset, name="dataset")
    app.command()(lint)
    app.command()(train)
    app.command()(evaluate)
    app.command()(explain)
    benchmark_commands.register(app)
    registry_commands.register(app)


def build(
    task: TaskName,
    force: Annotated[bool, typer.Option(help="Build again even if nothing has changed.")] = False,
    json: Json = False,
) -> None:
    """Build a task's training set: each row's features as they were known at its own time."""
    import time

    from storekeeper.cli.retrieval_bars import retrieval_bars
    from storekeeper_training.build import build_dataset
    from storekeeper_training.tasks import find_task

    found = find_task(task)
    settings, store = _open()
    started = time.perf_counter()
    with retrieval_bars(progress_console):
        built = build_dataset(found, settings, store, force=force, progress=_stage(task))
    if json:
        print_json(built.manifest | {"folder": str(built.folder), "reused": built.reused})
        return
    manifest = built.manifest
    rows = [
        ["rows", manifest["rows"]],
        *_label_rows(manifest),
        ["left out: label not yet known", manifest["immature_rows"]],
        ["from, to", f"{manifest['first_event_timestamp'][:10]}, {manifest['last_event_timestamp'][:10]}"],
        ["columns", len(manifest["columns"])],
        ["hash", manifest["dataset_hash"][:16]],
        ["", "unchanged, kept" if built.reused else f"built in {time.perf_counter() - started:.1f} s"],
    ]
    print_table(f"Training set of '{task}' in {built.folder}", {"": "left", "value": "right"}, rows)


def _label_rows(manifest: dict[str, Any]) -> list[list[Any]]:
    """What is told of labels: of chances how many are 1, of quantities their sum."""
    rows = manifest["rows"]
    if "positives" in manifest:
        return [["with label 1", f"{manifest['positives']:,} ({manifest['positives'] / rows:.1%})"]]
    if "units" in manifest:
        return [["units", f"{manifest['units']:,.0f} ({manifest['units'] / rows:,.1f} a row)"]]
    return []


def _stage(task: str) -> Callable[[str], None]:
    """Stages of a build as lines beside the bars; none where nobody looks."""

    def say(stage: str) -> None:
        if progress_console.is_terminal:
            progress_console.print(f"[dim]{task}: {stage}[/dim]")

    return say


def lint(
    task: TaskName,
    allow: Allowed = None,
    max_auc: Annotated[float, typer.Option(help="No single feature should reach this AUC alone.")] = 0.95,
    json: Json = False,
) -> None:
    """Look for leaks in a task's latest training set, its declarations and their sources.

    What --allow lets pass is noted in the training set's manifest; nothing else is written.
    """
    import contextlib

    from storekeeper_training.lint import Evidence, Limits, check_names, run_lints
    from storekeeper_training.tasks import find_task

    allowed = tuple(allow or ())
    check_names(allowed)
    found = find_task(task)
    settings, store = _open()
    folder = _latest_dataset(found, settings)
    from storekeeper_training.dataset import read_dataset
    from storekeeper_training.dataset_folder import note_allowed
    from storekeeper_training.lint.declared import read_declared
    from storekeeper_training.split import split_by_shares

    limits = Limits(auc=max_auc)
    with contextlib.nullcontext() if json else console.status(f"Looking for leaks in the training set of '{task}'"):
        dataset = read_dataset(found, folder)
        split = split_by_shares(dataset.timestamps, found.horizon, found.shares)
        report = run_lints(Evidence(dataset, split, limits, read_declared(dataset, settings, store, limits)))
    if overridden := report.overridden(allowed):
        note_allowed(folder, overridden)
    if json:
        print_json(report.as_dict(allowed))
    else:
        from storekeeper_training.lint.show import show_report

        show_report(report, allowed, console)
    if report.refused(allowed):
        raise typer.Exit(1)


def train(
    task: TaskName,
    model: Models = None,
    allow: Allowed = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    force: Annotated[bool, typer.Option(help="Train again even what was trained on the same data.")] = False,
    json: Json = False,
) -> None:
    """Train a task's models on its latest training set; the leaderboard shows the test period."""
    from storekeeper_training.tasks import find_task

    found = find_task(task)
    settings, _ = _open(store=False)
    _print_result(_train(found, settings, model, seed, allow=allow or (), reuse=not force, quiet=json), as_json=json)


def evaluate(task: TaskName, model: Models = None, json: Json = False) -> None:
    """Evaluate a task's trained models on the test period again; trains nothing."""
    from storekeeper_training.tasks import find_task

    found = find_task(task)
    settings, _ = _open(store=False)
    folders = (_latest_dataset(found, settings), settings.models_dir, settings.reports_dir)
    from storekeeper_training.train import evaluate_trained

    _print_result(evaluate_trained(found, *folders, model), as_json=json)


def _train(
    task: Any,
    settings: Any,
    models: list[str] | None,
    seed: int,
    *,
    allow: Collection[str],
    reuse: bool,
    quiet: bool,
) -> Any:
    from storekeeper_training.models import default_models, find_models
    from storekeeper_training.progress import ProgressBars, silent

    chosen = tuple(models or default_models(task))
    if task.kind != "ranking":
        find_models(task, chosen)  # a missing extra is named before anything heavy is imported
    from storekeeper_training.train import train as train_models

    folders = (_latest_dataset(task, settings), settings.models_dir, settings.reports_dir)
    options: dict[str, Any] = {"seed": seed, "reuse": reuse, "allow": allow, "examine": partial(_examine, settings)}
    if quiet:
        result = train_models(task, *folders, chosen, progress=silent, **options)
    else:
        with ProgressBars(progress_console) as bars:
            result = train_models(task, *folders, chosen, progress=bars, **options)
    _record(settings, result)
    return result


def _examine(settings: Any, dataset: Any, split: Any) -> Any:
    """What the lints look at: the dataset, and what the feature store and the shop say of it where they can be read."""
    from storekeeper.store import FeatureStore
    from storekeeper_training.lint import Evidence, Limits
    from storekeeper_training.lint.declared import read_declared

    limits = Limits()
    try:
        store = FeatureStore(settings.feature_repo)
        return Evidence(dataset, split, limits, read_declared(dataset, settings, store, limits))
    except (NotFoundError, SettingError, SourceError) as error:
        return Evidence(dataset, split, limits, unread=str(error))


def _latest_dataset(task: Any, settings: Any) -> Any:
    """The folder of a task's newest training set."""
    from storekeeper.ledger import Ledger
    from storekeeper_training.tasks import TASKS

    latest = Ledger(settings.database_url).find_dataset(task.name)
    if latest is None or not (settings.home / latest.path).is_dir():
        asked = task.name if task in TASKS else "FILE.py:NAME"
        raise NotFoundError(
            f"Task '{task.name}' has no training set. Build it first: storekeeper dataset build {asked}."
        )
    return settings.home / latest.path


def _record(settings: Any, result: Any) -> None:
    from datetime import UTC, datetime

    from storekeeper.ledger import Ledger, ModelRunRecord

    ledger = Ledger(settings.database_url)
    for model in result.models:
        if model.reused:
            continue
        manifest = model.manifest
        record = ModelRunRecord(
            task=manifest.task,
            model=manifest.model,
            version=str(manifest.version),
            dataset_hash=manifest.dataset_hash,
            definition_hash=manifest.definition_hash,
            metrics=manifest.metrics,
            path=str(model.artefact.path.relative_to(settings.home)),
            created_at=datetime.now(UTC),
        )
        ledger.record_model_run(record)
    if not all(model.reused for model in result.models):
        registry_commands.track(settings, result.dataset.task.name)


def _print_result(result: Any, *, as_json: bool) -> None:
    from storekeeper_training.leaderboard import comparison_line, leaderboard_table

    if as_json:
        print_json(result.as_dict())
        return
    console.print(leaderboard_table(result))
    if line := comparison_line(result):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    if result.allowed_lints:
        console.print(f"The training set may leak. Lints overridden: {', '.join(result.allowed_lints)}.")
    console.print(f"Report: {result.report}", soft_wrap=True)


def _open(*, store: bool = True) -> tuple[Any, Any]:
    from storekeeper.settings import Settings

    settings = Settings.load()
    if not store:
        return settings, None
    from storekeeper.store import FeatureStore

    return settings, FeatureStore(settings.feature_repo)
