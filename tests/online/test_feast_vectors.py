"""Vectors that are written as bytes are those that Feast's own objects make."""

from typing import Any

import numpy as np
import pyarrow as pa
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType
from hypothesis import given
from hypothesis import strategies as st

from oracle.shops import examples
from storekeeper.online.compiled.columns import values_of
from storekeeper.online.feast_vectors import wire_rows, wire_vectors

KINDS: dict[ValueType, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    ValueType.DOUBLE: (pa.float64(), st.floats(allow_nan=False)),
    ValueType.FLOAT: (pa.float32(), st.floats(width=32, allow_nan=False)),
    ValueType.INT64: (pa.int64(), st.sampled_from([0, 1, 127, 128, 2**35, 2**63 - 1, -1, -(2**63)])),
    ValueType.INT32: (pa.int32(), st.sampled_from([0, 5, 300, 2**31 - 1, -1, -(2**31)])),
    ValueType.BOOL: (pa.bool_(), st.booleans()),
    ValueType.STRING: (pa.string(), st.sampled_from(["", "ä", "word" * 50])),
    ValueType.BYTES: (pa.binary(), st.binary(max_size=3)),
}


@st.composite
def vectors(draw: st.DrawFn) -> tuple[int, list[tuple[ValueType, list[Any]]]]:
    """Features of any types, in any order, of the same number of rows."""
    rows = draw(st.integers(0, 4))
    kinds = draw(st.lists(st.sampled_from([*KINDS]), max_size=8))
    return rows, [(kind, draw(st.lists(st.none() | KINDS[kind][1], min_size=rows, max_size=rows))) for kind in kinds]


@given(vectors())
@examples(3)
def test_bytes_are_what_feasts_objects_say(drawn: tuple[int, list[tuple[ValueType, list[Any]]]]) -> None:
    """Every type, null and row: the response read from bytes is the one that is put together object by object."""
    rows, features = drawn
    seen, times = np.arange(rows) % 3 != 1, np.arange(rows) * 1_000_003 - 1
    expected = GetOnlineFeaturesResponse()
    for kind, values in features:
        vector = expected.results.add()
        vector.values.extend(python_values_to_proto_values(values, kind))
        for is_seen, at in zip(seen.tolist(), times.tolist(), strict=True):
            vector.statuses.append(FieldStatus.PRESENT if is_seen else FieldStatus.NOT_FOUND)
            stamp = vector.event_timestamps.add()
            if is_seen:
                stamp.FromMicroseconds(at)
    found = GetOnlineFeaturesResponse()
    columns = [values_of(pa.array(values, KINDS[kind][0])) for kind, values in features]
    types = [kind for kind, _ in features]
    found.MergeFromString(wire_vectors(columns, [KINDS[kind][0] for kind in types], types, wire_rows(seen, times)))
    assert found == expected


def test_vectors_come_behind_those_that_there_are() -> None:
    """A second view's features follow the first's."""
    response, column = GetOnlineFeaturesResponse(), values_of(pa.array([7]))
    for _ in range(2):
        response.MergeFromString(wire_vectors([column], [pa.int64()], [ValueType.INT64], wire_rows(None, [0])))
    assert [vector.values[0].int64_val for vector in response.results] == [7, 7]
