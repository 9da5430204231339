"""Pictures of contributions: by value, and of one prediction."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib import rc_context

from storekeeper.artefact.columns import as_floats, as_strings, is_numeric
from storekeeper_training.figures import FAINT, INK, STYLE, canvas, png

Floats = npt.NDArray[np.float64]

#: How many categories are shown, the frequent first.
_CATEGORIES = 12
# What lies beyond would press all else together.
_OUTLIERS = 0.005


def draw_dependence(name: str, values: pa.Array, contributions: Floats, colour: str, scale: str) -> str:
    """What an input contributes by its value: a dot a row of numbers, a mean a category."""
    if is_numeric(values.type):
        return _draw_numbers(name, as_floats(values, name), contributions, colour, scale)
    return _draw_categories(as_strings(values, name), contributions, colour, scale)


def draw_contributions(bars: Sequence[tuple[str, float]], colour: str, scale: str) -> str:
    """Signed contributions to one prediction, in the order given."""
    shown = list(bars)[::-1]
    with rc_context(STYLE):
        figure, axes = canvas(f"contribution ({scale})", "", height=0.9 + 0.27 * len(shown))
        colours = [colour if value > 0 else FAINT for _, value in shown]
        axes.barh(range(len(shown)), [value for _, value in shown], color=colours, height=0.65)
        axes.set_yticks(range(len(shown)), [name for name, _ in shown])
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        return png(figure)


def _draw_numbers(name: str, values: Floats, contributions: Floats, colour: str, scale: str) -> str:
    null = np.isnan(values)
    known = values[~null]
    with rc_context(STYLE):
        figure, axes = canvas(name.replace("$", ""), f"contribution ({scale})")
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.scatter(known, contributions[~null], s=9, color=colour, alpha=0.45, linewidths=0)
        if len(known):
            low, high = (float(edge) for edge in np.quantile(known, [_OUTLIERS, 1 - _OUTLIERS]))
            margin = 0.04 * (high - low) or 0.5
            axes.set_xlim(low - margin, high + margin)
        if null.any():
            mean = float(contributions[null].mean())
            label = f"null: {mean:+.3f} in the mean, {null.mean():.0%} of rows"
            axes.axhline(mean, color=INK, linestyle="--", linewidth=1, label=label)
            axes.legend(loc="best")
        return png(figure)


def _draw_categories(texts: pa.Array, contributions: Floats, colour: str, scale: str) -> str:
    """Mean contributions of the most frequent categories, the greatest first."""
    counts = pc.value_counts(texts).to_pylist()
    frequent = sorted(counts, key=lambda entry: (-entry["counts"], str(entry["values"])))[:_CATEGORIES]
    plain = np.array(texts.to_pylist(), dtype=object)
    means = [(_told(entry["values"]), float(contributions[plain == entry["values"]].mean())) for entry in frequent]
    return draw_contributions(sorted(means, key=lambda pair: -pair[1]), colour, f"{scale}, mean by category")


def _told(value: str | None) -> str:
    """A category as text that Matplotlib takes for no formula."""
    return "null" if value is None else value.replace("$", "")[:40]
