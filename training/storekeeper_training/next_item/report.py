"""The report of a run of rankers: the leaderboard, hit rates by cut-off, and how sure the order of the models is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context

from storekeeper.pages import write_page
from storekeeper_training.figures import STYLE, canvas, png
from storekeeper_training.next_item.intervals import mean_interval
from storekeeper_training.next_item.ranking import Floats, RowFigures
from storekeeper_training.problems import Picture
from storekeeper_training.report import model_card, model_colours, shared_content
from storekeeper_training.result import TrainResult

_DEEPEST = 50


def write_ranking_report(result: TrainResult, rows: Mapping[str, RowFigures]) -> None:
    """Write the run's HTML report to `result.report`, whole or not at all; `rows` has each model's test rows."""
    write_page(result.report, "storekeeper_training", "report.html", _content(result, rows))


def _content(result: TrainResult, rows: Mapping[str, RowFigures]) -> dict[str, Any]:
    colours = model_colours(result)
    reads = ("reads", result.dataset.task.history)
    return shared_content(result) | {
        "pictures": [_hit_rates(rows, colours), _intervals(rows, colours)],
        "models": [model_card(model, colours[model.name], reads) for model in result.models],
    }


def _hit_rates(rows: Mapping[str, RowFigures], colours: Mapping[str, str]) -> Picture:
    places = np.arange(1, _DEEPEST + 1)
    with rc_context(STYLE):
        figure, axes = canvas("first places looked at", "share of rows with a next item there")
        for name, found in rows.items():
            axes.plot(places, hit_rates(found.figures["mrr"], places), color=colours[name], linewidth=1.7, label=name)
        axes.set_xlim(1, _DEEPEST)
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right")
        drawn = png(figure)
    return Picture(
        "Hit rate", "How many rows find a next item among the first places, by how many are looked at.", drawn
    )


def hit_rates(reciprocal_ranks: Floats, places: Sequence[int] | np.ndarray) -> Floats:
    """The share of rows whose best rank is at most each of `places`; a reciprocal of 0 is never reached.

    >>> hit_rates(np.array([1.0, 0.25, 0.0]), [1, 3, 4]).tolist()
    [0.3333333333333333, 0.3333333333333333, 0.6666666666666666]
    """
    ranks = np.divide(1.0, reciprocal_ranks, out=np.full(len(reciprocal_ranks), np.inf), where=reciprocal_ranks > 0)
    # The reciprocal of a whole number's reciprocal may be a hair more.
    found: Floats = (np.rint(ranks)[:, None] <= np.asarray(places)).mean(axis=0)
    return found


def _intervals(rows: Mapping[str, RowFigures], colours: Mapping[str, str]) -> Picture:
    """NDCG@10 of each model with its interval, the best on top."""
    names = list(rows)[::-1]
    found = [mean_interval(rows[name].figures["ndcg_at_10"], seed=0) for name in names]
    with rc_context(STYLE):
        figure, axes = canvas("NDCG@10", "", height=1.2 + 0.35 * len(names))
        for at, (name, interval) in enumerate(zip(names, found, strict=True)):
            axes.plot([interval.low, interval.high], [at, at], color=colours[name], linewidth=2)
            axes.plot([interval.value], [at], color=colours[name], marker="o", markersize=6)
        axes.set_yticks(range(len(names)), names)
        axes.grid(visible=False, axis="y")
        drawn = png(figure)
    caption = "On the test period; lines are 95 % of 200 draws of rows. Models stand in the order of validation."
    return Picture("NDCG@10", caption, drawn)
