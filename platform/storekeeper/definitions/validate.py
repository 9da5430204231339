"""Refusing impossible declarations before anything is registered.

Feast itself registers a view over a missing file, a missing column or a wrong type without a word.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import pyarrow as pa
from feast.batch_feature_view import BatchFeatureView
from feast.feature_view import FeatureView
from feast.repo_config import RepoConfig
from feast.stream_feature_view import StreamFeatureView

from storekeeper.definitions.event_id import EVENT_ID_TAG, event_id_column
from storekeeper.definitions.views import ViewPlan, batch_source, plan_view
from storekeeper.errors import DefinitionError, listing
from storekeeper.history.columns import column_kind
from storekeeper.history.keys import key_kind
from storekeeper.sources import check_source


def validate_views(views: Iterable[FeatureView], config: RepoConfig) -> None:
    """Check every view against its source.

    Raises
    ------
    DefinitionError
        A missing or mistyped column, an unknown function, an impossible window, features that no aggregation makes.
    SourceError
        A source that can't be read.
    """
    schemas: dict[tuple[str, str], pa.Schema] = {}
    for view in views:
        _refuse_unkept(view)
        plan = plan_view(view)
        source = plan.source
        address = (type(source).__name__, str(source.to_proto().SerializeToString()))
        if address not in schemas:
            schemas[address] = _mapped(check_source(source, config), source.field_mapping)
        check_plan(plan, schemas[address])


def _refuse_unkept(view: FeatureView) -> None:
    """Refuse what Feast would register without it, or nothing here would carry out: answers would be other ones."""
    if isinstance(view, BatchFeatureView) and view.aggregations and not isinstance(view, StreamFeatureView):
        raise DefinitionError(
            f"Feature view '{view.name}' is a BatchFeatureView with aggregations, which the registry doesn't keep. "
            f"Declare it as StreamFeatureView(source=PushSource(name=..., batch_source=...), timestamp_field=...)."
        )
    if getattr(view, "feature_transformation", None) is not None:
        raise DefinitionError(
            f"Feature view '{view.name}' has a transformation (udf), which isn't carried out on histories. Put it in "
            f"the source's query, or in an on-demand feature view."
        )
    if view.ttl is not None and view.ttl < timedelta(0):
        raise DefinitionError(f"Feature view '{view.name}': ttl must not be negative. Received: {view.ttl}.")
    twice = [name for name, count in Counter(field.name for field in view.features).items() if count > 1]
    if twice:
        raise DefinitionError(f"Feature view '{view.name}' declares {listing(twice)} more than once in its schema.")
    source = batch_source(view)
    named = getattr(view, "timestamp_field", None)
    if named and named not in (source.timestamp_field, source.field_mapping.get(source.timestamp_field)):
        raise DefinitionError(
            f"Feature view '{view.name}' has timestamp_field '{named}', and its source '{source.name}' has "
            f"'{source.timestamp_field}'. Name the same column in both."
        )


def _mapped(schema: pa.Schema, mapping: dict[str, str]) -> pa.Schema:
    return pa.schema([field.with_name(mapping.get(field.name, field.name)) for field in schema])


def check_plan(plan: ViewPlan, schema: pa.Schema) -> None:
    """Check one view against the columns of its source, under their mapped names.

    Raises
    ------
    DefinitionError
        As `validate_views`.
    """
    if not plan.event_time:
        raise DefinitionError(
            f"Feature view '{plan.name}': source '{plan.source.name}' names no timestamp_field. "
            f"It has the columns {listing(schema.names)}; name the one with the event time."
        )
    _check_columns(plan, schema, plan.keys)
    _check_event_id(plan, schema)
    for key in plan.keys:
        declared, found = plan.key_types[key], schema.field(key).type
        if key_kind(declared) != key_kind(found) and not pa.types.is_null(found):
            raise DefinitionError(
                f"Feature view '{plan.name}': join key '{key}' is declared {declared} and is {found} in source "
                f"'{plan.source.name}'. Correct the entity's value_type, or cast the column in the source's query."
            )
    if plan.is_windowed:
        _check_windows(plan, schema)
    else:
        _check_latest(plan, schema)


def _check_columns(plan: ViewPlan, schema: pa.Schema, columns: Iterable[str]) -> None:
    missing = [column for column in columns if column not in schema.names]
    if missing:
        raise DefinitionError(
            f"Feature view '{plan.name}' needs column {listing(missing)}, which source '{plan.source.name}' doesn't "
            f"have. It has: {listing(schema.names)}."
        )


def _check_event_id(plan: ViewPlan, schema: pa.Schema) -> None:
    column = event_id_column(plan.source)
    if column is not None and column not in schema.names:
        raise DefinitionError(
            f"Source '{plan.source.name}' declares the tag {EVENT_ID_TAG}='{plan.source.tags[EVENT_ID_TAG]}', and has "
            f"no such column. It has: {listing(schema.names)}. Name the column that tells its events apart."
        )


def _check_latest(plan: ViewPlan, schema: pa.Schema) -> None:
    _check_columns(plan, schema, plan.types)
    for name, declared in plan.types.items():
        _check_type(plan, name, declared, schema.field(name).type)


def _check_windows(plan: ViewPlan, schema: pa.Schema) -> None:
    made = {window.name for window in plan.windows}
    if len(made) != len(plan.windows) or made != set(plan.types):
        raise DefinitionError(
            f"Feature view '{plan.name}' declares the features {listing(plan.types)} and its aggregations make "
            f"{listing(window.name for window in plan.windows)}. Give every feature one aggregation of that name."
        )
    for window in plan.windows:
        found = None
        if window.column:
            _check_columns(plan, schema, [window.column])
            found = schema.field(window.column).type
            if pa.types.is_null(found):
                continue
            window.check_kind(column_kind(found))
        _check_type(plan, window.name, plan.types[window.name], window.result_type(found))


def _check_type(plan: ViewPlan, feature: str, declared: pa.DataType, found: pa.DataType) -> None:
    # A column without any value fits every type.
    if _family(declared) != _family(found) and not pa.types.is_null(found):
        raise DefinitionError(
            f"Feature '{feature}' of view '{plan.name}' is declared {declared}, but its values are {found}. "
            f"Correct the field's dtype, or cast the column in the source's query."
        )


def _family(type_: pa.DataType) -> str:
    """Types within one family are cast to the declared one; across families they are refused."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"list of {_family(type_.value_type)}"
    if pa.types.is_decimal(type_):
        return "float"
    return column_kind(type_)
