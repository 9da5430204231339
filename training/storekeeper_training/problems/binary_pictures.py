"""The report's pictures of chances."""

from collections.abc import Sequence

from storekeeper_training.figures import Curve, draw_calibration, draw_precision_recall, draw_roc, draw_scores
from storekeeper_training.problems.problem import Picture, Shown


def draw_chances(models: Sequence[Shown]) -> list[Picture]:
    """Curves of all models, and the scores of the first."""
    curves = [_curve(model) for model in models]
    best = models[0]
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
        Picture(
            f"Scores of {best.name}",
            "How far the two classes are apart; each class fills an area of one.",
            draw_scores(curves[0], best.decision.threshold or 0.0),
        ),
    ]


def _curve(model: Shown) -> Curve:
    found = model.figures.as_dict()
    figures = {
        "roc": f"{found['auc']:.3f}",
        "recall": f"{found['average_precision']:.3f}",
        "calibration": f"{found['calibration_error']:.3f}",
    }
    return Curve(model.name, model.colour, model.labels, model.predictions, figures)
