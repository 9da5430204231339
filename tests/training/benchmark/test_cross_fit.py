"""Cross-fitting scores rows by models that never saw them, and choices see no test row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from storekeeper.errors import DataError
from storekeeper_training.benchmark.choice import Aim, best_variants, figures, row_losses
from storekeeper_training.benchmark.cross_fit import Candidate, Scores, blend, cross_fit, random_folds
from storekeeper_training.benchmark.encodings import frequency_columns, rate_columns
from storekeeper_training.benchmark.forward import Parts, forward
from storekeeper_training.models.model import Sample


@dataclass(frozen=True)
class Memory:
    """A model that remembers the labels it was taught by row id, and says 0.5 of what it doesn't know."""

    name: str = "memory"
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: Any) -> Any:  # noqa: ARG002
        known = dict(zip(train.columns["id"].to_pylist(), train.labels, strict=True))
        assert not known.keys() & set(validation.columns["id"].to_pylist())
        return Remembered(known)


@dataclass(frozen=True)
class Remembered:
    """What it was taught."""

    known: dict[int, int]

    def predict(self, columns: Any) -> np.ndarray:
        return np.array(
            [0.1 + 0.8 * self.known[row] if row in self.known else 0.5 for row in columns["id"].to_pylist()]
        )


LABELS = np.tile(np.array([0, 1, 0], np.int8), 20)
FRAME = pd.DataFrame({"id": np.arange(60)})


def quiet(doing: str) -> None:
    """Told to nobody."""


def test_no_row_is_scored_by_a_model_that_learnt_from_it() -> None:
    """A model that only remembers knows nothing of held-out rows, and all of rows that were taught."""
    folds = random_folds(LABELS, 4, seed=0)
    known = FRAME, LABELS
    (scores,) = cross_fit([Candidate(Memory(), ("id",))], known, FRAME.iloc[:3], folds, tell=quiet)
    assert np.all(scores.validation == 0.5)
    assert np.array_equal(scores.test > 0.5, LABELS[:3] == 1)


def test_folds_that_miss_rows_are_refused() -> None:
    """Each row is held out exactly once."""
    folds = random_folds(LABELS, 4, seed=0)[:3]
    with pytest.raises(DataError, match="each of 60 rows once"):
        cross_fit([Candidate(Memory(), ("id",))], (FRAME, LABELS), FRAME, folds, tell=quiet)


def test_forward_validates_on_rows_after_those_taught() -> None:
    """Later rows are unknown while choices are open, test rows always."""
    early, later, test = np.arange(24), np.arange(24, 42), np.arange(42, 60)
    parts = Parts(early, later, np.arange(42), test)
    ordered, _, _ = forward([Candidate(Memory(), ("id",))], FRAME, LABELS, parts, seed=0, tell=quiet)
    memory = next(part for part in ordered if part.model == "memory")
    assert (len(memory.validation), len(memory.test)) == (18, 18)
    assert np.all(memory.validation == 0.5)
    assert np.all(memory.test == 0.5)


def test_label_rates_of_training_rows_are_of_other_rows() -> None:
    """A category of one row has the overall rate of the other folds: its own label can't be read off."""
    train = pd.DataFrame({"c": [f"only {at}" for at in range(60)]})
    inside, outside = rate_columns(train, LABELS, [train], ["c"], prior=5)
    assert inside["c_rate"].nunique() == 1
    assert np.corrcoef(outside["c_rate"], LABELS)[0, 1] > 0.99


def test_frequencies_leave_the_own_row_out() -> None:
    """A category seen once in training looks there as an unknown one looks later."""
    train = pd.DataFrame({"c": ["once", "twice", "twice"]})
    inside, outside = frequency_columns(train, [pd.DataFrame({"c": ["new", "twice"]})], ["c"])
    assert inside["c_seen"].tolist() == pytest.approx([0, np.log(2), np.log(2)])
    assert outside["c_seen"].tolist() == pytest.approx([0, np.log(3)])


def test_choices_are_blind_to_test_scores() -> None:
    """The variant with the better validation is kept even where its test scores are worse."""
    truth, noise = LABELS.astype(float), np.resize([0.2, 0.7, 0.4, 0.1], 60)
    kept, tried = best_variants([Scores("m", "a", noise, truth), Scores("m", "b", truth, noise)], LABELS)
    assert [part.variant for part in kept] == ["b"]
    assert len(tried) == 2


def test_a_blend_is_no_worse_than_its_parts_on_validation() -> None:
    """Its weights are those of the least log loss; a part that says the opposite has none."""
    rng = np.random.default_rng(1)
    labels = (rng.random(4000) < 0.3).astype(np.int8)
    good = np.clip(0.3 + 0.3 * (labels - 0.3) + rng.normal(0, 0.1, 4000), 0.01, 0.99)
    parts = [Scores("good", "", good, good), Scores("opposite", "", 1 - good**2, good)]
    mixed = blend(parts, labels)
    assert row_losses(labels, mixed.validation).mean() < min(row_losses(labels, p.validation).mean() for p in parts)
    assert mixed.variant.endswith("0.00 opposite")


def test_figures_are_those_of_scikit_learn() -> None:
    """Figures lie within their intervals; the target stands at the chosen model alone."""
    from sklearn import metrics

    rng = np.random.default_rng(2)
    labels = (rng.random(500) < 0.3).astype(np.int8)
    chances = np.clip(0.3 + 0.2 * labels + rng.normal(0, 0.15, 500), 0.01, 0.99)
    aims = (Aim("auc", 0.9, {"b": (0.5, "a paper")}), Aim("average_precision"), Aim("log_loss", 0.1))
    found = figures(labels, [("a", chances), ("b", chances)], "a", aims, seed=0)
    score = metrics.roc_auc_score, metrics.average_precision_score, metrics.log_loss
    assert [f.value for f in found[:3]] == pytest.approx([one(labels, chances) for one in score])
    assert all(f.low is not None and f.high is not None and f.low < f.value < f.high for f in found)
    assert [f.target for f in found] == [0.9, None, 0.1, None, None, None]
    assert (found[0].reference, found[3].reference, found[2].better) == (None, 0.5, "smaller")
