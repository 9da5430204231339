"""Served vectors as the audit looks at them: with their times, and what was true when they were served."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storekeeper.audit.log import EVIDENCE, RECORDED_AT, RUN, SERVED_AT, Evidence
from storekeeper.audit.log.evidence import parse_evidence
from storekeeper.history.columns import times_us


@dataclass(frozen=True)
class ServedRows:
    """Some vectors.

    Attributes
    ----------
    table
        All columns of the log.
    """

    table: pa.Table

    def __len__(self) -> int:
        """How many vectors."""
        return int(self.table.num_rows)

    def take(self, rows: np.ndarray) -> Self:
        """Those at some positions."""
        return type(self)(self.table.take(pa.array(rows, pa.int64())))

    @cached_property
    def at_us(self) -> np.ndarray:
        """When they were served, by the clock; (n_rows,) int64."""
        return times_us(SERVED_AT, self.table.column(SERVED_AT))

    @cached_property
    def recorded_us(self) -> np.ndarray:
        """When they were served, by wall time, as far as that was recorded; else as `at_us`."""
        if RECORDED_AT not in self.table.column_names:
            return self.at_us
        return times_us(RECORDED_AT, self.table.column(RECORDED_AT), fallback=self.at_us)

    @cached_property
    def circumstances(self) -> tuple[Evidence | None, ...]:
        """The distinct evidence among the vectors; None stands for vectors without."""
        return tuple(parse_evidence(text) if text else None for text in self._texts.dictionary.to_pylist())

    @cached_property
    def circumstance_of(self) -> np.ndarray:
        """(n_rows,) int64: which of `circumstances` each vector was served under."""
        return np.asarray(self._texts.indices.to_numpy(zero_copy_only=False)).astype(np.int64)

    @cached_property
    def run_of(self) -> np.ndarray:
        """(n_rows,) int64: which process served each vector, numbered from 0."""
        runs = self.table.column(RUN).combine_chunks().dictionary_encode()
        return np.asarray(runs.indices.to_numpy(zero_copy_only=False)).astype(np.int64)

    def evidence(self, row: int) -> Evidence | None:
        """What was true when one of them was served."""
        place = int(self.circumstance_of[row])
        return self.circumstances[place]

    @cached_property
    def _texts(self) -> pa.DictionaryArray:
        if EVIDENCE in self.table.column_names:
            column = pc.fill_null(self.table.column(EVIDENCE).cast(pa.string()), "")
        else:
            column = pa.chunked_array([pa.repeat(pa.scalar(""), len(self))])
        return column.combine_chunks().dictionary_encode()
