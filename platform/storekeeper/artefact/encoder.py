"""Encoder: columns to the matrix that a model reads, the same for training and serving.

It is data only. Fitting lives with training; here is the one transformation.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict

from storekeeper.artefact.columns import Columns, as_floats, as_strings, require_columns
from storekeeper.artefact.document import read_document, write_document
from storekeeper.errors import DataError

ENCODER_FILE = "encoder.json"

Matrix = npt.NDArray[np.float32]

# A value hundreds of deviations out, never met in training, must not drive a linear model or a network.
CLIP_DEVIATIONS = 10.0

# Beyond this a float64 would turn infinite in the float32 matrix.
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NumericColumn:
    """How one number is encoded: optionally log, then `(x - center) / scale`, then nulls filled.

    Attributes
    ----------
    name
        The column.
    kind
        `raw` passes the value through, null as NaN (for trees); `standard` centres, scales, clips and fills.
    log1p
        Take `sign(x) * log1p(|x|)` first: for heavy-tailed amounts and counts.
    center, scale
        Mean and standard deviation on the training rows, after the logarithm.
    fill
        What stands for null, after scaling: the training median.
    indicator
        Whether a second output says 1 where the value is null.
    """

    name: str
    kind: Literal["raw", "standard"] = "raw"
    log1p: bool = False
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    indicator: bool = False

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class CategoricalColumn:
    """How one category is encoded, by a vocabulary fixed in training.

    Attributes
    ----------
    name
        The column.
    vocabulary
        The known values, in the order that the fit gave them. The rare and the unseen count as null.
    kind
        `one_hot`: an output for null, then one a value. `index`: one output with the value's position, null as NaN.
    """

    name: str
    vocabulary: tuple[str, ...]
    kind: Literal["one_hot", "index"] = "one_hot"

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def width(self) -> int:
        """How many outputs it fills."""
        return 1 if self.kind == "index" else len(self.vocabulary) + 1

    @cached_property
    def values(self) -> pa.Array:
        """The vocabulary as an Arrow array."""
        return pa.array(self.vocabulary, pa.string())


@dataclass(frozen=True)
class LeftOut:
    """A column that the model does not read, and why."""

    name: str
    reason: str

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Encoder:
    """Columns to matrix, as data.

    The outputs are, in order: one for each numeric column, one for each null indicator, then the categories.

    Attributes
    ----------
    numeric, categorical
        What is read and how.
    left_out
        What was in the dataset and is not read.
    """

    numeric: tuple[NumericColumn, ...] = ()
    categorical: tuple[CategoricalColumn, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse an encoder whose outputs would be undefined."""
        names = self.input_names
        if not names or len(set(names)) != len(names):
            raise DataError(f"An encoder reads at least one column, each once. Received: {list(names)}.")
        if bad := [column.name for column in self.numeric if not column.scale > 0]:
            raise DataError(f"scale must be positive. It is not for: {bad}.")

    @property
    def input_names(self) -> tuple[str, ...]:
        """The columns that `transform` needs, in order."""
        return (*(column.name for column in self.numeric), *(column.name for column in self.categorical))

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The name of each column of the matrix."""
        names = [column.name for column in self.numeric]
        names += [f"{column.name} is null" for column in self.numeric if column.indicator]
        for column in self.categorical:
            slots = ("other", *column.vocabulary)
            names += [column.name] if column.kind == "index" else [f"{column.name} = {slot}" for slot in slots]
        return tuple(names)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """For each column of the matrix, the input that it comes from."""
        names = [column.name for column in self.numeric]
        names += [column.name for column in self.numeric if column.indicator]
        for column in self.categorical:
            names += [column.name] * column.width
        return tuple(names)

    def transform(self, columns: Columns) -> Matrix:
        """Encode rows.

        Parameters
        ----------
        columns
            Each input by name: NumPy array, Arrow array or list, nulls allowed, all of length n_rows. Others are
            ignored.

        Returns
        -------
        (n_rows, n_encoded) float32
            In the order of the rows; each row depends on itself alone. NaN only for nulls of `raw` numbers and of
            `index` categories.

        Raises
        ------
        DataError
            If a column is missing, of another length, or of a kind that can't be encoded.
        """
        n_rows = require_columns(columns, self.input_names)
        matrix = np.zeros((n_rows, len(self.output_names)), dtype=np.float32)
        n_numeric = len(self.numeric)
        if n_numeric:
            self._fill_numeric(columns, matrix)
        at = n_numeric + len(self._indicators)
        for column in self.categorical:
            _fill_category(column, columns, matrix[:, at : at + column.width])
            at += column.width
        return matrix

    def write(self, folder: Path) -> None:
        """Write `encoder.json` into an artefact's folder."""
        write_document(folder / ENCODER_FILE, self)

    @cached_property
    def _indicators(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero([column.indicator for column in self.numeric])

    @cached_property
    def _logs(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero([column.log1p for column in self.numeric])

    @cached_property
    def _standard(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero([column.kind == "standard" for column in self.numeric])

    @cached_property
    def _scaling(self) -> npt.NDArray[np.float64]:
        """`(3, n_standard)`: centers, scales and fills."""
        chosen = [self.numeric[i] for i in self._standard]
        return np.array([[c.center, c.scale, c.fill] for c in chosen], dtype=np.float64).T

    def _fill_numeric(self, columns: Columns, matrix: Matrix) -> None:
        """Write the numeric outputs and their indicators; whole blocks at once, so that one row is quick too."""
        n_numeric, indicators = len(self.numeric), self._indicators
        values = np.empty((len(matrix), n_numeric), dtype=np.float64)
        for at, column in enumerate(self.numeric):
            values[:, at] = as_floats(columns[column.name], column.name)
        matrix[:, n_numeric : n_numeric + len(indicators)] = np.isnan(values[:, indicators])
        if len(logs := self._logs):
            values[:, logs] = np.sign(values[:, logs]) * np.log1p(np.abs(values[:, logs]))
        if len(standard := self._standard):
            center, scale, fill = self._scaling
            scaled = np.clip((values[:, standard] - center) / scale, -CLIP_DEVIATIONS, CLIP_DEVIATIONS)
            values[:, standard] = np.where(np.isnan(scaled), fill, scaled)
        matrix[:, :n_numeric] = np.clip(values, -_LARGEST, _LARGEST)


def _fill_category(column: CategoricalColumn, columns: Columns, target: Matrix) -> None:
    """Write one category's outputs into its slice of the matrix."""
    texts = as_strings(columns[column.name], column.name)
    known = pc.index_in(texts, value_set=column.values)
    if column.kind == "index":
        target[:, 0] = known.cast(pa.float32()).to_numpy(zero_copy_only=False)
    else:
        slots = pc.fill_null(known, -1).to_numpy(zero_copy_only=False) + 1
        target[np.arange(len(slots)), slots] = 1.0


def read_encoder(folder: Path) -> Encoder:
    """Read and validate an artefact's encoder.

    Raises
    ------
    NotFoundError
        If the folder holds none.
    DataError
        If a field is missing, unknown or of another type.
    """
    return read_document(folder / ENCODER_FILE, Encoder)
