"""Blend: fitted models mixed in logit space, by weights that the validation period chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from storekeeper.artefact import Encoder, LeftOut
from storekeeper.artefact.blend import Blend, BlendMember, logits_of, member_folder
from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.runtime import Scorer
from storekeeper.errors import UsageError, listing
from storekeeper_training.models.calibration import Calibration, Labels
from storekeeper_training.models.model import FitProgress, Fitted, Model, Parameters, Probabilities, Sample

Floats = npt.NDArray[np.float64]

# A member below this share costs serving more than it brings.
LEAST_WEIGHT = 0.02

# How many rows' worth of conviction hold the weights at the equal mix: it settles what the rows leave open.
_PULL = 1.0


@dataclass(frozen=True)
class BlendedModels:
    """Fits its members, then blends them.

    Attributes
    ----------
    members
        The models, each fitted on the same rows with the same seed.
    """

    members: tuple[Model, ...]

    name: ClassVar[str] = "blend"

    @property
    def packages(self) -> tuple[str, ...]:
        """Those of all members, and SciPy, which finds the weights."""
        return tuple(dict.fromkeys(["scipy", *(package for model in self.members for package in model.packages)]))

    @property
    def extra(self) -> str:
        """The extra of the member that needs most."""
        extras = {model.extra for model in self.members}
        return "tensorflow" if "tensorflow" in extras else "train"

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:
        """Fit each member as it would be fitted alone; weigh them on the validation period."""
        fitted: dict[str, Fitted] = {}
        for at, model in enumerate(self.members):
            told = partial(_tell, progress, at, len(self.members), model.name)
            fitted[model.name] = model.fit(train, validation, names, seed, told)
        return blend(fitted, validation)


def blend(fitted: Mapping[str, Fitted], validation: Sample, versions: Mapping[str, int] | None = None) -> Fitted:
    """Several fitted models as one, which saves them all in its own folder.

    The weights and the calibration are those most likely on the validation rows; members of next to no weight leave.

    Parameters
    ----------
    fitted
        The models by name, at least one, none itself a blend.
    validation
        Rows that none was fitted on.
    versions
        The artefacts' versions, where the models were saved before.
    """
    if not fitted or any(model.runtime == "blend" for model in fitted.values()):
        raise UsageError(f"A blend is made of one model or more, none a blend. Received: {listing(fitted)}.")
    names = list(fitted)
    logits = np.column_stack([logits_of(model.predict(validation.columns)) for model in fitted.values()])
    weights, calibration = fit_weights(logits, validation.labels)
    chosen = [(name, float(weight)) for name, weight in zip(names, weights, strict=True) if weight > 0]
    members = tuple(BlendMember(name, fitted[name].runtime, w, (versions or {}).get(name)) for name, w in chosen)
    mixture = Blend(members, calibration.scale, calibration.shift)
    models = [fitted[name] for name, _ in chosen]

    def write(folder: Path) -> None:
        mixture.write(folder)
        for member, model in zip(members, models, strict=True):
            home = member_folder(folder, member.model)
            home.mkdir(parents=True)
            model.write(home)

    parameters: Parameters = {
        **{f"weight of {name}": round(float(weight), 6) for name, weight in zip(names, weights, strict=True)},
        "calibration_scale": round(calibration.scale, 6),
        "calibration_shift": round(calibration.shift, 6),
    }
    return Fitted(_joined(models), _mixed(mixture, models), "blend", write, parameters)


def fit_weights(logits: Floats, labels: Labels) -> tuple[Floats, Calibration]:
    """The convex weights and the calibration of the mean logit that are most likely.

    Both at once: logistic regression on the logits with coefficients that are not negative; their sum is the scale.

    Parameters
    ----------
    logits
        `(n_rows, n_models)`, finite.
    labels
        `(n_rows,)` of 0 and 1.

    Returns
    -------
    weights, calibration
        `(n_models,)`, none negative, summing to 1; those below `LEAST_WEIGHT` are 0.
    """
    coefficients, shift = _solve(logits, labels)
    kept = coefficients >= LEAST_WEIGHT * coefficients.sum()
    if not coefficients.sum() > 0:
        return np.full(logits.shape[1], 1 / logits.shape[1]), Calibration()
    if not kept.all():
        coefficients = np.zeros(logits.shape[1])
        coefficients[kept], shift = _solve(logits[:, kept], labels)
    scale = float(coefficients.sum())
    return coefficients / scale, Calibration(scale, shift)


def _solve(logits: Floats, labels: Labels) -> tuple[Floats, float]:
    """Coefficients, none negative, and the intercept of the most likely regression."""
    from scipy.optimize import minimize

    n_models = logits.shape[1]
    equal = np.full(n_models, 1 / n_models)

    def loss(point: Floats) -> tuple[float, Floats]:
        mixed = logits @ point[:-1] + point[-1]
        away = point[:-1] - equal
        value = np.sum(np.logaddexp(0.0, mixed) - labels * mixed) + _PULL / 2 * away @ away
        errors = np.exp(-np.logaddexp(0.0, -mixed)) - labels
        return float(value), np.append(logits.T @ errors + _PULL * away, errors.sum())

    bounds: list[Any] = [*[(0.0, None)] * n_models, (None, None)]
    found = minimize(loss, np.append(equal, 0.0), jac=True, bounds=bounds, method="L-BFGS-B")
    return found.x[:-1], float(found.x[-1])


def _joined(models: Sequence[Fitted]) -> Encoder:
    """The members' encoders side by side; left out is what none of them reads."""
    parts = tuple(model.encoder for model in models)
    read = {name for part in parts for name in part.input_names}
    left_out: dict[str, LeftOut] = {column.name: column for part in parts for column in part.left_out}
    return Encoder(parts=parts, left_out=tuple(column for name, column in left_out.items() if name not in read))


def _mixed(mixture: Blend, models: Sequence[Fitted]) -> Scorer:
    ends = np.cumsum([len(model.encoder.output_names) for model in models])

    def score(matrix: Matrix) -> Probabilities:
        blocks = map(np.ascontiguousarray, np.split(matrix, ends[:-1], axis=1))
        return mixture([model.scorer(block) for model, block in zip(models, blocks, strict=True)])

    return score


def _tell(progress: FitProgress, before: int, members: int, name: str, done: int, total: int, note: str) -> None:
    """A member's progress as a share of the whole."""
    progress(before * 100 + done * 100 // max(total, 1), members * 100, f"{name}: {note}")
