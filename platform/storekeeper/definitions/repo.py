"""A feature repo's views as Feast would register them, before it does."""

import copy

from feast.feature_view import FeatureView
from feast.inference import update_feature_views_with_inferred_features_and_entities
from feast.infra.provider import get_provider
from feast.repo_config import RepoConfig
from feast.repo_operations import parse_repo

from storekeeper.errors import DefinitionError


def repo_views(config: RepoConfig) -> list[FeatureView]:
    """All feature views that the repo's Python files declare, with their entity columns inferred.

    Raises
    ------
    DefinitionError
        If a view has no schema to check.
    """
    if config.repo_path is None:
        raise DefinitionError("The configuration has no repo_path, so there are no files to check.")
    contents = parse_repo(config.repo_path)
    views = [copy.copy(view) for view in [*contents.feature_views, *contents.stream_feature_views]]
    for view in views:
        if not view.features:
            raise DefinitionError(
                f"Feature view '{view.name}' declares no schema. List its features with their types: "
                f"schema=[Field(name=..., dtype=...)]."
            )
        view.entity_columns = list(view.entity_columns)
    update_feature_views_with_inferred_features_and_entities(
        get_provider(config), views, list(contents.entities), config
    )
    return views
