"""An on-demand view's part in a feature service."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions.on_demand import transform
from storekeeper.online.compiled.columns import Values, values_of


@dataclass(frozen=True)
class OnDemandRead:
    """Computes features of an on-demand view from other features and request-time values.

    Attributes
    ----------
    view
        As it was when the reader was made.
    features
        Which of its features.
    inputs
        What its function is given: the features and request-time values that it declares.
    """

    view: OnDemandFeatureView
    features: tuple[str, ...]
    inputs: tuple[str, ...]

    def compute(self, column: Callable[[str], pa.Array]) -> dict[str, tuple[pa.Array, Values]]:
        """Features by name, as Arrow and as NumPy have them; `column` gives inputs."""
        made = transform(self.view, pa.table([column(name) for name in self.inputs], names=list(self.inputs)))
        columns = {name: made.column(name).combine_chunks() for name in self.features}
        return {name: (array, values_of(array)) for name, array in columns.items()}
