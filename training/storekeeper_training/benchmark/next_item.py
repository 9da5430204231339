"""Next item: MovieLens-100k by leave-one-out, Yoochoose by every click of a test session."""

from pathlib import Path
from time import perf_counter

from storekeeper_training.benchmark.next_item_data import (
    MOVIELENS_FILE,
    YOOCHOOSE_FILES,
    movielens,
    yoochoose_positions,
    yoochoose_sessions,
)
from storekeeper_training.benchmark.next_item_run import (
    Aim,
    Contest,
    contest,
    difference,
    figures,
    measured,
    progress_of,
)
from storekeeper_training.benchmark.protocol import Outcome, Protocol, Tell
from storekeeper_training.next_item import FittedRanker, NextItemModel, Sequences
from storekeeper_training.next_item.blend import Blend
from storekeeper_training.next_item.ease import Ease
from storekeeper_training.next_item.markov import Markov
from storekeeper_training.next_item.own_frequency import OwnFrequency
from storekeeper_training.next_item.popularity import Popularity
from storekeeper_training.next_item.session_knn import SessionKnn
from storekeeper_training.next_item.transformer import Transformer

_BASELINES = ("popularity", "markov", "session-knn")

_MOVIELENS_AIMS = {
    "ndcg_at_10": Aim(0.103, "Markov and EASE, measured before; SASRec with cross-entropy .090", 0.115),
}
_MOVIELENS_METRICS = ("ndcg_at_10", "hr_at_10", "mrr_at_20")
_YOOCHOOSE_METRICS = ("mrr_at_20", "hr_at_20", "ndcg_at_10")


def run_movielens(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Fitted on all but each user's last two items; the last but one chooses, the last one measures."""
    train, validation, test = movielens(folder)
    models: tuple[NextItemModel, ...] = (
        Popularity(),
        Markov(),
        SessionKnn(decays=(0.95, 0.8)),
        Ease(regularisations=(200.0, 800.0, 2000.0), decays=(0.95, 0.9, 0.8)),
        Transformer(learning_rate=2e-3, dropout=0.4, epochs=50),
    )
    found = contest(models, ("transformer", "ease", "markov"), train, validation, seed, tell)
    outcome = measured(found.rankers, test, tell)
    chosen = found.ordered[0]
    rows = {"train": len(train), "validation": len(validation), "test": len(test.sequences)}
    notes = (
        *found.notes,
        *(difference(outcome, chosen, name, "ndcg_at_10", test, seed) for name in found.ordered[1:]),
        f"{test.sequences.missed.sum()} of the test's items lie outside the catalogue of the training rows: misses",
        "What a user has rated isn't ranked; ties count against the model; none was fitted again on validation rows",
    )
    shown = figures(outcome, found.ordered, test, _MOVIELENS_METRICS, _MOVIELENS_AIMS, seed)
    return Outcome(shown, chosen, rows, found.seconds, 0.0, notes)


def run_yoochoose(folder: Path, seed: int, tell: Tell) -> Outcome:
    """Chosen on `train_tr` and `train_valid`, then fitted on `train_full` with what was chosen, measured on `test`."""
    tr, valid, full, last = YOOCHOOSE_FILES
    train = yoochoose_sessions(folder, tr)
    validation = yoochoose_positions(folder, valid, train.catalogue).sequences
    models: tuple[NextItemModel, ...] = (
        Popularity(windows_days=(1, 2, 7)),
        OwnFrequency(),
        Markov(),
        SessionKnn(),
        Transformer(learning_rate=3e-3, epochs=16, patience=3),
    )
    found = contest(models, ("transformer", "session-knn", "markov"), train, validation, seed, tell)
    whole = yoochoose_sessions(folder, full)
    test = yoochoose_positions(folder, last, whole.catalogue)
    outcome = measured(_again(models, found, whole, seed, tell), test, tell)
    chosen = found.ordered[0]
    aims = {
        metric: _best_baseline({name: outcome[name].means[metric] for name in _BASELINES})
        for metric in _YOOCHOOSE_METRICS
    }
    rows = {"train": len(whole), "validation": len(validation), "test": len(test.sequences)}
    notes = (
        *found.notes,
        *(
            difference(outcome, chosen, name, metric, test, seed)
            for metric in ("mrr_at_20", "ndcg_at_10")
            for name in found.ordered[1:]
        ),
        f"Chosen on {len(train)} sessions of {tr}, then fitted on all of {full}; intervals draw whole sessions",
        f"{test.sequences.missed.sum()} of the test's clicks are on items outside the catalogue: they are misses",
    )
    shown = figures(outcome, found.ordered, test, _YOOCHOOSE_METRICS, aims, seed)
    return Outcome(shown, chosen, rows, found.seconds, 0.0, notes)


def _again(
    models: tuple[NextItemModel, ...], found: Contest, whole: Sequences, seed: int, tell: Tell
) -> dict[str, FittedRanker]:
    """Every model with what it chose, fitted on all training rows; the time is added to that of the first fit."""
    rankers: dict[str, FittedRanker] = {}
    for model in models:
        started = perf_counter()
        settled = model.settled(found.rankers[model.name])
        rankers[model.name] = settled.fit(whole, whole, seed, progress_of(model.name, tell))
        found.seconds[model.name] = round(found.seconds[model.name] + perf_counter() - started, 1)
    rankers[Blend.name] = found.mixed_again(rankers)
    return rankers


def _best_baseline(values: dict[str, float]) -> Aim:
    best = max(values, key=lambda name: values[name])
    return Aim(values[best], f"the best of popularity, Markov and session-kNN, measured here: {best}", values[best])


_PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnxruntime", "scipy")

PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(
        "movielens_100k",
        "next_item",
        "movielens_100k",
        (MOVIELENS_FILE,),
        "MovieLens-100k: which film does a user rate next?",
        "leave-one-out: each user's last item is the test, the one before it the validation",
        run_movielens,
        _PACKAGES,
    ),
    Protocol(
        "yoochoose_100k",
        "next_item",
        "yoochoose_100k",
        YOOCHOOSE_FILES,
        "Yoochoose, 100k clicks: what is clicked next in a session?",
        "as published, by time: train_tr, train_valid, test; fitted again on train_full",
        run_yoochoose,
        _PACKAGES,
    ),
)
