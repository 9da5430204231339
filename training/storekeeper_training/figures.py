"""Pictures of the report: each drawn without any global state and returned as a PNG in base64."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from storekeeper_training.evaluate import calibration_bins

INK, FAINT = "#1f2937", "#9ca3af"
PALETTE = ("#0f766e", "#b45309", "#4338ca", "#be185d", "#0369a1", "#4d7c0f", "#7c3aed", "#b91c1c")
STYLE: Any = {
    "axes.edgecolor": "#d1d5db",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "font.size": 10,
    "grid.color": "#eef0f3",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.color": INK,
    "xtick.color": "#6b7280",
    "ytick.color": "#6b7280",
}
_DOTS_PER_INCH = 160


@dataclass(frozen=True, eq=False)
class Curve:
    """One model's line in the pictures.

    Attributes
    ----------
    name, colour
        Of the model.
    labels, probabilities
        `(n,)` each, of the test period.
    figures
        What stands in the legend, by picture.
    """

    name: str
    colour: str
    labels: npt.NDArray[np.int8]
    probabilities: npt.NDArray[np.float64]
    figures: Mapping[str, str]


def draw_roc(curves: Sequence[Curve]) -> str:
    """True against false positive rate."""
    with rc_context(STYLE):
        figure, axes = canvas("false positive rate", "true positive rate")
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle=":", linewidth=1)
        for curve in curves:
            false_rate, true_rate, _ = roc_curve(curve.labels, curve.probabilities)
            axes.plot(false_rate, true_rate, color=curve.colour, linewidth=1.7, label=_label(curve, "roc"))
        _square(axes)
        axes.legend(loc="lower right")
        return png(figure)


def draw_precision_recall(curves: Sequence[Curve]) -> str:
    """Precision against recall; the dotted line is the share of positives."""
    with rc_context(STYLE):
        figure, axes = canvas("recall", "precision")
        base = float(curves[0].labels.mean())
        axes.axhline(base, color=FAINT, linestyle=":", linewidth=1)
        for curve in curves:
            precision, recall, thresholds = precision_recall_curve(curve.labels, curve.probabilities)
            # The first few rows make the left end jump about and say nothing.
            steady = np.append(recall[:-1] * curve.labels.sum() >= 10, False) & (np.append(thresholds, 1) > 0)
            axes.plot(
                recall[steady], precision[steady], color=curve.colour, linewidth=1.7, label=_label(curve, "recall")
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.legend(loc="upper right")
        return png(figure)


def draw_calibration(curves: Sequence[Curve]) -> str:
    """Observed rate against mean probability, in bins of equal mass."""
    with rc_context(STYLE):
        figure, axes = canvas("mean predicted probability", "observed rate")
        top = 0.0
        for curve in curves:
            predicted, observed, _ = calibration_bins(curve.labels, curve.probabilities)
            top = max(top, predicted.max(), observed.max())
            axes.plot(
                predicted,
                observed,
                color=curve.colour,
                marker="o",
                markersize=4,
                linewidth=1.3,
                label=_label(curve, "calibration"),
            )
        axes.plot([0, top], [0, top], color=FAINT, linestyle=":", linewidth=1)
        axes.set_xlim(0, min(1.0, top * 1.05))
        axes.set_ylim(0, min(1.0, top * 1.05))
        axes.legend(loc="upper left")
        return png(figure)


def draw_scores(curve: Curve, threshold: float) -> str:
    """How the probabilities of both classes are spread, each class to an area of one; dashed: the threshold."""
    with rc_context(STYLE):
        figure, axes = canvas("predicted probability", "density")
        edges = np.linspace(0, max(float(np.quantile(curve.probabilities, 0.999)), threshold * 1.1), 51)
        for value, colour, name in ((0, FAINT, "label 0"), (1, curve.colour, "label 1")):
            scores = np.clip(curve.probabilities[curve.labels == value], 0, edges[-1])
            axes.hist(scores, bins=list(edges), density=True, color=colour, alpha=0.55, label=name)
        axes.axvline(threshold, color=INK, linestyle="--", linewidth=1, label=f"threshold {threshold:.3f}")
        axes.legend(loc="upper right")
        return png(figure)


def draw_bars(values: Mapping[str, float], colour: str, title: str, at_most: int = 15) -> str:
    """The greatest values as horizontal bars."""
    shown = list(values.items())[:at_most][::-1]
    with rc_context(STYLE):
        figure, axes = canvas(title, "", height=0.9 + 0.27 * len(shown))
        axes.barh([name for name, _ in shown], [value for _, value in shown], color=colour, height=0.65)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        return png(figure)


def canvas(across: str, up: str, height: float = 4.2) -> tuple[Figure, Axes]:
    """An empty picture with the names of its axes; draw within `rc_context(STYLE)`."""
    figure = Figure(figsize=(5.4, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def _square(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _label(curve: Curve, picture: str) -> str:
    return f"{curve.name}  {curve.figures[picture]}"


def png(figure: Figure) -> str:
    """The picture as base64."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return b64encode(buffer.getvalue()).decode("ascii")
