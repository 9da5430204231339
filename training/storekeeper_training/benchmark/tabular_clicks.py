"""Samples of Criteo and Avazu: will an impression be clicked? A few thousand rows of rare categories."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from storekeeper_training.benchmark.choice import Aim, figures, with_blend
from storekeeper_training.benchmark.cross_fit import Candidate, Labels, Prepare, cross_fit, random_folds
from storekeeper_training.benchmark.encodings import frequency_columns, rate_columns
from storekeeper_training.benchmark.networks import LEFT_OUT, networks
from storekeeper_training.benchmark.protocol import Outcome, Protocol, Tell
from storekeeper_training.models.boosted_trees import BoostedTrees
from storekeeper_training.models.logistic import Logistic

FILE = "impressions.parquet"

_TEST_SHARE = 0.2
_FOLDS = 5

# Avazu's impressions are of a site or of an app; the other one's columns then hold these.
_NO_SITE = "85f751fd"
_NO_DEVICE = "a99f214a"
_PLACES = {"publisher": ("site_id", "app_id"), "domain": ("site_domain", "app_domain")}
_PLACES |= {"kind": ("site_category", "app_category")}
_NOT_INPUTS = ("id", "hour", "click", "split")

_TREES = BoostedTrees(depth=4, column_share=0.3, row_share=0.7, min_child_weight=2.0, penalty=20.0, threads=1)
_FLAT_TREES = BoostedTrees(depth=3, column_share=0.3, row_share=0.7, min_child_weight=2.0, penalty=20.0, threads=1)

_NOTE = (
    "Validation is by 5 folds of the first 80 % (rows come in no order of time): the 15 % before the test are so few "
    "that their AUC is known to ±0.03 only. Label rates and frequencies are of each fold's training rows alone"
)


def run_criteo(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Counts with missing values, 26 hashed categories."""
    impressions = pd.read_parquet(folder / FILE)
    numbers = [f"I{at}" for at in range(1, 14)]
    categories = [f"C{at}" for at in range(1, 27)]
    # A missing category is one of its own: it says which data the advertiser has.
    impressions[categories] = impressions[categories].fillna("none")
    return _run(
        impressions, numbers, categories, Aim("auc", 0.74, {"xgboost": (0.71, "boosted trees before")}), seed, tell
    )


def run_avazu(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Categories alone, all of one hour."""
    impressions = avazu_features(pd.read_parquet(folder / FILE))
    categories = [str(name) for name in impressions.columns if name not in _NOT_INPUTS]
    return _run(impressions, [], categories, Aim("auc", 0.73, {"xgboost": (0.70, "boosted trees before")}), seed, tell)


def avazu_features(impressions: pd.DataFrame) -> pd.DataFrame:
    """With the publisher, whether site or app, the banner's size, and who sees it as far as it is told; all text."""
    known = impressions.copy()
    site = known["site_id"] != _NO_SITE
    for name, (of_site, of_app) in _PLACES.items():
        known[name] = known[of_site].where(site, known[of_app])
    known["size"] = known["C15"].astype(str) + "x" + known["C16"].astype(str)
    someone = known["device_ip"] + "_" + known["device_model"]
    known["user"] = known["device_id"].where(known["device_id"] != _NO_DEVICE, someone)
    texts = [name for name in known.columns if name not in _NOT_INPUTS]
    known[texts] = known[texts].astype(str)
    return known


def _run(
    impressions: pd.DataFrame, numbers: list[str], categories: list[str], aim: Aim, seed: int, tell: Tell
) -> Outcome:
    labels: Labels = impressions["click"].to_numpy().astype(np.int8)
    first_test = int(len(impressions) * (1 - _TEST_SHARE))
    known, test = impressions.iloc[:first_test], impressions.iloc[first_test:]
    folds = random_folds(labels[:first_test], _FOLDS, seed)
    candidates = _candidates(numbers, categories)
    scores = cross_fit(
        candidates,
        (known, labels[:first_test]),
        test,
        folds,
        prepare=_preparation(numbers, categories),
        seed=seed,
        tell=tell,
    )
    ordered, notes = with_blend(scores, labels[:first_test])
    shown = [(part.model, part.test) for part in ordered]
    chosen = ordered[0].model
    found = figures(labels[first_test:], shown, chosen, (aim, Aim("log_loss")), seed)
    rows = {"train and validation": first_test, "test": len(test)}
    notes = [_NOTE, *notes, *(() if networks() else (LEFT_OUT,))]
    return Outcome(found, chosen, rows, {part.model: part.seconds for part in ordered}, 0.0, tuple(notes))


def _preparation(numbers: list[str], categories: list[str]) -> Prepare:
    """Numbers and categories as they are, with rates and frequencies of the categories."""

    def prepare(train: pd.DataFrame, labels: Labels, others: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
        rates = rate_columns(train, labels, others, categories, prior=20)
        seen = frequency_columns(train, others, categories)
        frames = (frame[[*numbers, *categories]] for frame in (train, *others))
        return [pd.concat(parts, axis=1) for parts in zip(frames, rates, seen, strict=True)]

    return prepare


def _candidates(numbers: list[str], categories: list[str]) -> list[Candidate]:
    rates = tuple(f"{name}_rate" for name in categories)
    seen = tuple(f"{name}_seen" for name in categories)
    encoded, whole = (*numbers, *rates, *seen), (*numbers, *categories)
    return [
        Candidate(_TREES, encoded, "rates and frequencies, depth 4"),
        Candidate(_FLAT_TREES, encoded, "rates and frequencies, depth 3"),
        Candidate(_TREES, (*numbers, *rates), "rates"),
        Candidate(Logistic("auc"), encoded, "rates and frequencies"),
        Candidate(Logistic("auc"), whole, "one-hot categories"),
        *(Candidate(network, encoded, "rates and frequencies") for network in networks()),
    ]


PROTOCOLS = tuple(
    Protocol(
        name,
        "click",
        data,
        (FILE,),
        title,
        "test is the last 20 % of the rows; choices by 5 folds of the others",
        run,
        ("xgboost", "sklearn"),
    )
    for name, data, title, run in (
        ("criteo-clicks", "criteo_sample", "A sample of Criteo's display advertising: is an ad clicked", run_criteo),
        ("avazu-clicks", "avazu_sample", "A sample of Avazu's mobile advertising: is an ad clicked", run_avazu),
    )
)
