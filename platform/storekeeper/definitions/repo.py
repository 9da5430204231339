"""A feature repo's views as Feast would register them, before it does."""

import contextlib
import copy
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from traceback import extract_tb, walk_tb
from typing import Any

from feast.entity import Entity
from feast.feature_view import DUMMY_ENTITY_NAME, FeatureView
from feast.inference import update_feature_views_with_inferred_features_and_entities
from feast.infra.provider import get_provider
from feast.repo_config import RepoConfig
from feast.repo_operations import get_repo_files, parse_repo
from feast.stream_feature_view import StreamFeatureView

from storekeeper.errors import DefinitionError, StorekeeperError, listing


@contextlib.contextmanager
def inside(repo: Path) -> Iterator[None]:
    """Work in a repo's folder with its files importable by their bare names, as `feast apply` does.

    Modules of those names that came from elsewhere, or from an earlier look, are forgotten first.
    """
    before, path = Path.cwd(), sys.path[:]
    for file in get_repo_files(repo):
        sys.modules.pop(file.stem, None)
    os.chdir(repo)
    sys.path.insert(0, str(repo))
    try:
        yield
    finally:
        sys.path[:] = path
        os.chdir(before)


def repo_views(config: RepoConfig) -> list[FeatureView]:
    """All feature views that the repo's Python files declare, with their entity columns inferred.

    The working directory must be the repo's: see `inside`.

    Raises
    ------
    DefinitionError
        If a file can't be imported, a view has no schema to check, or names an entity that isn't declared.
    """
    contents = _parsed(Path.cwd())
    return inferred_views([*contents.feature_views, *contents.stream_feature_views], contents.entities, config)


def _parsed(repo: Path) -> Any:
    """What the repo's files declare; whatever goes wrong in one of them is told with its place."""
    try:
        return parse_repo(repo)
    except StorekeeperError:
        raise
    except AssertionError as error:
        raise _without_push_source(error) or _unreadable(error, repo) from error
    except Exception as error:
        # A file of the repo is code: it may fail in any way.
        raise _unreadable(error, repo) from error


def _unreadable(error: Exception, repo: Path) -> DefinitionError:
    return DefinitionError(
        f"The feature repo can't be read: {_place(error, repo)}{type(error).__name__}: {error}. "
        f"Correct that, and apply again."
    )


def _without_push_source(error: AssertionError) -> DefinitionError | None:
    """Feast asserts, without a word, that a stream feature view has a stream source."""
    frame = list(walk_tb(error.__traceback__))[-1][0]
    view = frame.f_locals.get("obj")
    if not isinstance(view, StreamFeatureView):
        return None
    return DefinitionError(
        f"Feature view '{view.name}': a StreamFeatureView's source must be a stream source. Wrap the table in one: "
        f"source=PushSource(name=..., batch_source=...)."
    )


def _place(error: Exception, repo: Path) -> str:
    """File and line of the repo that an error comes from; empty if from none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}: "
    frames = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(repo)]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""


def inferred_views(
    declared: Iterable[FeatureView], declared_entities: Iterable[Entity], config: RepoConfig
) -> list[FeatureView]:
    """Copies of views with their entity columns inferred, as Feast's `apply` would.

    Raises
    ------
    DefinitionError
        As `repo_views`.
    """
    entities = list(declared_entities)
    views = [copy.copy(view) for view in declared]
    known = {entity.name for entity in entities} | {DUMMY_ENTITY_NAME}
    for view in views:
        unknown = [name for name in view.entities if name not in known]
        if unknown:
            # Feast would take such a view for one without keys.
            raise DefinitionError(
                f"Feature view '{view.name}' names the entity {listing(unknown)}, which isn't declared. There are: "
                f"{listing(entity.name for entity in entities)}. Declare it at the top level of a file in the feature "
                f"repo."
            )
        if not view.features:
            raise DefinitionError(
                f"Feature view '{view.name}' declares no schema. List its features with their types: "
                f"schema=[Field(name=..., dtype=...)]."
            )
        view.entity_columns = list(view.entity_columns)
    update_feature_views_with_inferred_features_and_entities(get_provider(config), views, entities, config)
    return views
