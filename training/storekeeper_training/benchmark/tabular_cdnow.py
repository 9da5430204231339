"""CDNOW: who of a quarter's new customers buys nothing for the next 91 days."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from storekeeper_training.benchmark.bgnbd import fit_bgnbd
from storekeeper_training.benchmark.cdnow_features import (
    EARLIER_CUT,
    FILE,
    TEST_CUT,
    TRAIN_CUT,
    churn_chances,
    churn_labels,
    features_at,
    histories,
    read_purchases,
)
from storekeeper_training.benchmark.choice import Aim, figures
from storekeeper_training.benchmark.cross_fit import Candidate, Scores
from storekeeper_training.benchmark.forward import Parts, forward
from storekeeper_training.benchmark.networks import LEFT_OUT, networks
from storekeeper_training.benchmark.protocol import Outcome, Protocol, Tell
from storekeeper_training.models.boosted_trees import BoostedTrees
from storekeeper_training.models.logistic import Logistic

_EARLIER = "measured before"
_TREES = BoostedTrees(depth=4, threads=1)
_FLAT_TREES = BoostedTrees(depth=3, column_share=0.4, threads=1)

_RFM = ("days_since_last", "days", "dollars")
_SIZES = ("days_since_first", "days_30d", "days_91d", "quantity", "dollars_mean", "dollars_last")
_SMOOTH = (
    *_RFM,
    *_SIZES,
    "active_share",
    "repeat_rate",
    "gap_mean",
    "overdue",
    "faded_days_21",
    "faded_days_60",
    "bgnbd",
)


def run(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Choices: taught 91 days before the train cut, scored at it. Then taught at it, scored at the test cut."""
    purchases = read_purchases(folder)
    frames, chances = [], []
    for cut in (EARLIER_CUT, TRAIN_CUT, TEST_CUT):
        tell(f"features and BG/NBD at {cut}")
        frame = features_at(purchases, cut)
        # BG/NBD reads purchases before the cut alone, no labels.
        model = fit_bgnbd(histories(frame))
        frame["bgnbd"] = model.expected_purchases(histories(frame), 13.0)
        frames.append(frame)
        chances.append(churn_chances(model, frame))
    labels = np.concatenate([churn_labels(purchases, cut) for cut in (EARLIER_CUT, TRAIN_CUT, TEST_CUT)])
    early, known, test = np.split(np.arange(len(labels)), 3)
    parts = Parts(early, known, known, test)
    baselines = [Scores("BG/NBD", "", chances[1], chances[2]), _recency_rule(frames, labels[early], labels[known])]
    every = pd.concat(frames, ignore_index=True)
    candidates = _candidates(tuple(map(str, every.columns)))
    ordered, notes, seconds = forward(candidates, every, labels, parts, seed=seed, tell=tell, baselines=baselines)
    chosen = ordered[0].model
    shown = [(part.model, part.test) for part in ordered]
    rows = {"train": len(known), "validation": len(known), "test": len(test)}
    notes = [
        f"Labels: no purchase in the 91 days from the cut on; {_shares(labels, parts)}",
        "Features by the platform's kernel, of purchases strictly before the cut",
        *notes,
        *(() if networks() else (LEFT_OUT,)),
    ]
    return Outcome(figures(labels[test], shown, chosen, _AIMS, seed), chosen, rows, seconds, 0.0, tuple(notes))


def _shares(labels: np.ndarray, parts: Parts) -> str:
    """How many churn at each cut."""
    rows = {EARLIER_CUT: parts.early, TRAIN_CUT: parts.known, TEST_CUT: parts.test}
    return ", ".join(f"{labels[part].mean():.1%} at {cut}" for cut, part in rows.items())


def _recency_rule(frames: Sequence[pd.DataFrame], early: np.ndarray, known: np.ndarray) -> Scores:
    """The rate of churn by days since the last purchase, in 20 bins of the part that teaches."""

    def rates(taught: pd.DataFrame, labels: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
        edges = np.unique(np.quantile(taught["days_since_last"], np.linspace(0, 1, 21)[1:-1]))
        inside = np.searchsorted(edges, taught["days_since_last"].to_numpy())
        rows = np.bincount(inside, minlength=len(edges) + 1)
        rate = (np.bincount(inside, labels, len(edges) + 1) + labels.mean()) / (rows + 1)
        return np.asarray(rate[np.searchsorted(edges, asked["days_since_last"].to_numpy())])

    later = rates(frames[0], early, frames[1])
    return Scores("recency rule", "", later, rates(frames[1], known, frames[2]))


def _candidates(columns: tuple[str, ...]) -> list[Candidate]:
    return [
        Candidate(_TREES, columns, "all, depth 4"),
        Candidate(_FLAT_TREES, columns, "all, depth 3"),
        Candidate(_FLAT_TREES, _SMOOTH, "smooth, depth 3"),
        Candidate(Logistic("auc"), _RFM, "recency, frequency, money"),
        Candidate(Logistic("auc"), _SMOOTH, "smooth"),
        *(Candidate(network, _SMOOTH, "smooth") for network in networks()),
    ]


_AIMS = (
    Aim(
        "auc",
        0.785,
        {"BG/NBD": (0.769, _EARLIER), "logistic": (0.779, _EARLIER)},
    ),
    Aim("log_loss", 0.378),
)

PROTOCOLS = (
    Protocol(
        "cdnow-churn",
        "churn",
        "cdnow",
        (FILE,),
        "New customers of a music shop: who buys nothing for 91 days",
        "features before 1997-06-30 teach, before 1997-09-30 test; choices: before 1997-03-31, scored at 1997-06-30",
        run,
        ("xgboost", "sklearn", "scipy"),
    ),
)
