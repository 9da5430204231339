"""Leaderboard: a run's models side by side, on the test period."""

from rich.table import Table

from storekeeper_training.problems import Metric
from storekeeper_training.result import ModelResult, TrainResult


def figure(model: ModelResult, field: str) -> float:
    """One test figure of a model."""
    return float(model.test.as_dict()[field])


def best_figures(models: tuple[ModelResult, ...], metrics: tuple[Metric, ...]) -> dict[str, float]:
    """The best test figure of each metric."""
    return {metric.field: metric.best([figure(model, metric.field) for model in models]) for metric in metrics}


def leaderboard_table(result: TrainResult) -> Table:
    """For the terminal: the best on validation first, the best figure of each column in bold."""
    task, problem, split = result.dataset.task, result.dataset.problem, result.split
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
        title=f"{task.title}\nTest: {len(split.test):,} rows from {split.validation_end + split.gap:%Y-%m-%d}",
        caption=f"Ordered by {task.selection_metric.replace('_', ' ')} on validation. {problem.terminal_note}",
    )
    table.add_column("model", style="bold", no_wrap=True)
    shown = [metric for metric in problem.metrics if metric.short]
    for metric in shown:
        table.add_column(metric.short, justify="right", no_wrap=True)
    table.add_column("fit s", justify="right", no_wrap=True)
    best = best_figures(result.models, problem.metrics)
    for model in result.models:
        cells = [_cell(figure(model, metric.field), best[metric.field]) for metric in shown]
        table.add_row(f"{model.name} v{model.artefact.version}", *cells, f"{model.manifest.fit_seconds:.0f}")
    return table


def comparison_line(result: TrainResult) -> str:
    """The best model against the runner-up on the test period, in one line; empty for a model alone."""
    if not result.comparisons:
        return ""
    first = result.comparisons[0]
    told = (f"{what} {part.difference:+.4f} [{part.low:+.4f}, {part.high:+.4f}]" for what, part in first.parts)
    drawn = result.dataset.task.entity_keys[0].name
    return f"{first.best} - {first.other}: {', '.join(told)} (95% of {first.draws} draws of {drawn})"


def _cell(value: float, best: float) -> str:
    text = f"{value:.4f}"
    return f"[bold green]{text}[/]" if value == best else text
