"""What a kind of label means to training: each kind says how it is checked, measured, compared and drawn."""

from collections.abc import Mapping
from typing import TypeVar

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
    ScoredProblem,
    Shown,
    Truth,
)
from storekeeper_training.problems.quantity import QuantityProblem
from storekeeper_training.problems.ranking import RankingProblem
from storekeeper_training.tasks import Kind

_P = TypeVar("_P", bound=Problem)

#: The kinds of which models predict one number a row: `train` trains them.
SCORED: Mapping[Kind, ScoredProblem] = {"binary": BinaryProblem(), "quantity": QuantityProblem()}
PROBLEMS: Mapping[Kind, Problem] = {**SCORED, "ranking": RankingProblem()}


def find_problem(kind: Kind) -> Problem:
    """The problem of this kind.

    Raises
    ------
    NotFoundError
        If there is none; the message lists those that exist.
    """
    return _of(PROBLEMS, kind)


def find_scored(kind: Kind) -> ScoredProblem:
    """The problem of this kind, of which models predict one number a row; as `find_problem`."""
    return _of(SCORED, kind)


def _of(problems: Mapping[Kind, _P], kind: Kind) -> _P:
    if kind not in problems:
        raise NotFoundError(f"Nothing here can train a task of kind '{kind}'. Kinds: {listing(problems)}.")
    return problems[kind]


__all__ = [
    "PROBLEMS",
    "SCORED",
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
    "ScoredProblem",
    "Shown",
    "Truth",
    "find_problem",
    "find_scored",
]
