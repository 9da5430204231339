"""The encoder: one transformation, as data."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekeeper.artefact import CategoricalColumn, Encoder, LeftOut, NumericColumn, read_encoder
from storekeeper.errors import DataError, NotFoundError

ENCODER = Encoder(
    numeric=(
        NumericColumn("age"),
        NumericColumn("spend", "standard", log1p=True, center=1.0, scale=2.0, fill=0.25, indicator=True),
    ),
    categorical=(CategoricalColumn("shop", ("b", "a")), CategoricalColumn("size", ("small", "large"), "index")),
    left_out=(LeftOut("history", "a list is not encoded for tabular models"),),
)

# What the first version wrote for ENCODER.
FIRST_VERSION = """{
  "numeric": [
    {"name": "age", "kind": "raw", "log1p": false, "center": 0.0, "scale": 1.0, "fill": 0.0, "indicator": false},
    {"name": "spend", "kind": "standard", "log1p": true, "center": 1.0, "scale": 2.0, "fill": 0.25, "indicator": true}
  ],
  "categorical": [
    {"name": "shop", "vocabulary": ["b", "a"], "kind": "one_hot"},
    {"name": "size", "vocabulary": ["small", "large"], "kind": "index"}
  ],
  "left_out": [{"name": "history", "reason": "a list is not encoded for tabular models"}]
}"""

ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(-1e6, 1e6),
        st.none() | st.floats(-1e6, 1e6),
        st.none() | st.sampled_from(["a", "b", "unseen"]),
        st.none() | st.sampled_from(["small", "large", "huge"]),
    ),
    min_size=1,
    max_size=30,
)


def columns_of(rows: list[tuple[object, ...]]) -> dict[str, pa.Array]:
    types = (pa.float64(), pa.float64(), pa.string(), pa.string())
    values = list(zip(*rows, strict=True))
    names = ("age", "spend", "shop", "size")
    return {name: pa.array(values[at], types[at]) for at, name in enumerate(names)}


def test_values_by_hand() -> None:
    """Each kind of column encodes as its docstring says, nulls and unseen categories included."""
    columns = {
        "age": np.array([3, 4, 5]),
        "spend": [np.e - 1, None, -(np.e**3 - 1)],
        "shop": np.array(["a", None, "unseen"], dtype=object),
        "size": pa.array(["large", "unseen", None]),
    }
    expected = [
        [3, 0.0, 0, 0, 0, 1, 1],
        [4, 0.25, 1, 1, 0, 0, np.nan],
        [5, -2.0, 0, 1, 0, 0, np.nan],
    ]
    matrix = ENCODER.transform(columns)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, np.array(expected, dtype=np.float32), rtol=1e-6, atol=1e-7)
    assert ENCODER.output_names == ("age", "spend", "spend is null", "shop = other", "shop = b", "shop = a", "size")
    assert ENCODER.sources == ("age", "spend", "spend", "shop", "shop", "shop", "size")


@given(rows=ROWS, seed=st.integers(0, 2**32 - 1))
def test_rows_are_independent(rows: list[tuple[object, ...]], seed: int) -> None:
    """Shuffled rows encode to shuffled rows, and a row alone encodes as it does among others."""
    columns = columns_of(rows)
    matrix = ENCODER.transform(columns)
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = {name: values.take(pa.array(order)) for name, values in columns.items()}
    np.testing.assert_array_equal(ENCODER.transform(shuffled), matrix[order])
    alone = {name: values[:1] for name, values in columns.items()}
    np.testing.assert_array_equal(ENCODER.transform(alone), matrix[:1])


@given(rows=ROWS)
def test_containers_agree(rows: list[tuple[object, ...]]) -> None:
    """Arrow, chunked Arrow, lists and NumPy arrays of the same values give the same matrix."""
    columns = columns_of(rows)
    expected = ENCODER.transform(columns)
    lists = {name: values.to_pylist() for name, values in columns.items()}
    objects = {name: np.array(values, dtype=object) for name, values in lists.items()}
    chunked = {name: pa.chunked_array([values, values[:0]]) for name, values in columns.items()}
    for form in (lists, objects, chunked):
        np.testing.assert_array_equal(ENCODER.transform(form), expected)


def test_encoder_round_trip(tmp_path: Path) -> None:
    """An encoder read from its JSON is the encoder that was written."""
    ENCODER.write(tmp_path)
    assert read_encoder(tmp_path) == ENCODER
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.json"]


def test_encoders_of_the_first_version_are_read(tmp_path: Path) -> None:
    """A file written before there were corners, scores and buckets is read, and encodes as it did."""
    (tmp_path / "encoder.json").write_text(FIRST_VERSION, encoding="utf-8")
    encoder = read_encoder(tmp_path)
    assert encoder == ENCODER
    matrix = encoder.transform({"age": [3], "spend": [None], "shop": ["a"], "size": ["large"]})
    np.testing.assert_array_equal(matrix, [[3, 0.25, 1, 0, 0, 1, 1]])


def test_outputs_lie_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Numbers with several outputs come before the indicators and these before the categories, names alike."""
    encoder = Encoder(
        (
            NumericColumn("x", "piecewise_linear", indicator=True, corners=(0.0, 1.0, 3.0)),
            NumericColumn("y"),
            NumericColumn("z", "quantile", indicator=True, corners=(0.0, 1.0), scores=(-1.0, 1.0)),
        ),
        (CategoricalColumn("c", ("a",), buckets=2), CategoricalColumn("d", (), "index", 4)),
    )
    encoder.write(tmp_path)
    assert read_encoder(tmp_path) == encoder
    matrix = encoder.transform({"x": [2.0, None], "y": [5, 6], "z": [None, 0.75], "c": ["a", None], "d": [None, None]})
    names = "x bin 1,x bin 2,y,z,x is null,z is null,c = other,c = a,c = bucket 1,c = bucket 2,d"
    assert encoder.output_names == tuple(names.split(","))
    assert encoder.sources == ("x", "x", "y", "z", "x", "z", "c", "c", "c", "c", "d")
    np.testing.assert_allclose(
        matrix, [[1, 0.5, 5, 0, 0, 1, 0, 1, 0, 0, np.nan], [0, 0, 6, 0.5, 1, 0, 1, 0, 0, 0, np.nan]]
    )


