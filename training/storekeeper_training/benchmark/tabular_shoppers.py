"""Online Shoppers: will a session end with a purchase? By random folds as papers do, and honestly by time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from storekeeper_training.benchmark.choice import Aim, figures, with_blend
from storekeeper_training.benchmark.cross_fit import Candidate, Labels, Scores, cross_fit, random_folds
from storekeeper_training.benchmark.forward import Parts, forward
from storekeeper_training.benchmark.networks import LEFT_OUT, networks
from storekeeper_training.benchmark.protocol import Outcome, Protocol, Tell
from storekeeper_training.benchmark.shopper_features import CALENDAR, FILE, SURROUNDINGS, is_value, read_sessions
from storekeeper_training.models.boosted_trees import BoostedTrees
from storekeeper_training.models.logistic import Logistic

_OUTER_FOLDS, _INNER_FOLDS = 5, 4

# Until May nobody buys without a page value, from June on some do: what the training months show.
_CHANGE = 6

_TREES = BoostedTrees(depth=5, column_share=0.4, min_child_weight=5.0, penalty=10.0, max_trees=600, threads=1)
_STEADY_TREES = BoostedTrees(depth=4, column_share=0.3, min_child_weight=5.0, penalty=20.0, max_trees=800, threads=1)
_PAPER = "PMC10121810, XGBoost"
_EARLIER = "measured before, plain columns"


def run_folds(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Stratified 5-fold: in each fold everything is chosen by cross-fitting the four others."""
    frame, labels = read_sessions(folder)
    columns = tuple(map(str, frame.columns))
    chances: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    notes, winners, areas = [], [], []
    for number, (known, test) in enumerate(random_folds(labels, _OUTER_FOLDS, seed), start=1):
        scores = cross_fit(
            _candidates(columns),
            (frame.iloc[known], labels[known]),
            frame.iloc[test],
            random_folds(labels[known], _INNER_FOLDS, seed + number),
            seed=seed,
            tell=_prefixed(tell, f"outer fold {number}"),
        )
        ordered, said = with_blend(scores, labels[known])
        notes += [f"Fold {number}. {line}" for line in said]
        winners.append(ordered[0].model)
        for part in ordered:
            chances.setdefault(part.model, np.zeros(len(frame)))[test] = part.test
            seconds[part.model] = seconds.get(part.model, 0.0) + part.seconds
        chances.setdefault("auto", np.zeros(len(frame)))[test] = ordered[0].test
        areas.append(figures(labels[test], [("auto", ordered[0].test)], "auto", [Aim("auc")], seed)[0].value)
    shown = [("auto", chances.pop("auto")), *chances.items()]
    aims = (
        Aim("auc", 0.940, {"auto": (0.937, _PAPER), "xgboost": (0.934, "measured before, 5 folds")}),
        Aim("average_precision", 0.77, {"auto": (0.754, _PAPER)}),
    )
    notes = [
        f"auto is the best of each fold by validation: {', '.join(winners)}",
        f"Mean AUC of auto over the folds: {np.mean(areas):.4f} ({', '.join(f'{area:.4f}' for area in areas)})",
        *notes,
    ]
    rows = {"all": len(frame), "positive": int(labels.sum())}
    return Outcome(figures(labels, shown, "auto", aims, seed), "auto", rows, seconds, 0.0, _said(notes))


def _prefixed(tell: Tell, stage: str) -> Tell:
    return lambda doing: tell(f"{stage}: {doing}")


def run_time(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Training until October, test November and December; with all columns."""
    references = {
        "xgboost": (0.848, _EARLIER),
        "logistic": (0.824, _EARLIER),
    }
    return _by_time(folder, seed, tell, with_values=True, aim=Aim("auc", 0.865, references))


def run_time_without_values(folder: Path, seed: int, tell: Tell) -> Outcome:
    """The same without PageValues, which all but tell of the purchase."""
    return _by_time(folder, seed, tell, with_values=False, aim=Aim("auc", 0.71, {"xgboost": (0.689, _EARLIER)}))


def _by_time(folder: Path, seed: int, tell: Tell, *, with_values: bool, aim: Aim) -> Outcome:
    """Validation: fit on months until August, score September and October. Then all choices are fixed."""
    frame, labels = read_sessions(folder)
    month = frame["month"].to_numpy()
    frame = frame.assign(since_change=(month >= _CHANGE).astype(np.int64))
    columns = [str(name) for name in frame.columns if name not in CALENDAR and (with_values or not is_value(str(name)))]
    parts = Parts(
        *(np.flatnonzero(rows) for rows in (month <= 8, (month == 9) | (month == 10), month <= 10, month > 10))
    )
    ordered, notes, seconds = forward(_candidates_by_time(columns), frame, labels, parts, seed=seed, tell=tell)
    return by_validation(labels, parts, ordered, [aim, Aim("average_precision")], seed, _said(notes), seconds)


def by_validation(
    labels: Labels,
    parts: Parts,
    ordered: Sequence[Scores],
    aims: Sequence[Aim],
    seed: int,
    notes: tuple[str, ...],
    seconds: dict[str, float],
) -> Outcome:
    """The outcome of models that are ordered by validation: the first is the chosen one."""
    shown = [(part.model, part.test) for part in ordered]
    rows = {"train": len(parts.known), "of these validation": len(parts.later), "test": len(parts.test)}
    chosen = ordered[0].model
    return Outcome(figures(labels[parts.test], shown, chosen, aims, seed), chosen, rows, seconds, 0.0, notes)


def _candidates(columns: tuple[str, ...]) -> list[Candidate]:
    return [
        Candidate(_TREES, columns, "depth 5"),
        Candidate(_STEADY_TREES, columns, "depth 4, stronger penalty"),
        Candidate(Logistic("auc"), columns),
        *(Candidate(network, columns) for network in networks()),
    ]


def _candidates_by_time(columns: Sequence[str]) -> list[Candidate]:
    """Fewer columns carry less of what is particular to the training months."""
    flagged = tuple(columns)
    plain = tuple(name for name in columns if name != "since_change")
    narrow = tuple(name for name in plain if name not in SURROUNDINGS)
    narrow_flagged = (*narrow, "since_change")
    inputs = {"all": plain, "narrow": narrow, "narrow, flag": narrow_flagged, "all, flag": flagged}
    trees = [Candidate(_STEADY_TREES, names, variant) for variant, names in inputs.items()]
    logistic = [Candidate(Logistic("auc"), names, variant) for variant, names in inputs.items()]
    nets = [Candidate(network, narrow_flagged, "narrow, flag") for network in networks()]
    return [*trees, *logistic, *nets]


def _said(notes: Sequence[str]) -> tuple[str, ...]:
    return (*notes, *(() if networks() else (LEFT_OUT,)))


_FILES = (FILE,)
_PACKAGES = ("xgboost", "sklearn")

PROTOCOLS = (
    Protocol(
        "shoppers-folds",
        "purchase",
        "online_shoppers",
        _FILES,
        "Sessions of a shop: does it end with a purchase",
        "stratified 5-fold, as published; choices by 4 folds inside each training part",
        run_folds,
        _PACKAGES,
    ),
    Protocol(
        "shoppers-time",
        "purchase",
        "online_shoppers",
        _FILES,
        "The same, later months unseen",
        "train until October, test November and December; choices: until August, scored on September and October",
        run_time,
        _PACKAGES,
    ),
    Protocol(
        "shoppers-time-without-page-values",
        "purchase",
        "online_shoppers",
        _FILES,
        "The same without PageValues",
        "train until October, test November and December; choices: until August, scored on September and October",
        run_time_without_values,
        _PACKAGES,
    ),
)
