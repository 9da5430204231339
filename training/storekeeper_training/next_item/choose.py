"""Settings chosen by NDCG@10 on validation rows."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from storekeeper.errors import DataError
from storekeeper_training.models.model import FitProgress
from storekeeper_training.next_item.model import FittedRanker
from storekeeper_training.next_item.ranking import evaluate_ranker
from storekeeper_training.next_item.sequences import Sequences

Setting = TypeVar("Setting")
Fitted = TypeVar("Fitted", bound=FittedRanker)

# More rows than this don't make a choice better, only slower.
VALIDATION_ROWS = 5000


def validation_ndcg(ranker: FittedRanker, validation: Sequences) -> float:
    """NDCG@10, the figure by which everything is chosen."""
    return evaluate_ranker(ranker, validation, (10,)).means["ndcg_at_10"]


def best_of(
    settings: Iterable[Setting],
    fit: Callable[[Setting], Fitted],
    validation: Sequences,
    seed: int,
    progress: FitProgress,
) -> Fitted:
    """The ranker of the setting with the greatest NDCG@10 on at most 5000 validation rows; the first among equals.

    A single setting isn't measured.
    """
    asked, tried = validation.sample(VALIDATION_ROWS, seed), list(settings)
    best, best_figure = fit(tried[0]), -1.0
    if len(tried) == 1:
        progress(1, 1, "nothing to choose")
        return best
    for at, setting in enumerate(tried):
        ranker = fit(setting) if at else best
        figure = validation_ndcg(ranker, asked)
        if figure > best_figure:
            best, best_figure = ranker, figure
        progress(at + 1, len(tried), f"validation NDCG@10 {best_figure:.4f}")
    return best


def chosen(ranker: FittedRanker, name: str) -> float:
    """A number among a ranker's settings.

    Raises
    ------
    DataError
        If it has none of this name.
    """
    value = ranker.parameters.get(name)
    if not isinstance(value, int | float):
        raise DataError(
            f"A ranker with the number '{name}' was expected. '{ranker.kind}' has {dict(ranker.parameters)}."
        )
    return value
