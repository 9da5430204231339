"""Encoder: columns to the matrix that a model reads, the same for training and serving.

It is data only. Fitting lives with training; here is the one transformation.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

from storekeeper.artefact.categorical_column import CategoricalColumn
from storekeeper.artefact.columns import Columns, as_floats, as_strings, require_columns
from storekeeper.artefact.document import read_document, write_document
from storekeeper.artefact.numeric_column import NumericBlock, NumericColumn
from storekeeper.errors import DataError

ENCODER_FILE = "encoder.json"

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LeftOut:
    """A column that the model does not read, and why."""

    name: str
    reason: str

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Encoder:
    """Columns to matrix, as data.

    The outputs are, in order: those of each numeric column, one for each null indicator, then the categories; or
    those of each part.

    Attributes
    ----------
    numeric, categorical
        What is read and how.
    left_out
        What was in the dataset and is not read.
    parts
        Encoders whose matrices stand side by side, of several models that are one: then nothing else is read.
    """

    numeric: tuple[NumericColumn, ...] = ()
    categorical: tuple[CategoricalColumn, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    parts: tuple["Encoder", ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse an encoder whose outputs would be undefined."""
        names = [*(column.name for column in self.numeric), *(column.name for column in self.categorical)]
        if bool(names) == bool(self.parts) or len(set(names)) != len(names):
            raise DataError(
                f"An encoder reads at least one column, each once, or else has parts. "
                f"Received: {names} and {len(self.parts)} parts."
            )

    @property
    def input_names(self) -> tuple[str, ...]:
        """The columns that `transform` needs, in order."""
        names = [*(column.name for column in self.numeric), *(column.name for column in self.categorical)]
        return tuple(dict.fromkeys([*names, *(name for part in self.parts for name in part.input_names)]))

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The name of each column of the matrix."""
        names = [name for column in self.numeric for name in column.output_names]
        names += [f"{column.name} is null" for column in self.numeric if column.indicator]
        names += [name for column in self.categorical for name in column.output_names]
        return (*names, *(name for part in self.parts for name in part.output_names))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """For each column of the matrix, the input that it comes from."""
        names = [column.name for column in self.numeric for _ in range(column.width)]
        names += [column.name for column in self.numeric if column.indicator]
        names += [column.name for column in self.categorical for _ in range(column.width)]
        return (*names, *(name for part in self.parts for name in part.sources))

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
        if self.parts:
            return np.hstack([part.transform(columns) for part in self.parts])
        matrix = np.zeros((n_rows, len(self.output_names)), dtype=np.float32)
        at = self._fill_numeric(columns, matrix) if self.numeric else 0
        for column in self.categorical:
            column.fill(as_strings(columns[column.name], column.name), matrix[:, at : at + column.width])
            at += column.width
        return matrix

    def write(self, folder: Path) -> None:
        """Write `encoder.json` into an artefact's folder."""
        write_document(folder / ENCODER_FILE, self)

    @cached_property
    def _block(self) -> NumericBlock:
        return NumericBlock(self.numeric)

    def _fill_numeric(self, columns: Columns, matrix: Matrix) -> int:
        """Write the numeric outputs and their indicators; returns how many these are."""
        block = self._block
        values = np.empty((len(matrix), len(self.numeric)), dtype=np.float64)
        for at, column in enumerate(self.numeric):
            values[:, at] = as_floats(columns[column.name], column.name)
        end = block.width + len(block.indicators)
        matrix[:, block.width : end] = np.isnan(values[:, block.indicators])
        block.fill(values, matrix[:, : block.width])
        return end


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
