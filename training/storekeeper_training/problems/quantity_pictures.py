"""The report's pictures of quantities."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context

from storekeeper_training.figures import FAINT, INK, STYLE, canvas, png
from storekeeper_training.problems.problem import Picture, Shown

_BINS = 12
_MOST_DOTS = 4000


def draw_quantities(models: Sequence[Shown]) -> list[Picture]:
    """What was predicted against what was sold, by size for all models, and the interval of the first."""
    best = models[0]
    return [
        Picture(
            f"Predicted and sold, {best.name}",
            "One dot a row of the test period, both axes by square root; the diagonal is exact.",
            _draw_dots(best),
        ),
        Picture(
            "Missed units by size",
            "WAPE in groups of equal mass of what was sold. Figures: WAPE of all rows.",
            _draw_by_size(models),
        ),
        Picture(
            "Sold by predicted",
            "Whether 20 means 20: mean of what was sold by mean prediction, in bins of equal mass; 1 is exact.",
            _draw_calibration(models),
        ),
        Picture(
            f"Interval of {best.name}",
            "Share of what was sold within the interval, in bins of equal mass of the prediction. Dotted: its level.",
            _draw_coverage(best),
        ),
    ]


def _draw_dots(model: Shown) -> str:
    at = np.linspace(0, len(model.labels) - 1, min(len(model.labels), _MOST_DOTS)).astype(np.int64)
    with rc_context(STYLE):
        figure, axes = canvas("predicted units", "sold units")
        predicted, sold = np.sqrt(model.predictions[at]), np.sqrt(model.labels[at])
        top = float(max(predicted.max(), sold.max())) * 1.03
        axes.plot([0, top], [0, top], color=FAINT, linestyle=":", linewidth=1)
        axes.scatter(predicted, sold, s=6, color=model.colour, alpha=0.45, linewidths=0)
        ticks = np.linspace(0, top, 6)
        axes.set_xticks(ticks, [f"{tick**2:,.0f}" for tick in ticks])
        axes.set_yticks(ticks, [f"{tick**2:,.0f}" for tick in ticks])
        return png(figure)


def _draw_by_size(models: Sequence[Shown]) -> str:
    with rc_context(STYLE):
        figure, axes = canvas("sold units, mean of the group", "WAPE")
        for model in models:
            sold, missed = _binned(model.labels, model.labels, np.abs(model.predictions - model.labels))
            some = sold > 0
            label = f"{model.name}  {model.figures.as_dict()['wape']:.3f}"
            axes.plot(
                sold[some], missed[some] / sold[some], color=model.colour, marker="o", markersize=4, linewidth=1.3,
                label=label,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right")
        return png(figure)


def _draw_calibration(models: Sequence[Shown]) -> str:
    with rc_context(STYLE):
        figure, axes = canvas("predicted units, mean of the bin", "sold by predicted")
        axes.axhline(1, color=FAINT, linestyle=":", linewidth=1)
        for model in models:
            predicted, sold = _binned(model.predictions, model.predictions, model.labels)
            some = predicted > 0
            label = f"{model.name}  bias {model.figures.as_dict()['bias']:+.3f}"
            axes.plot(
                predicted[some], sold[some] / predicted[some], color=model.colour, marker="o", markersize=4,
                linewidth=1.3, label=label,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.legend(loc="best")
        return png(figure)


def _draw_coverage(model: Shown) -> str:
    interval = model.decision.interval
    with rc_context(STYLE):
        figure, axes = canvas("predicted units, mean of the bin", "share within the interval")
        if interval is not None:
            low, high = interval.bounds(model.predictions)
            within = ((model.labels >= low) & (model.labels <= high)).astype(np.float64)
            predicted, share = _binned(model.predictions, model.predictions, within)
            axes.axhline(interval.level, color=INK, linestyle=":", linewidth=1)
            axes.plot(predicted, share, color=model.colour, marker="o", markersize=4, linewidth=1.3)
        axes.set_xscale("symlog")
        axes.set_ylim(0, 1.02)
        return png(figure)


def _binned(order: np.ndarray, across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of two columns in bins of equal mass of a third."""
    parts = [part for part in np.array_split(np.argsort(order, kind="stable"), _BINS) if len(part)]
    return np.array([across[part].mean() for part in parts]), np.array([up[part].mean() for part in parts])
