"""Raw events over HTTP: a body in one of three types into a push source."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from pydantic_core import from_json

from storekeeper.errors import DataError
from storekeeper.ingest.batch import Batch, Refused
from storekeeper.ingest.json_events import read_batch
from storekeeper.ingest.pusher import EventPusher
from storekeeper.ingest.tables import row_texts
from storekeeper.push import PushSourceNotFoundError
from storekeeper.store import FeatureStore
from storekeeper_serving.problems import Problem, RequestError, malformed, shown
from storekeeper_serving.schemas import PushAnswer, RejectedEvent

NDJSON, JSON, ARROW = "application/x-ndjson", "application/json", "application/vnd.apache.arrow.stream"

# A purchase line of the demo's shop.
_EXAMPLE = {
    "customer_id": 7, "event_time": "2017-12-24T17:30:00Z", "product_id": 819, "category": "CHEESE",
    "department": "GROCERY", "basket_id": 31, "store_id": 4, "quantity": 1, "amount_cents": 249, "saved_cents": 0,
    "unit_price_cents": 249.0, "discount_share": 0.0,
}  # fmt: skip
_NEEDED = "The columns that a source's views need; a refused event names them."


def push_body(store: FeatureStore, source: str, content_type: str, body: bytes) -> PushAnswer:
    """Push a body's events; when this returns, those that were accepted are committed.

    Raises
    ------
    RequestError
        404 where there is no such push source, 415 where the type is none of the three, 422 where the body isn't what
        it says it is, or a table lacks a column.
    SourceError
        If state can't be written.
    """
    pusher = _pusher(store, source)
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _READERS:
        problem = Problem(
            415, "unsupported_type", "Events of this content type can't be read.", "one of the types that there are",
            shown(content_type) if content_type else "no Content-Type", list(_READERS), "Set the Content-Type.",
        )  # fmt: skip
        raise RequestError(problem)
    batch = _READERS[kind](body)
    try:
        pushed = pusher.push_batch(batch)
    except DataError as error:
        raise RequestError(Problem(422, "unfit_events", str(error))) from error
    rejected = [RejectedEvent(row=int(one.place), reason=one.reason) for one in pushed.refused]
    return PushAnswer(accepted=pushed.accepted, duplicates=pushed.duplicates, rejected=rejected)


def body_types() -> dict[str, Any]:
    """The body's types for the OpenAPI page, with examples."""
    event = {"type": "object", "description": _NEEDED, "example": _EXAMPLE}
    return {
        "required": True,
        "content": {
            NDJSON: {
                "schema": {"type": "string", "description": f"A JSON object a line. {_NEEDED}"},
                "examples": {"purchases": {"value": json.dumps(_EXAMPLE) + "\n"}},
            },
            JSON: {
                "schema": {"type": "array", "items": event},
                "examples": {"purchases": {"value": [_EXAMPLE]}},
            },
            ARROW: {"schema": {"type": "string", "format": "binary", "description": f"An Arrow IPC stream. {_NEEDED}"}},
        },
    }


def _pusher(store: FeatureStore, source: str) -> EventPusher:
    try:
        return EventPusher(store, source)
    except PushSourceNotFoundError as error:
        raise RequestError(Problem(404, "unknown_source", str(error))) from error


def _lines(body: bytes) -> Batch:
    lines = [(row, line) for row, line in enumerate(body.split(b"\n")) if line.strip()]
    return read_batch([row for row, _ in lines], [line for _, line in lines])


def _objects(body: bytes) -> Batch:
    try:
        content = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise malformed(f"The body is not valid JSON: {error}.", expected="a list of objects") from None
    if not isinstance(content, list):
        raise malformed("The body must be a JSON list.", expected="a list of objects", received=shown(content))
    rows = [row for row, event in enumerate(content) if isinstance(event, dict)]
    strange = [(row, event) for row, event in enumerate(content) if not isinstance(event, dict)]
    unread = [Refused(row, f"The event is no JSON object: {shown(event)}.", "") for row, event in strange]
    return Batch([content[row] for row in rows], rows, lambda row: repr(content[rows[row]]), tuple(unread))


def _table(body: bytes) -> Batch:
    try:
        with pa.ipc.open_stream(io.BytesIO(body)) as reader:
            rows = reader.read_all()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, EOFError, OSError) as error:
        raise malformed(f"The body can't be read as an Arrow stream: {error}.") from None
    return Batch(rows, range(rows.num_rows), row_texts(rows))


_READERS: Mapping[str, Callable[[bytes], Batch]] = {NDJSON: _lines, JSON: _objects, ARROW: _table}
