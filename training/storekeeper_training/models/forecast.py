"""A forecast that is read off one feature: the baseline of quantities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from storekeeper.artefact import Encoder, NumericColumn
from storekeeper.artefact.formulas import WeightedSum
from storekeeper.errors import DataError, listing
from storekeeper_training.models.model import FitProgress, Fitted, Parameters, Sample
from storekeeper_training.tasks import Forecast


@dataclass(frozen=True)
class FeatureForecast:
    """A feature times a weight: last week's units, or a fourth of four weeks'. Nothing is learnt.

    Attributes
    ----------
    forecast
        Which feature, which weight, and what it is called.
    """

    forecast: Forecast

    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = "train"

    @property
    def name(self) -> str:
        """The forecast's."""
        return self.forecast.name

    def fit(self, train: Sample, validation: Sample, names: Sequence[str], seed: int, progress: FitProgress) -> Fitted:  # noqa: ARG002
        """Find the feature.

        Raises
        ------
        DataError
            If it is not in the dataset.
        """
        feature, weight = self.forecast.feature, self.forecast.weight
        if feature not in names:
            raise DataError(
                f"The forecast '{self.name}' reads the feature '{feature}', which the dataset lacks. It has: "
                f"{listing(names)}. Name another in the task, or add it to the feature service."
            )
        formula = WeightedSum((0,), (weight,))
        progress(1, 1, f"{weight:g} × {feature}")
        parameters: Parameters = {"feature": feature, "weight": weight}
        return Fitted(Encoder((NumericColumn(feature),)), formula, "weighted-sum", formula.write, parameters)
