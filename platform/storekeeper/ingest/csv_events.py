"""Events as rows of a CSV, whose texts become what the columns of the history are."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO, TextIOWrapper
from typing import Any, BinaryIO

import pyarrow as pa

from storekeeper.definitions import plan_view
from storekeeper.errors import DataError
from storekeeper.history.columns import column_kind
from storekeeper.ingest.batch import Batch, Event, Refused
from storekeeper.ingest.expected import views_over
from storekeeper.online.pushing import history_types

_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_READ: dict[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "bool": lambda text: _TRUTHS[text.strip().lower()],
}


@dataclass(frozen=True)
class _Row:
    """A row: the line that it ends on, its fields, and what is wrong with it."""

    line: int
    fields: tuple[str, ...]
    problem: str = ""

    @property
    def text(self) -> str:
        buffer = StringIO()
        csv.writer(buffer, lineterminator="").writerow(self.fields)
        return buffer.getvalue()


def column_types(store: Any, source: str) -> dict[str, pa.DataType]:
    """Types of a push source's history, by a column's mapped name and its own."""
    plan = plan_view(views_over(store, source)[0])
    types = history_types(plan, store.config)
    return {**types, **{own: types[mapped] for own, mapped in plan.source.field_mapping.items() if mapped in types}}


def csv_batches(file: BinaryIO, name: str, types: Mapping[str, pa.DataType], size: int) -> Iterator[Batch]:
    """Batches of a CSV in UTF-8 with a header; an empty field is null, and places are line numbers.

    Parameters
    ----------
    types
        Column -> what its texts become; the others stay texts, and so does a text that can't become that.

    Raises
    ------
    DataError
        If it has no header, or names a column twice.
    """
    with TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text, strict=True)
        header = _header(reader, name)
        readers = {column: _READ.get(column_kind(types[column]), str) if column in types else str for column in header}
        held: list[_Row] = []
        for row in _rows(reader, len(header)):
            held.append(row)
            if len(held) >= size:
                yield _batch(held, readers)
                held = []
        if held:
            yield _batch(held, readers)


def _header(reader: Any, name: str) -> list[str]:
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise DataError(f"'{name}' has no header that can be read: {error}.") from error
    if not header or len(set(header)) < len(header):
        raise DataError(f"'{name}' must begin with a header that names each column once. Received: {header}.")
    return list(header)


def _rows(reader: Any, width: int) -> Iterator[_Row]:
    while True:
        try:
            fields = tuple(next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            yield _Row(reader.line_num, (), f"The line is not valid CSV: {error}.")
            continue
        wrong = len(fields) != width
        problem = f"The line has {len(fields)} fields, and the header has {width}." if wrong else ""
        if fields:
            yield _Row(reader.line_num, fields, problem)


def _batch(rows: list[_Row], readers: Mapping[str, Callable[[str], object]]) -> Batch:
    good = [row for row in rows if not row.problem]
    events: list[Event] = [
        {name: _value(read, field) for (name, read), field in zip(readers.items(), row.fields, strict=True)}
        for row in good
    ]
    unread = tuple(Refused(row.line, row.problem, row.text) for row in rows if row.problem)
    return Batch(events, [row.line for row in good], lambda number: good[number].text, unread)


def _value(read: Callable[[str], object], text: str) -> object:
    """The value of a field; a text that can't be read stays one, so that its row is refused with a reason."""
    if not text:
        return None
    try:
        return read(text)
    except (ValueError, KeyError):
        return text