def test_booleans_and_integers_are_numbers() -> None:
    """Booleans with nulls encode to 0, 1 and NaN; big integers keep their magnitude."""
    encoder = Encoder((NumericColumn("flag"), NumericColumn("id")))
    matrix = encoder.transform({"flag": pa.array([True, None, False]), "id": np.array([2**62, 1, 0])})
    np.testing.assert_array_equal(matrix[:, 0], np.array([1, np.nan, 0], dtype=np.float32))
    assert matrix[0, 1] == np.float32(2**62)


def test_extremes_stay_finite() -> None:
    """Infinities count as null, and a float64 beyond float32 is cut, not turned infinite."""
    encoder = Encoder((NumericColumn("x"), NumericColumn("y", "standard")))
    matrix = encoder.transform({"x": [np.inf, 1e300], "y": [-np.inf, 1e300]})
    assert np.isnan(matrix[0, 0])
    assert np.isfinite(matrix[1, 0])
    np.testing.assert_array_equal(matrix[:, 1], [0.0, 10.0])


def test_no_rows_encode_to_no_rows() -> None:
    """No rows encode to an empty matrix of the right width."""
    columns = {name: values[:0] for name, values in columns_of([(1.0, 1.0, "a", "small")]).items()}
    assert ENCODER.transform(columns).shape == (0, 7)


def test_missing_column_is_named() -> None:
    """A missing column is an error that names it and what came."""
    with pytest.raises(DataError, match=r"'shop', 'size', 'spend'.*Received: 'age'"):
        ENCODER.transform({"age": [1]})


def test_text_is_not_parsed_as_a_number() -> None:
    """Text in a numeric column is an error, even where it looks like a number."""
    with pytest.raises(DataError, match=r"'age' must hold numbers. Received: string"):
        ENCODER.transform({"age": ["3"], "spend": [1.0], "shop": ["a"], "size": ["small"]})


def test_a_float_is_no_category() -> None:
    """Floats in a categorical column are an error that names it."""
    with pytest.raises(DataError, match="'shop' must hold categories"):
        ENCODER.transform({"age": [3], "spend": [1.0], "shop": [1.5], "size": ["small"]})


def test_lengths_must_agree() -> None:
    """Columns of unequal length are an error that gives the lengths."""
    with pytest.raises(DataError, match="'age': 2"):
        ENCODER.transform({"age": [1, 2], "spend": [1.0], "shop": ["a"], "size": ["small"]})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "document"),
        ('{"numeric": [{"name": "a", "kind": "cubic"}]}', "numeric.0.kind"),
        ('{"numeric": [{"name": "a", "colour": "red"}]}', "numeric.0.colour"),
        ('{"numeric": [{"name": "a", "scale": 0}]}', "scale must be positive"),
        ('{"categorical": [{"name": "a"}]}', "needs a vocabulary or buckets"),
        ("{}", "at least one column"),
    ],
)
def test_damaged_encoders_are_refused(tmp_path: Path, content: str, fault: str) -> None:
    """An encoder file that is no encoder is refused with the fault's place."""
    (tmp_path / "encoder.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=fault):
        read_encoder(tmp_path)


def test_absent_encoder_lists_what_is_there(tmp_path: Path) -> None:
    """A folder without encoder is an error that lists its files."""
    (tmp_path / "model.onnx").touch()
    with pytest.raises(NotFoundError, match=r"No encoder.json.*'model.onnx'"):
        read_encoder(tmp_path)
