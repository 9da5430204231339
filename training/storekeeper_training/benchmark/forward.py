"""Choices by a later part: fit on early rows, score later ones; then fit what was kept on all, score the test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from storekeeper_training.benchmark.choice import best_variants, with_blend
from storekeeper_training.benchmark.cross_fit import Candidate, Labels, Scores, cross_fit, random_folds
from storekeeper_training.benchmark.protocol import Tell

_FOLDS = 4

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parts:
    """Places of rows.

    Attributes
    ----------
    early, later
        What teaches, and what chooses, while choices are open.
    known, test
        What teaches once they are fixed, and what is scored then.
    """

    early: Places
    later: Places
    known: Places
    test: Places


def forward(
    candidates: Sequence[Candidate],
    frame: pd.DataFrame,
    labels: Labels,
    parts: Parts,
    *,
    seed: int,
    tell: Tell,
    baselines: Sequence[Scores] = (),
) -> tuple[list[Scores], list[str], dict[str, float]]:
    """All models with a blend, ordered by AUC on the later rows; notes; and seconds by model.

    Early stopping and penalties are decided on random folds of the rows that teach.

    Parameters
    ----------
    baselines
        Scores of rules, already there for the later and the test rows; they aren't blended.
    """

    def fit(chosen: Sequence[Candidate], teaching: Places, scored: Places, stage: str) -> list[Scores]:
        known = frame.iloc[teaching], labels[teaching]
        held_out = random_folds(known[1], _FOLDS, seed)
        asked = frame.iloc[scored]
        return cross_fit(chosen, known, asked, held_out, seed=seed, tell=lambda doing: tell(f"{stage}: {doing}"))

    # What is scored on the later rows is what validates.
    opened = fit(candidates, parts.early, parts.later, "validation")
    tried = [replace(part, validation=part.test) for part in opened]
    best, _ = best_variants(tried, labels[parts.later])
    kept = {(part.model, part.variant) for part in best}
    winners = [candidate for candidate in candidates if (candidate.model.name, candidate.variant) in kept]
    final = {part.model: part for part in fit(winners, parts.known, parts.test, "test")}
    seconds = {part.model: part.seconds + final[part.model].seconds for part in best}
    # The test scores of the kept variants stand in; the others are never scored on the test rows.
    scored = [replace(part, test=final[part.model].test) for part in tried if (part.model, part.variant) in kept]
    _, said = best_variants(tried, labels[parts.later])
    ordered, notes = with_blend(scored, labels[parts.later])
    rules = sorted(baselines, key=lambda part: part.model)
    notes = [f"AUC on validation, all that was tried: {'; '.join(said)}", *notes]
    return [*ordered, *rules], notes, seconds
