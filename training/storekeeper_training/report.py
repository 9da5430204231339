"""Report: one HTML file that shows a training run and needs nothing beside itself."""

from typing import Any

from storekeeper.artefact import load_predictor, read_encoder
from storekeeper.pages import write_page
from storekeeper_training.explain.section import explain_best
from storekeeper_training.figures import PALETTE, draw_bars
from storekeeper_training.importance import gain_importance, permutation_importance
from storekeeper_training.leaderboard import best_figures, figure
from storekeeper_training.models import Sample
from storekeeper_training.problems import Picture, ScoredProblem, Shown, find_scored
from storekeeper_training.result import ModelResult, TrainResult


def write_report(result: TrainResult, test: Sample, seed: int) -> None:
    """Write the run's HTML report to `result.report`, whole or not at all.

    Parameters
    ----------
    result
        The run.
    test
        Rows of the test period, in the order of the split.
    seed
        Of the permutation importance.
    """
    write_page(result.report, "storekeeper_training", "report.html", _content(result, test, seed))


def _content(result: TrainResult, test: Sample, seed: int) -> dict[str, Any]:
    """Everything that the template shows."""
    problem, colours = find_scored(result.dataset.task.kind), model_colours(result)
    return shared_content(result) | {
        "pictures": problem.pictures([_shown(model, test, colours[model.name]) for model in result.models]),
        "importance": _importance_pictures(result, test, colours, seed),
        "explanation": explain_best(result, test, colours[result.best.name]),
        "models": [_model_card(problem, model, colours[model.name]) for model in result.models],
    }


def model_colours(result: TrainResult) -> dict[str, str]:
    """Each model's colour, by its place."""
    return {model.name: PALETTE[at % len(PALETTE)] for at, model in enumerate(result.models)}


def shared_content(result: TrainResult) -> dict[str, Any]:
    """What the page of every run shows: the leaderboard, how sure it is, the dataset. There are no pictures yet."""
    task, problem = result.dataset.task, result.dataset.problem
    return {
        "task": task,
        "problem": problem,
        "best": result.best,
        "tiles": problem.tiles(result.best.test),
        "leaderboard": _leaderboard(result),
        "comparisons": result.comparisons,
        "columns": [(f"{metric.title} {metric.arrow}", "") for metric in problem.metrics],
        "selection": f"val. {problem.metric(task.selection_metric).title}",
        "importance": [],
        "explanation": None,
        "facts": _facts(result),
        "allowed_lints": result.allowed_lints,
        "periods": _periods(result),
    }


def model_card(model: ModelResult, colour: str, reads: tuple[str, str]) -> dict[str, Any]:
    """One model's card; `reads` is a title and what it is given."""
    manifest = model.manifest
    return {
        "name": model.name,
        "colour": colour,
        "reads": reads,
        "parameters": manifest.parameters,
        "packages": manifest.packages,
        "decision": None,
        "seed": manifest.seed,
        "left_out": [],
        "created_at": f"{manifest.created_at:%Y-%m-%d %H:%M} UTC",
    }


def _shown(model: ModelResult, test: Sample, colour: str) -> Shown:
    return Shown(model.name, colour, test.labels, model.probabilities, model.test, model.decision)


def _importance_pictures(result: TrainResult, test: Sample, colours: dict[str, str], seed: int) -> list[Picture]:
    """Permutation importance of the best model, and gain where XGBoost took part."""
    best, problem = result.best, find_scored(result.dataset.task.kind)
    losses = permutation_importance(load_predictor(best.artefact.path), test, problem.losses(), seed)
    title = problem.importance_title
    pictures = [
        Picture(
            f"Permutation importance, {best.name}",
            f"{title} on the test period when one input is shuffled. Inputs that say the same share the loss.",
            draw_bars(losses, colours[best.name], title),
        )
    ]
    for model in result.models:
        if model.manifest.runtime in ("xgboost", "xgboost-scaled"):
            gains = gain_importance(model.artefact.path)
            caption = "Share of the total reduction of the loss by the splits on each input, in training."
            pictures.append(
                Picture(f"Gain, {model.name}", caption, draw_bars(gains, colours[model.name], "share of gain"))
            )
    return pictures


def _leaderboard(result: TrainResult) -> list[dict[str, Any]]:
    """The models as the page's table shows them."""
    metrics, colours = result.dataset.problem.metrics, model_colours(result)
    best = best_figures(result.models, metrics)
    return [
        {
            "name": model.name,
            "version": model.artefact.version,
            "colour": colours[model.name],
            "cells": [_cell(figure(model, metric.field), best[metric.field]) for metric in metrics],
            "selection": model.manifest.selection_figure,
            "seconds": model.manifest.fit_seconds,
            "memory": model.manifest.peak_memory_mb,
            "reused": model.reused,
        }
        for model in result.models
    ]


def _cell(value: float, best: float) -> tuple[str, bool]:
    return f"{value:.4f}", value == best


def _facts(result: TrainResult) -> list[tuple[str, str]]:
    """The dataset in a few lines."""
    table, record, problem = result.dataset.table, result.dataset.manifest, result.dataset.problem
    immature = record.get("immature_rows")
    return [
        ("Rows", f"{table.num_rows:,}"),
        (problem.label_word.capitalize(), problem.describe_labels(result.dataset.labels)),
        ("Inputs", f"{len(result.dataset.inputs)}"),
        ("Label horizon, gap between periods", str(result.dataset.task.horizon).removesuffix(", 0:00:00")),
        ("Rows dropped in the two gaps", f"{result.split.dropped:,}"),
        ("Rows left out, label not yet known", "not recorded" if immature is None else f"{immature:,}"),
        ("Lints overridden", ", ".join(result.allowed_lints) or "none"),
        ("Feature service", str(record["feature_service"])),
        ("Dataset", str(record["dataset_hash"])[:16]),
        ("Feature definitions", str(record["definition_hash"])[:16]),
    ]


def _periods(result: TrainResult) -> list[dict[str, str]]:
    """The three periods: rows, labels, first and last day."""
    times, labels, problem = result.dataset.timestamps, result.dataset.labels, result.dataset.problem
    return [
        {
            "name": name,
            "rows": f"{len(rows):,}",
            "labels": problem.describe_labels(labels[rows]),
            "first": str(times[rows[0]].astype("datetime64[D]")),
            "last": str(times[rows[-1]].astype("datetime64[D]")),
        }
        for name, rows in result.split.parts.items()
    ]


def _model_card(problem: ScoredProblem, model: ModelResult, colour: str) -> dict[str, Any]:
    encoder = read_encoder(model.artefact.path)
    reads = ("inputs, encoded columns", f"{len(encoder.input_names)}, {len(encoder.output_names)}")
    return model_card(model, colour, reads) | {
        "decision": problem.describe_decision(model.decision),
        "left_out": [(column.name, column.reason) for column in encoder.left_out],
    }
