"""Words of columns that several views read: each is made once, and is what the column alone says."""

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.online import event_words
from storekeeper.online.event_words import SharedWords, column_words

TIME = pa.timestamp("us", "UTC")
COLUMNS = {
    ("whole", pa.int64()): pa.array([1, None, 3, 2**62, 5]),
    ("price", pa.float64()): pa.array([0.1, float("nan"), None, 3.0, 1e300]),
    ("price", pa.float32()): pa.array([0.1, float("nan"), None, 3.0, 1.5], pa.float32()),
    ("word", pa.string()): pa.array(["a", "", None, "a", "ä"]),
    ("moment", TIME): pa.array([0, None, 5, -1, 2**50], TIME),
}


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4], [1, 2, 4], []])
@pytest.mark.parametrize("step", [1, 2])
def test_some_rows_have_the_words_of_their_columns(kept: list[int], step: int) -> None:
    """Of all rows that are kept, or of some of them, in each type that a column has."""
    shared, rows = SharedWords(COLUMNS, np.array(kept, np.int64)), np.array(kept[::step], np.int64)
    for (name, type_), values in COLUMNS.items():
        column = pa.chunked_array([values.take(pa.array(rows))], type_)
        np.testing.assert_array_equal(shared.of(rows)(name, column), column_words(name, column))


def test_a_column_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many views read it; in another type it is another column."""
    seen, rows = [], np.arange(5)

    def watched(name: str, column: pa.ChunkedArray) -> np.ndarray:
        seen.append((name, column.type))
        return column_words(name, column)

    monkeypatch.setattr(event_words, "column_words", watched)
    shared = SharedWords(COLUMNS, rows)
    for chosen in (rows, rows[1:], rows[:2]):
        for (name, type_), values in COLUMNS.items():
            shared.of(chosen)(name, pa.chunked_array([values], type_))
    assert seen == list(COLUMNS)
