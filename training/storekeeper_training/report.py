"""Report: one HTML file that shows a training run and needs nothing beside itself."""

from dataclasses import dataclass
from typing import Any

from storekeeper.artefact import load_predictor, read_encoder
from storekeeper.pages import write_page
from storekeeper_training.figures import (
    PALETTE,
    Curve,
    draw_bars,
    draw_calibration,
    draw_precision_recall,
    draw_roc,
    draw_scores,
)
from storekeeper_training.importance import gain_importance, permutation_importance
from storekeeper_training.leaderboard import COLUMNS, best_figures, figure
from storekeeper_training.models import Sample
from storekeeper_training.result import ModelResult, TrainResult


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes
    ----------
    title, caption
        What it shows and how to read it.
    png
        The image, base64.
    """

    title: str
    caption: str
    png: str


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
    colours = {model.name: PALETTE[at % len(PALETTE)] for at, model in enumerate(result.models)}
    curves = [_curve(model, test, colours[model.name]) for model in result.models]
    return {
        "task": result.dataset.task,
        "best": result.best,
        "leaderboard": _leaderboard(result, colours),
        "comparisons": result.comparisons,
        "columns": [(f"{title} {'↑' if greater else '↓'}", "") for title, _, greater in COLUMNS],
        "curves": _curve_pictures(curves),
        "scores": draw_scores(curves[0], result.best.manifest.threshold),
        "importance": _importance_pictures(result, test, colours, seed),
        "facts": _facts(result),
        "allowed_lints": result.allowed_lints,
        "periods": _periods(result),
        "models": [_model_card(model, colours[model.name]) for model in result.models],
    }


def _curve(model: ModelResult, test: Sample, colour: str) -> Curve:
    figures = {
        "roc": f"{model.test.auc:.3f}",
        "recall": f"{model.test.average_precision:.3f}",
        "calibration": f"{model.test.calibration_error:.3f}",
    }
    return Curve(model.name, colour, test.labels, model.probabilities, figures)


def _curve_pictures(curves: list[Curve]) -> list[Picture]:
    return [
        Picture(
            "ROC", "How well positives are ranked above negatives. Figures: area under the curve.", draw_roc(curves)
        ),
        Picture(
            "Precision and recall",
            "How pure the top of the list is. Dotted: the share of positives. Figures: average precision.",
            draw_precision_recall(curves),
        ),
        Picture(
            "Calibration",
            "Whether 20% means 20%: the diagonal is exact. 15 bins of equal mass. Figures: expected calibration error.",
            draw_calibration(curves),
        ),
    ]


def _importance_pictures(result: TrainResult, test: Sample, colours: dict[str, str], seed: int) -> list[Picture]:
    """Permutation importance of the best model, and gain where XGBoost took part."""
    best = result.best
    losses = permutation_importance(load_predictor(best.artefact.path), test, seed)
    pictures = [
        Picture(
            f"Permutation importance, {best.name}",
            "AUC lost on the test period when one input is shuffled. Inputs that say the same share the loss.",
            draw_bars(losses, colours[best.name], "AUC lost"),
        )
    ]
    for model in result.models:
        if model.manifest.runtime == "xgboost":
            gains = gain_importance(model.artefact.path)
            caption = "Share of the total reduction of the loss by the splits on each input, in training."
            pictures.append(
                Picture(f"Gain, {model.name}", caption, draw_bars(gains, colours[model.name], "share of gain"))
            )
    return pictures


def _leaderboard(result: TrainResult, colours: dict[str, str]) -> list[dict[str, Any]]:
    best = best_figures(result.models)
    return [
        {
            "name": model.name,
            "version": model.artefact.version,
            "colour": colours[model.name],
            "cells": [(f"{figure(model, field):.4f}", figure(model, field) == best[field]) for _, field, _ in COLUMNS],
            "selection": model.manifest.selection_value(),
            "seconds": model.manifest.fit_seconds,
            "memory": model.manifest.peak_memory_mb,
            "reused": model.reused,
        }
        for model in result.models
    ]


def _facts(result: TrainResult) -> list[tuple[str, str]]:
    """The dataset in a few lines."""
    table, record = result.dataset.table, result.dataset.manifest
    immature = record.get("immature_rows")
    return [
        ("Rows", f"{table.num_rows:,}"),
        ("Positives", f"{result.dataset.labels.mean():.2%}"),
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
    times, labels = result.dataset.timestamps, result.dataset.labels
    return [
        {
            "name": name,
            "rows": f"{len(rows):,}",
            "positives": f"{labels[rows].mean():.2%}",
            "first": str(times[rows[0]].astype("datetime64[D]")),
            "last": str(times[rows[-1]].astype("datetime64[D]")),
        }
        for name, rows in result.split.parts.items()
    ]


def _model_card(model: ModelResult, colour: str) -> dict[str, Any]:
    manifest, encoder = model.manifest, read_encoder(model.artefact.path)
    return {
        "name": model.name,
        "colour": colour,
        "parameters": manifest.parameters,
        "packages": manifest.packages,
        "threshold": f"{manifest.threshold:.4f}",
        "seed": manifest.seed,
        "encoded": len(encoder.output_names),
        "inputs": len(encoder.input_names),
        "left_out": [(column.name, column.reason) for column in encoder.left_out],
        "created_at": f"{manifest.created_at:%Y-%m-%d %H:%M} UTC",
    }
