"""Model `blend`: several rankers' scores, put on one scale row by row and mixed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from storekeeper.errors import DataError, listing
from storekeeper_training.models.model import FitProgress, Parameters
from storekeeper_training.next_item.blend_weights import SCALES, Mixture, Scale, Weights, choose_mixture, on_scale
from storekeeper_training.next_item.catalogue import Catalogue
from storekeeper_training.next_item.choose import VALIDATION_ROWS
from storekeeper_training.next_item.ease import Ease
from storekeeper_training.next_item.folder import read_array, read_card, read_catalogue, write_ranker
from storekeeper_training.next_item.markov import Markov
from storekeeper_training.next_item.model import FittedRanker, NextItemModel, Scores, check_catalogue
from storekeeper_training.next_item.sequences import Sequences
from storekeeper_training.next_item.transformer import Transformer


@dataclass(frozen=True, eq=False)
class BlendRanker:
    """A convex mixture of members' scores on one scale.

    Attributes
    ----------
    catalogue
        The items.
    members
        Rankers of the same catalogue.
    weights
        `(n_members,) float64`, above 0, their sum 1.
    scale
        How scores come on one scale.
    parameters
        Weights by member, and the scale.
    """

    catalogue: Catalogue
    members: tuple[FittedRanker, ...]
    weights: Weights
    scale: Scale
    parameters: Parameters

    kind: ClassVar[str] = "blend"

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, in their order."""
        return tuple(name for name in self.parameters if name != "scale")

    def scores(self, sequences: Sequences) -> Scores:
        """The mixture, about 0 a row."""
        check_catalogue(self.catalogue, sequences)
        mixed = np.zeros((len(sequences), len(self.catalogue)), dtype=np.float32)
        for member, weight in zip(self.members, self.weights, strict=True):
            mixed += np.float32(weight) * on_scale(member.scores(sequences), sequences, self.scale)
        return mixed

    def save(self, folder: Path) -> None:
        """Write each member into a folder of its own, then the weights."""
        for place, member in enumerate(self.members):
            member.save(_member(folder, place))
        arrays = {"weights": self.weights, "scale": np.array(SCALES.index(self.scale))}
        write_ranker(folder, self.kind, self.catalogue, self.parameters, arrays)


def _member(folder: Path, place: int) -> Path:
    return folder / f"member_{place}"


def load_blend(folder: Path, load: Callable[[Path], FittedRanker]) -> BlendRanker:
    """Read what `BlendRanker.save` wrote; `load` reads the members."""
    weights, scale = read_array(folder, "weights"), SCALES[int(read_array(folder, "scale"))]
    members = tuple(load(_member(folder, place)) for place in range(len(weights)))
    return BlendRanker(read_catalogue(folder), members, weights, scale, read_card(folder).parameters)


@dataclass(frozen=True)
class Blend:
    """Fits its members and mixes them as validation says.

    Attributes
    ----------
    members
        What is mixed.
    steps
        Weights are multiples of 1 / steps.
    mixture
        Weights and scale where they are known; None chooses them on validation.
    """

    members: tuple[NextItemModel, ...] = (Transformer(), Ease(), Markov())
    steps: int = 10
    mixture: Mixture | None = None

    name: ClassVar[str] = "blend"

    @property
    def extra(self) -> str:
        """The one that brings all that its members need: `tensorflow` holds `train`."""
        extras = {member.extra for member in self.members}
        return "tensorflow" if "tensorflow" in extras else "train"

    @property
    def packages(self) -> tuple[str, ...]:
        """Those of its members."""
        return tuple(dict.fromkeys(package for member in self.members for package in member.packages))

    def fit(self, train: Sequences, validation: Sequences, seed: int, progress: FitProgress) -> BlendRanker:
        """Fit each member, then choose the mixture where there is none yet."""
        fitted = {model.name: model.fit(train, validation, seed, progress) for model in self.members}
        if self.mixture is not None:
            return mix(fitted, self.mixture)
        return blend_fitted(fitted, validation, seed, progress, self.steps)

    def settled(self, ranker: FittedRanker) -> "Blend":
        """With the members that have a weight, as they were settled, and the mixture.

        Raises
        ------
        DataError
            If the ranker is no blend of these members.
        """
        if not isinstance(ranker, BlendRanker):
            raise DataError(f"A blend is settled by a blend that was fitted. This is a '{ranker.kind}'.")
        fitted = dict(zip(ranker.names, ranker.members, strict=True))
        models = {model.name: model for model in self.members}
        if unknown := set(fitted) - set(models):
            raise DataError(f"The blend has members {listing(unknown)}; this one is of {listing(models)}.")
        members = tuple(models[name].settled(member) for name, member in fitted.items())
        return replace(self, members=members, mixture=Mixture(ranker.weights, ranker.scale, np.nan))


def blend_fitted(
    members: Mapping[str, FittedRanker], validation: Sequences, seed: int, progress: FitProgress, steps: int = 10
) -> BlendRanker:
    """The best mixture of rankers that are fitted already, by NDCG@10 on at most 5000 validation rows.

    Raises
    ------
    DataError
        If no validation row has a target.
    """
    if not (validation.n_targets > 0).any():
        raise DataError("A blend's weights are chosen on validation rows with targets. There are none.")
    chosen = choose_mixture(list(members.values()), validation.sample(VALIDATION_ROWS, seed), steps, progress)
    return mix(members, chosen)


def mix(members: Mapping[str, FittedRanker], chosen: Mixture) -> BlendRanker:
    """Rankers mixed as chosen before, on these or on others of the same models; those of weight 0 are left out."""
    weighted = [item for item in zip(members.items(), chosen.weights, strict=True) if item[1] > 0]
    rankers = tuple(ranker for (_, ranker), _ in weighted)
    parameters: Parameters = {"scale": chosen.scale, **{name: float(weight) for (name, _), weight in weighted}}
    weights = np.array([weight for _, weight in weighted])
    return BlendRanker(rankers[0].catalogue, rankers, weights, chosen.scale, parameters)
