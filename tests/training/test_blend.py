"""Weighing models on the validation period."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from storekeeper.artefact import load_predictor, write_artefact
from storekeeper.errors import UsageError
from storekeeper_training.models import BoostedTrees, Fitted, Logistic, Sample
from storekeeper_training.models.blend import BlendedModels, blend, fit_weights
from storekeeper_training.models.calibration import fit_calibration, log_loss
from training.artefact_record import manifest_of

NAMES = ["baskets_28d", "seconds_since_last", "spend_cents_91d", "category", "age_band"]
TREES = BoostedTrees(threads=1, max_trees=60)


@pytest.fixture(scope="module")
def samples(dataset_table: pa.Table) -> tuple[Sample, Sample, Sample]:
    """Three periods of the synthetic shop."""
    parts = (dataset_table.slice(0, 3000), dataset_table.slice(3000, 1500), dataset_table.slice(4500))
    return tuple(  # type: ignore[return-value]
        Sample({name: part[name] for name in NAMES}, part["label"].to_numpy().astype(np.int8)) for part in parts
    )


@pytest.fixture(scope="module")
def fitted(samples: tuple[Sample, Sample, Sample]) -> dict[str, Fitted]:
    """A logistic regression and trees, each on what the other doesn't read."""
    logistic = Logistic("auc").fit(*samples[:2], NAMES[:1], 0, lambda *_: None)
    return {"logistic": logistic, "xgboost": TREES.fit(*samples[:2], NAMES[1:], 0, lambda *_: None)}


@given(seed=st.integers(0, 2**32 - 1), n_models=st.integers(1, 5))
@settings(max_examples=8, deadline=None)
def test_no_mix_nearby_is_likelier(seed: int, n_models: int) -> None:
    """Weights are convex and, but for the pull to the middle, at least as likely as any member or other mix."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=400)
    labels = (rng.random(400) < expit(truth)).astype(np.int8)
    logits = truth[:, None] * rng.uniform(-0.5, 1.5, n_models) + rng.normal(size=(400, n_models))
    weights, (scale, shift) = fit_weights(logits, labels)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    assert scale > 0
    reached = log_loss(scale * (logits @ weights) + shift, labels)
    others = [*np.eye(n_models), np.full(n_models, 1 / n_models), *rng.dirichlet(np.ones(n_models), 10)]
    for other in others:
        again = fit_calibration(logits @ other, labels)
        assert reached <= log_loss(again.scale * (logits @ other) + again.shift, labels) + 0.02


def test_weights_follow_the_noise() -> None:
    """Of two models that see the truth through independent noise the clearer one weighs more, in inverse variances."""
    rng = np.random.default_rng(0)
    truth = rng.normal(scale=2, size=200_000)
    labels = (rng.random(truth.size) < expit(truth)).astype(np.int8)
    noise = rng.normal(size=(truth.size, 2)) * [0.5, 1.0]
    weights, _ = fit_weights(truth[:, None] + noise, labels)
    np.testing.assert_allclose(weights, [0.8, 0.2], atol=0.03)


def test_models_that_mislead_get_no_weight() -> None:
    """A model that is wrong throughout gets weight 0; where all are, they are mixed evenly and left as they are."""
    labels = np.tile([0, 1], 100).astype(np.int8)
    rng = np.random.default_rng(0)
    right, opposite = (np.where(labels, 1.0, -1.0) + rng.normal(scale=2, size=200) for _ in range(2))
    weights, _ = fit_weights(np.column_stack([right, -opposite]), labels)
    np.testing.assert_array_equal(weights, [1, 0])
    weights, calibration = fit_weights(np.column_stack([-20 * right, -30 * right]), labels)
    np.testing.assert_array_equal(weights, [0.5, 0.5])
    assert calibration == (1.0, 0.0)


def test_a_blend_survives_its_folder(
    samples: tuple[Sample, Sample, Sample], fitted: dict[str, Fitted], tmp_path: Path
) -> None:
    """Read back, a blend predicts what it did in memory, better on later rows than either member; it holds both."""
    _, validation, later = samples
    mixed = blend(fitted, validation, {"xgboost": 3})
    folder = write_artefact(tmp_path, manifest_of(mixed, "blend"), mixed.save).path
    expected = mixed.predict(later.columns)
    np.testing.assert_allclose(load_predictor(folder).predict(later.columns), expected, rtol=0, atol=1e-6)
    assert _loss(mixed, later) < min(_loss(model, later) for model in fitted.values())
    weights = sorted(path.relative_to(folder).as_posix() for path in folder.glob("members/*/*"))
    assert weights == ["members/logistic/model.json", "members/xgboost/model.ubj"]
    assert '"version": 3' in (folder / "blend.json").read_text()
    assert sum(float(mixed.parameters[f"weight of {name}"] or 0) for name in fitted) == pytest.approx(1, abs=1e-5)


def test_blend_is_a_model(samples: tuple[Sample, Sample, Sample]) -> None:
    """As a model it fits its members as alone, tells its progress in rising steps and needs what they need."""
    train, validation, later = samples
    told: list[tuple[int, int, str]] = []
    model = BlendedModels((Logistic("auc"), TREES))
    mixed = model.fit(train, validation, NAMES, 0, lambda *step: told.append(step))
    alone = {member.name: member.fit(train, validation, NAMES, 0, lambda *_: None) for member in model.members}
    expected = blend(alone, validation).predict(later.columns)
    np.testing.assert_array_equal(mixed.predict(later.columns), expected)
    done = [step[0] for step in told]
    assert done == sorted(done)
    assert told[-1][:2] == (200, 200)
    assert {"scipy", "scikit-learn", "xgboost"} == set(model.packages)
    assert model.extra == "train"


def test_nothing_and_blends_are_not_blended(fitted: dict[str, Fitted], samples: tuple[Sample, Sample, Sample]) -> None:
    """No model, or one that is a blend, is refused."""
    with pytest.raises(UsageError, match="Received: nothing"):
        blend({}, samples[1])
    with pytest.raises(UsageError, match="'both'"):
        blend({"both": blend(fitted, samples[1])}, samples[1])


@pytest.mark.parametrize(("scale", "shift"), [(0.5, -1.0), (2.0, 0.3)])
def test_calibration_finds_the_line(scale: float, shift: float) -> None:
    """From logits that are off by a known line, calibration finds that line."""
    logits = np.random.default_rng(0).normal(scale=2, size=100_000)
    labels = (np.random.default_rng(1).random(logits.size) < expit(scale * logits + shift)).astype(np.int8)
    np.testing.assert_allclose(fit_calibration(logits, labels), (scale, shift), atol=0.04)


def test_calibration_leaves_what_it_cannot_learn() -> None:
    """One class, equal logits, or labels that fall as logits rise change nothing."""
    logits, labels = np.array([-1.0, 0.0, 1.0, 2.0]), np.array([1, 1, 0, 0], np.int8)
    for given_logits, given_labels in ((logits, labels), (logits, np.ones(4, np.int8)), (np.ones(4), labels)):
        assert fit_calibration(given_logits, given_labels) == (1.0, 0.0)


def _loss(model: Fitted, sample: Sample) -> float:
    probabilities = model.predict(sample.columns)
    return log_loss(np.log(probabilities / (1 - probabilities)), sample.labels)
