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

# What fits into 80 characters; the report has the rest, and the memory.
_TITLES_IN_TERMINAL = {
    "AUC": "AUC",
    "AP": "AP",
    "log loss": "loss",
    "ECE": "ECE",
    "accuracy": "acc",
    "precision": "prec",
    "recall": "rec",
    "F1": "F1",
}


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
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
        title=f"{task.title}\nTest: {len(split.test):,} rows from {split.validation_end + split.gap:%Y-%m-%d}",
        caption=f"Ordered by {task.selection_metric.replace('_', ' ')} on validation. "
        f"Accuracy to F1 at a threshold chosen on validation.",
    )
    table.add_column("model", style="bold", no_wrap=True)
    shown = [column for column in COLUMNS if column[0] in _TITLES_IN_TERMINAL]
    for title, _, _ in shown:
        table.add_column(_TITLES_IN_TERMINAL[title], justify="right", no_wrap=True)
    table.add_column("fit s", justify="right", no_wrap=True)
    best = best_figures(result.models)
    for model in result.models:
        cells = [_cell(figure(model, field), best[field]) for _, field, _ in shown]
        table.add_row(f"{model.name} v{model.artefact.version}", *cells, f"{model.manifest.fit_seconds:.0f}")
    return table


def comparison_line(result: TrainResult) -> str:
    """The best model against the runner-up on the test period, in one line; empty for a model alone."""
    if not result.comparisons:
        return ""
    first = result.comparisons[0]
    auc, precision = (
        f"{what} {part.difference:+.4f} [{part.low:+.4f}, {part.high:+.4f}]"
        for what, part in (("AUC", first.auc), ("AP", first.average_precision))
    )
    drawn = result.dataset.task.entity_keys[0].name
    return f"{first.best} - {first.other}: {auc}, {precision} (95% of {first.draws} draws of {drawn})"


def _cell(value: float, best: float) -> str:
    text = f"{value:.4f}"
    return f"[bold green]{text}[/]" if value == best else text
