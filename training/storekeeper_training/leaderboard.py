"""Leaderboard: a run's models side by side, on the test period."""

from rich.table import Table

from storekeeper_training.result import ModelResult, TrainResult

# Title, field of Evaluation, whether greater is better.
COLUMNS = (
    ("AUC", "auc", True),
    ("AP", "average_precision", True),
    ("log loss", "log_loss", False),
    ("Brier", "brier", False),
    ("ECE", "calibration_error", False),
    ("accuracy", "accuracy", True),
    ("precision", "precision", True),
    ("recall", "recall", True),
    ("F1", "f1", True),
)


def figure(model: ModelResult, field: str) -> float:
    """One test figure of a model."""
    return float(model.test.as_dict()[field])


def best_figures(models: tuple[ModelResult, ...]) -> dict[str, float]:
    """The best test figure of each column."""
    return {field: (max if greater else min)(figure(model, field) for model in models) for _, field, greater in COLUMNS}


def leaderboard_table(result: TrainResult) -> Table:
    """For the terminal: the best on validation first, the best figure of each column in bold."""
    task, split = result.dataset.task, result.split
    table = Table(
        title=f"{task.title}  Test: {len(split.test):,} rows from {split.validation_end + split.gap:%Y-%m-%d}",
        caption=f"Ordered by {task.selection_metric.replace('_', ' ')} on validation. "
        f"Accuracy to F1 at a threshold chosen on validation.",
    )
    table.add_column("model", style="bold")
    for title, _, _ in COLUMNS:
        table.add_column(title, justify="right")
    table.add_column("fit", justify="right")
    table.add_column("peak memory", justify="right")
    best = best_figures(result.models)
    for model in result.models:
        cells = [_cell(figure(model, field), best[field]) for _, field, _ in COLUMNS]
        manifest = model.manifest
        seconds = f"{manifest.fit_seconds:.1f} s" + (" (kept)" if model.reused else "")
        table.add_row(f"{model.name} {model.artefact.version}", *cells, seconds, f"{manifest.peak_memory_mb:,.0f} MB")
    return table


def _cell(value: float, best: float) -> str:
    text = f"{value:.4f}"
    return f"[bold green]{text}[/]" if value == best else text
