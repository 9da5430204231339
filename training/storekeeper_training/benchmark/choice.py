"""Choices by validation, and the figures of what was chosen on test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from storekeeper_training.benchmark.cross_fit import Scores, blend
from storekeeper_training.benchmark.protocol import Figure
from storekeeper_training.bootstrap import PairedBootstrap, draw_entities

Labels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]

# In log loss, a chance of 0 or 1 that is wrong would count without bounds.
_EDGE = 1e-6


@dataclass(frozen=True)
class Aim:
    """A metric with what it is held against.

    Attributes
    ----------
    metric
        `auc`, `average_precision` or `log_loss`.
    target
        What the chosen model should reach; None for a figure that is shown only.
    references
        By model, a figure to be compared with and where it is from.
    """

    metric: Literal["auc", "average_precision", "log_loss"]
    target: float | None = None
    references: Mapping[str, tuple[float, str]] | None = None


def best_variants(scores: Sequence[Scores], labels: Labels) -> tuple[list[Scores], list[str]]:
    """Of each model the variant with the greatest AUC on validation, and what was tried in words."""
    best: dict[str, Scores] = {}
    tried = []
    for part in scores:
        tried.append(f"{part.model}{f' ({part.variant})' if part.variant else ''} {auc(labels, part.validation):.4f}")
        known = best.get(part.model)
        if known is None or auc(labels, part.validation) > auc(labels, known.validation):
            best[part.model] = replace(part, seconds=part.seconds + (known.seconds if known else 0.0))
        else:
            best[part.model] = replace(known, seconds=known.seconds + part.seconds)
    return list(best.values()), tried


def with_blend(scores: Sequence[Scores], labels: Labels) -> tuple[list[Scores], list[str]]:
    """The best variant of each model and their blend, ordered by AUC on validation; and notes."""
    best, tried = best_variants(scores, labels)
    mixed = blend(best, labels)
    tried.append(f"blend {auc(labels, mixed.validation):.4f}")
    ordered = sorted([*best, mixed], key=lambda part: -auc(labels, part.validation))
    return ordered, [f"AUC on validation: {'; '.join(tried)}", f"Blend of log odds: {mixed.variant}"]


def auc(labels: Labels, chances: Floats) -> float:
    """Area under the ROC curve."""
    return float(metrics.roc_auc_score(labels, chances))


def figures(
    labels: Labels, scores: Sequence[tuple[str, Floats]], chosen: str, aims: Sequence[Aim], seed: int
) -> tuple[Figure, ...]:
    """Figures with 95 % bootstrap intervals over the rows; targets stand at the chosen model alone.

    Parameters
    ----------
    labels
        `(n_test,)` of 0 and 1.
    scores
        Models' names and chances `(n_test,) float64`, in the order to be shown.
    """
    bootstrap = PairedBootstrap(labels, np.arange(len(labels)), seed)
    drawn = draw_entities(len(labels), seed)
    found: list[Figure] = []
    for name, chances in scores:
        area, precision = bootstrap.figures(chances)
        losses = row_losses(labels, chances)
        loss = np.append(losses.mean(), drawn @ losses / len(losses))
        values = {"auc": area, "average_precision": precision, "log_loss": loss}
        found.extend(_figure(name, chosen, aim, values[aim.metric]) for aim in aims)
    return tuple(found)


def row_losses(labels: Labels, chances: Floats) -> Floats:
    """Each row's log loss, natural logarithm."""
    kept = np.clip(chances, _EDGE, 1 - _EDGE)
    return np.asarray(-np.log(np.where(labels == 1, kept, 1 - kept)))


def _figure(name: str, chosen: str, aim: Aim, values: Floats) -> Figure:
    """The first value is of the rows as they are, the others are the draws'."""
    low, high = np.nanquantile(values[1:], (0.025, 0.975))
    reference, source = (aim.references or {}).get(name, (None, ""))
    return Figure(
        name,
        aim.metric,
        float(values[0]),
        float(low),
        float(high),
        reference=reference,
        source=source,
        target=aim.target if name == chosen else None,
        better="smaller" if aim.metric == "log_loss" else "greater",
    )
