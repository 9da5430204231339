"""What a kind of label means to training: each kind says how it is checked, measured, compared and drawn."""

from collections.abc import Mapping

from storekeeper.errors import NotFoundError, listing
from storekeeper_training.problems.binary import BinaryProblem
from storekeeper_training.problems.problem import (
    Compared,
    Decision,
    Figures,
    Judge,
    Labels,
    Loss,
    Metric,
    Picture,
    Predictions,
    Problem,
    Shown,
    Truth,
)
from storekeeper_training.problems.quantity import QuantityProblem
from storekeeper_training.problems.ranking import RankingProblem
from storekeeper_training.tasks import Kind

PROBLEMS: Mapping[Kind, Problem] = {
    "binary": BinaryProblem(),
    "quantity": QuantityProblem(),
    "ranking": RankingProblem(),
}


def find_problem(kind: Kind) -> Problem:
    """The problem of this kind.

    Raises
    ------
    NotFoundError
        If there is none; the message lists those that exist.
    """
    if kind not in PROBLEMS:
        raise NotFoundError(f"This pipeline trains no task of kind '{kind}'. Kinds: {listing(PROBLEMS)}.")
    return PROBLEMS[kind]


__all__ = [
    "PROBLEMS",
    "BinaryProblem",
    "Compared",
    "Decision",
    "Figures",
    "Judge",
    "Labels",
    "Loss",
    "Metric",
    "Picture",
    "Predictions",
    "Problem",
    "QuantityProblem",
    "RankingProblem",
    "Shown",
    "Truth",
    "find_problem",
]
