"""Next-item models held against each other: chosen on validation, measured once on test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from storekeeper_training.benchmark.next_item_data import Asked
from storekeeper_training.benchmark.protocol import Figure, Tell
from storekeeper_training.models.model import FitProgress
from storekeeper_training.next_item import FittedRanker, NextItemModel, Sequences
from storekeeper_training.next_item.blend import Blend, BlendRanker, blend_fitted, mix
from storekeeper_training.next_item.blend_weights import Mixture
from storekeeper_training.next_item.choose import validation_ndcg
from storekeeper_training.next_item.intervals import MeanInterval, mean_interval
from storekeeper_training.next_item.ranking import RowFigures, evaluate_ranker

CUTOFFS = (10, 20)


@dataclass(frozen=True)
class Aim:
    """What a metric of the chosen model is held against."""

    reference: float
    source: str
    target: float


@dataclass(eq=False)
class Contest:
    """The models of one run: fitted on the way, in the order of their NDCG@10 on validation at the end.

    Attributes
    ----------
    rankers
        By model.
    validation
        NDCG@10 on validation, by model.
    seconds
        What fitting cost, by model; a blend's without its members.
    """

    rankers: dict[str, FittedRanker] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def ordered(self) -> list[str]:
        """Names, the best on validation first."""
        return sorted(self.validation, key=lambda name: -self.validation[name])

    def mixed_again(self, rankers: Mapping[str, FittedRanker]) -> BlendRanker:
        """The blend that was chosen, of other rankers of the same models."""
        blend = self.rankers[Blend.name]
        if not isinstance(blend, BlendRanker):
            raise TypeError(f"A blend was expected under '{Blend.name}'. It is: {blend.kind}.")
        return mix({name: rankers[name] for name in blend.names}, Mixture(blend.weights, blend.scale, np.nan))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen, and how each did on validation."""
        lines = [f"{name} {self.validation[name]:.4f}" for name in self.ordered]
        settings = [f"{name}: {_settings(ranker)}" for name, ranker in self.rankers.items() if ranker.parameters]
        return (f"NDCG@10 on validation: {', '.join(lines)}", *settings)


def contest(
    models: Sequence[NextItemModel],
    mixed: Sequence[str],
    train: Sequences,
    validation: Sequences,
    seed: int,
    tell: Tell,
) -> Contest:
    """Fit each model and a blend of those named in `mixed`; every choice is made on validation."""
    found = Contest()
    for model in models:
        started = perf_counter()
        found.rankers[model.name] = model.fit(train, validation, seed, progress_of(model.name, tell))
        found.seconds[model.name] = round(perf_counter() - started, 1)
    started = perf_counter()
    members = {name: found.rankers[name] for name in mixed}
    found.rankers[Blend.name] = blend_fitted(members, validation, seed, progress_of(Blend.name, tell))
    found.seconds[Blend.name] = round(perf_counter() - started, 1)
    for name, ranker in found.rankers.items():
        tell(f"{name} on validation")
        found.validation[name] = validation_ndcg(ranker, validation)
    return found


def measured(rankers: Mapping[str, FittedRanker], test: Asked, tell: Tell) -> dict[str, RowFigures]:
    """Each ranker's figures on the test rows."""
    found = {}
    for name, ranker in rankers.items():
        tell(f"{name} on test")
        found[name] = evaluate_ranker(ranker, test.sequences, CUTOFFS)
    return found


def figures(
    found: Mapping[str, RowFigures],
    ordered: Sequence[str],
    test: Asked,
    metrics: Sequence[str],
    aims: Mapping[str, Aim],
    seed: int,
) -> tuple[Figure, ...]:
    """Figures with intervals, the chosen model's first; its are held against the aims."""
    shown = []
    for name in ordered:
        for metric in metrics:
            interval = _interval(found[name], metric, test, seed)
            aim = aims.get(metric) if name == ordered[0] else None
            figure = Figure(name, metric, interval.value, interval.low, interval.high)
            if aim is not None:
                figure = replace(figure, reference=aim.reference, source=aim.source, target=aim.target)
            shown.append(figure)
    return tuple(shown)


def difference(found: Mapping[str, RowFigures], one: str, other: str, metric: str, test: Asked, seed: int) -> str:
    """How much better one model is than another, row by row, with its interval, in words."""
    values = found[one].figures[metric] - found[other].figures[metric]
    interval = mean_interval(values, seed, test.groups[found[one].rows])
    return f"{metric}: {one} − {other} = {interval.value:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


def _interval(found: RowFigures, metric: str, test: Asked, seed: int) -> MeanInterval:
    return mean_interval(found.figures[metric], seed, test.groups[found.rows])


def progress_of(name: str, tell: Tell) -> FitProgress:
    """A fit's progress, told under the model's name."""

    def progress(done: int, total: int, note: str) -> None:
        tell(f"{name} {done} of {total}: {note}")

    return progress


def _settings(ranker: FittedRanker) -> str:
    return ", ".join(f"{name} {value}" for name, value in ranker.parameters.items())
