"""On-demand views that compute with `transform`, for Feast to use in the place of its own."""

from typing import Any, Self

import pyarrow as pa
from feast.on_demand_feature_view import OnDemandFeatureView

from storekeeper.definitions.on_demand import transform
from storekeeper.definitions.on_demand_values import made_column


class ExactView(OnDemandFeatureView):
    """An on-demand view whose results have their declared types, for Feast's offline retrievals."""

    @classmethod
    def of(cls, view: OnDemandFeatureView) -> Self:
        """A copy of a view that computes so."""
        made: Any = OnDemandFeatureView.__copy__(view)
        made.__class__ = cls
        return made  # type: ignore[no-any-return]

    def __copy__(self) -> Self:
        return self.of(self)

    def transform_arrow(self, pa_table: pa.Table, full_feature_names: bool = False) -> Any:
        """As `transform`."""
        return transform(self, pa_table, full_feature_names)


class ServedView(ExactView):
    """As `ExactView`, for Feast's online retrievals.

    Feast makes numpy arrays of an online result's Arrow columns, and so floats of integers with nulls. Lists it takes
    as they are.
    """

    def transform_arrow(self, pa_table: pa.Table, full_feature_names: bool = False) -> Any:
        """As `transform`: feature -> one Python value a row."""
        return transform(self, pa_table, full_feature_names).to_pydict(maps_as_pydicts="strict")

    def transform_dict(self, feature_dict: dict[str, Any]) -> dict[str, Any]:
        """As Feast's, in declared types, under short and full names: feature -> one Python value a row, beside inputs.

        Feast looks for full names where they are asked for, but makes short ones only.
        """
        made: dict[str, Any] = super().transform_dict(feature_dict)
        for field in self.features:
            if field.name in made and not self.singleton:
                column = made_column(self.name, field, made[field.name])
                made[field.name] = column.to_pylist(maps_as_pydicts="strict")
        return made | {self._get_projected_feature_name(f.name): made[f.name] for f in self.features if f.name in made}


class ServedRegistry:
    """A registry whose on-demand views are `ServedView`s; all else is the registry's own."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def get_any_feature_view(self, *arguments: Any, **options: Any) -> Any:
        """As the registry's."""
        return served(self._registry.get_any_feature_view(*arguments, **options))

    def get_feature_view_by_version(self, *arguments: Any, **options: Any) -> Any:
        """As the registry's."""
        return served(self._registry.get_feature_view_by_version(*arguments, **options))


def served(view: Any) -> Any:
    """An on-demand view as it is served; any other as it is."""
    return ServedView.of(view) if isinstance(view, OnDemandFeatureView) else view
