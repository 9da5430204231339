"""Several models as one: a weighted mean of their logits, calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ConfigDict

from storekeeper.artefact.document import read_document, write_document
from storekeeper.artefact.formulas import Probabilities, sigmoid
from storekeeper.artefact.manifest import Runtime
from storekeeper.errors import DataError

BLEND_FILE = "blend.json"

# Probabilities are held off 0 and 1 by so much before their logits are taken.
_CLOSEST = 1e-7


@dataclass(frozen=True)
class BlendMember:
    """A model in a blend; its weights lie in the folder `members/<model>`, its encoder is the blend encoder's part.

    Attributes
    ----------
    model
        Its name.
    runtime
        How it is run.
    weight
        Its share of the mean.
    version
        The artefact that it was copied from; None where it was fitted for the blend.
    """

    model: str
    runtime: Runtime
    weight: float
    version: int | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Blend:
    """`sigmoid(scale * sum(weight * logit(p)) + shift)`.

    Attributes
    ----------
    members
        The models, in the order of the encoder's parts.
    scale, shift
        The calibration of the mean logit.
    """

    members: tuple[BlendMember, ...]
    scale: float = 1.0
    shift: float = 0.0

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse weights that make no mean, and members that can't be told apart."""
        weights = [member.weight for member in self.members]
        if not weights or min(weights) < 0 or abs(sum(weights) - 1) > 1e-6:
            raise DataError(f"A blend's weights are not negative and sum to 1. Received: {weights}.")
        names = [member.model for member in self.members]
        if len(set(names)) != len(names) or any(member.runtime == "blend" for member in self.members):
            raise DataError(f"A blend's members are distinct, and none is a blend. Received: {names}.")
        if not self.scale > 0:
            raise DataError(f"A blend's scale is positive. Received: {self.scale}.")

    def __call__(self, probabilities: Sequence[Probabilities]) -> Probabilities:
        """One `(n_rows,) float64` of the members' `(n_rows,)`, in their order."""
        logits = sum(
            member.weight * logits_of(column) for member, column in zip(self.members, probabilities, strict=True)
        )
        return sigmoid(self.scale * np.asarray(logits) + self.shift)

    def write(self, folder: Path) -> None:
        """Write `blend.json` into an artefact's folder."""
        write_document(folder / BLEND_FILE, self)


def logits_of(probabilities: Probabilities) -> Probabilities:
    """`log(p / (1 - p))`, with p held a little off 0 and 1."""
    held = np.clip(probabilities, _CLOSEST, 1 - _CLOSEST)
    return np.log(held / (1 - held))


def member_folder(folder: Path, model: str) -> Path:
    """Where a blend's folder holds one member's weights."""
    return folder / "members" / model


def read_blend(folder: Path) -> Blend:
    """Read a blend; NotFoundError or DataError where it can't be read."""
    return read_document(folder / BLEND_FILE, Blend)
