"""A request's body to typed columns: nothing is guessed, parsed from text or dropped."""

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import from_json

from storekeeper_serving.problems import Problem, RequestError, malformed, shown

REQUEST_TIME = "request_time"

Column = list[object]
"""One value a row."""

_SCALAR = {"type": ["string", "integer", "number", "boolean", "null"]}
_VALUES = {"anyOf": [{"type": "array", "items": _SCALAR}, _SCALAR]}
Given = Annotated[Any, WithJsonSchema(_VALUES)]


class PredictBody(BaseModel):
    """What a client sends: a list with one value a row, or one value for all rows."""

    model_config = ConfigDict(extra="forbid", strict=True)

    entities: dict[str, Given] = Field(description="Join key: one value a row, or one value for all rows.")
    context: dict[str, Given] = Field(
        default_factory=dict,
        description="What only the request knows, such as the price on show. `request_time` defaults to now.",
    )
    model: str | None = Field(default=None, description="A model of the task; by default the best on validation.")
    version: int | None = Field(default=None, ge=1, description="A version of that model; by default the latest.")
    features: bool = Field(default=False, description="Whether to answer the vectors that the model was given.")
    explain: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="How many inputs to explain each row by, the most telling first; takes longer.",
    )


def parse_body(body: bytes) -> PredictBody:
    """Read a body.

    Raises
    ------
    RequestError
        If it isn't JSON, or a field is missing, unknown or of another type.
    """
    fields = list(PredictBody.model_fields)
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise malformed(
            f"The body is not valid JSON: {error}.",
            expected="an object with the fields " + ", ".join(fields),
            received=shown(body.decode("utf-8", "replace")) if body else "nothing",
            do="See /docs for an example.",
        ) from None
    if not isinstance(content, dict):
        raise malformed("The body must be a JSON object.", received=shown(content), do="See /docs for an example.")
    try:
        return PredictBody.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        came = "nothing" if first["type"] == "missing" else shown(first["input"])
        problem = Problem(
            422, "malformed_request", f"Field '{where}': {first['msg']}.", "", came, fields, "See /docs for an example."
        )
        raise RequestError(problem) from None


def count_rows(body: PredictBody, max_rows: int) -> int:
    """How many rows a request asks for: the common length of its lists, or 1 if it has none.

    Raises
    ------
    RequestError
        If lists differ in length, are empty, or there are more rows than allowed.
    """
    given = {**body.context, **body.entities}
    lengths = {name: len(values) for name, values in given.items() if isinstance(values, list)}
    if len(set(lengths.values())) > 1:
        raise RequestError(
            Problem(
                422,
                "unequal_lengths",
                "Lists must be of one length: one value a row.",
                received=", ".join(f"'{name}' with {length}" for name, length in lengths.items()),
                do="Give one value a row, or a single value without a list for all rows.",
            )
        )
    rows = next(iter(lengths.values()), 1)
    if rows == 0:
        raise RequestError(Problem(422, "no_rows", "The request has no rows.", do="Give at least one value a key."))
    if rows > max_rows:
        summary, do = "The request has too many rows.", "Split it, or raise --max-rows."
        raise RequestError(Problem(422, "too_many_rows", summary, f"at most {max_rows}", str(rows), None, do))
    return rows


def typed_columns(
    given: Mapping[str, Any], types: Mapping[str, pa.DataType], rows: int, *, role: str, nullable: Collection[str] = ()
) -> dict[str, Column]:
    """Values of a request as columns of the declared types, in the order of `types`; null only where `nullable`.

    Raises
    ------
    RequestError
        If a name is missing or unknown, or a value is of another type; the message names both types and the row.
    """
    described = ", ".join(f"'{name}' ({json_type(type_)})" for name, type_ in types.items()) or "nothing"
    missing, unknown = [n for n in types if n not in given], [n for n in given if n not in types]
    if missing or unknown:
        problem, names = ("is missing", missing) if missing else ("is unknown", unknown)
        summary = f"{role.capitalize()} {', '.join(shown(name) for name in names)} {problem}."
        received = ", ".join(shown(name) for name in list(given)[:20]) or "nothing"
        code = "missing_key" if missing else "unknown_key"
        do = f"Give every {role}, and no other." if types else f"Leave every {role} out."
        raise RequestError(Problem(422, code, summary, described, received, None, do))
    return {name: _column(name, given[name], type_, rows, role, name in nullable) for name, type_ in types.items()}


def json_type(type_: pa.DataType) -> str:
    """What JSON must hold for an Arrow type; empty where no JSON value will do."""
    return next((name for fits, name, _ in _KINDS if fits(type_)), "")


def _column(name: str, given: Any, type_: pa.DataType, rows: int, role: str, nullable: bool) -> Column:
    read = next(read for fits, _, read in _KINDS if fits(type_))
    values = given if isinstance(given, list) else [given]
    column: Column = []
    for row, value in enumerate(values):
        try:
            if value is None and not nullable:
                raise _UnfitError("it is null")
            column.append(None if value is None else read(value, type_))
        except _UnfitError as error:
            where = f" at row {row}" if isinstance(given, list) else ""
            came = f"{shown(value)} ({_json_name(value)}){where}"
            raise RequestError(
                Problem(
                    422,
                    "wrong_type",
                    f"{role.capitalize()} '{name}' has a value that doesn't fit: {error}.",
                    f"{json_type(type_)} ({type_})" + (", or null" if nullable else ""),
                    came,
                    None,
                    f"Send '{name}' as {json_type(type_)}.",
                )
            ) from None
    return column if isinstance(given, list) else column * rows


class _UnfitError(Exception):
    """A value of another type."""


def _integer(value: object, type_: pa.DataType) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _UnfitError("it is not an integer")
    try:
        pa.scalar(value, type_)
    except (OverflowError, pa.ArrowInvalid):
        raise _UnfitError(f"it is out of range for {type_}") from None
    return value


def _number(value: object, _: pa.DataType) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _UnfitError("it is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _UnfitError("it is not a finite number")
    return number


def _text(value: object, _: pa.DataType) -> str:
    if not isinstance(value, str):
        raise _UnfitError("it is not a string")
    return value


def _truth(value: object, _: pa.DataType) -> bool:
    if not isinstance(value, bool):
        raise _UnfitError("it is not true or false")
    return value


def _instant(value: object, _: pa.DataType) -> datetime:
    """A time without zone means UTC."""
    if not isinstance(value, str):
        raise _UnfitError("it is not a string")
    try:
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _UnfitError("it is not an ISO 8601 time") from None


def _json_name(value: object) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], str, Callable[[object, pa.DataType], object]], ...] = (
    (pa.types.is_integer, "an integer", _integer),
    (pa.types.is_floating, "a number", _number),
    (pa.types.is_string, "a string", _text),
    (pa.types.is_boolean, "true or false", _truth),
    (pa.types.is_timestamp, "an ISO 8601 time such as '2017-12-25T18:00:00Z'", _instant),
)
