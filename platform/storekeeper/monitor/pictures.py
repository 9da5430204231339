"""Pictures of the page as plain geometry, which the template draws in SVG: sharp at any size, small, no library."""

from dataclasses import dataclass

import numpy as np

from storekeeper.monitor.distance import Floats
from storekeeper.monitor.drift import Curves, Distribution

WIDTH = 460.0
LABEL_WIDTH, ROW_HEIGHT, SHARE_WIDTH = 150.0, 24.0, 54.0
CURVE_HEIGHT, MARGIN = 170.0, 8.0
_INNER_WIDTH = WIDTH - 2 * MARGIN
_LONGEST_LABEL = 22


@dataclass(frozen=True)
class Row:
    """A bin's two bars.

    Attributes
    ----------
    label, full
        The bin's name as it is shown, cut where it is long, and in full.
    top
        Where the row begins.
    training, served
        Lengths of the bars.
    told
        Both shares in words.
    served_share
        The served share in per cent.
    """

    label: str
    full: str
    top: float
    training: float
    served: float
    told: str
    served_share: str


@dataclass(frozen=True)
class CurvePicture:
    """Two cumulative distributions.

    Attributes
    ----------
    training, served
        Points of each line, as SVG writes them.
    widest
        Where the lines are furthest apart; None outside the picture, and where they are one.
    first, last
        Values at the left and the right end.
    """

    training: str
    served: str
    widest: float | None
    first: str
    last: str


def bar_rows(distribution: Distribution) -> list[Row]:
    """A row a bin; the longest bar fills the width. Bins that are empty in both samples are left out."""
    found = zip(distribution.labels, distribution.training.tolist(), distribution.served.tolist(), strict=True)
    shown = [(label, training, served) for label, training, served in found if training or served]
    longest = max((max(training, served) for _, training, served in shown), default=1.0)
    scale = (WIDTH - LABEL_WIDTH - SHARE_WIDTH) / longest
    return [
        Row(
            label=label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…",
            full=label,
            top=number * ROW_HEIGHT,
            training=round(training * scale, 1),
            served=round(served * scale, 1),
            told=f"{label}: {training:.2%} in training, {served:.2%} served",
            served_share=f"{served:.1%}",
        )
        for number, (label, training, served) in enumerate(shown)
    ]


def curve_picture(curves: Curves) -> CurvePicture:
    """Both lines as steps, in a box of `WIDTH` by `CURVE_HEIGHT`."""
    first, last = float(curves.at[0]), float(curves.at[-1])
    apart = bool(np.any(curves.training != curves.served))
    inside = apart and last > first and first <= curves.widest <= last
    return CurvePicture(
        training=_points(curves.training),
        served=_points(curves.served),
        widest=round(MARGIN + (curves.widest - first) / (last - first) * _INNER_WIDTH, 1) if inside else None,
        first=f"{first:.4g}",
        last=f"{last:.4g}",
    )


def _points(shares: Floats) -> str:
    """A line over places that are equally far apart."""
    across = np.linspace(MARGIN, MARGIN + _INNER_WIDTH, len(shares))
    down = CURVE_HEIGHT - MARGIN - shares * (CURVE_HEIGHT - 2 * MARGIN)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across.tolist(), down.tolist(), strict=True))
