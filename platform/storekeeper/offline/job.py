"""Feast's handle on a retrieval: nothing runs until a result is asked for, and then once."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from storekeeper.definitions.on_demand_views import ExactView
from storekeeper.errors import UsageError

BATCH_ROWS = 131_072
_NULLABLE: dict[pa.DataType, Any] = {
    pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}  # fmt: skip


class HistoryRetrievalJob(RetrievalJob):
    """A retrieval through the kernel.

    Parameters
    ----------
    compute
        Makes the table, slice by slice; at least one.
    metadata
        What Feast wants to know about the retrieval, or None.
    on_demand
        Transformations that Feast applies to the table; their features come in the types that are declared.
    index
        The pandas index that `to_df` gives its rows.
    """

    def __init__(
        self,
        compute: Callable[[], Iterator[pa.Table]],
        *,
        full_feature_names: bool = False,
        on_demand: Sequence[OnDemandFeatureView] = (),
        metadata: Callable[[], RetrievalMetadata | None] = lambda: None,
        index: pd.Index | None = None,
        home: Path | None = None,
    ) -> None:
        self._compute = compute
        self._full_feature_names = full_feature_names
        self._on_demand: list[OnDemandFeatureView] = [ExactView.of(view) for view in on_demand]
        self._metadata = metadata
        self._index = index
        self._home = home
        self._result: pa.Table | None = None

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002  (Feast's signature)
        if self._result is None:
            self._result = pa.concat_tables(self._compute())
        return self._result

    def to_record_batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The result with all its transformations, some rows at a time: it is never in memory whole.

        The history of each view is read once for as many rows as the memory limit allows. All batches have one schema,
        that of `to_arrow`.
        """
        metadata = self._metadata()
        for part in [self._result] if self._result is not None else self._compute():
            whole = HistoryRetrievalJob(
                partial(iter, [part]),
                full_feature_names=self._full_feature_names,
                on_demand=self._on_demand,
                metadata=lambda: metadata,
            )
            table = whole.to_arrow()
            yield from table.to_batches(rows) or [pa.RecordBatch.from_pylist([], schema=table.schema)]

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return to_frame(self._to_arrow_internal(timeout))

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """The result as pandas: the spine's index, and nullable integers exact (`Int64`) instead of floats."""
        frame = to_frame(self.to_arrow(validation_reference=validation_reference, timeout=timeout))
        return frame if self._index is None else frame.set_index(self._index)

    def to_tensor(
        self, kind: str = "torch", default_value: Any = float("nan"), timeout: int | None = None
    ) -> dict[str, Any]:
        """As Feast's. Integers with nulls become float64, since NaN fits in no integer, unless the default is one."""
        frame = self.to_df(timeout=timeout)
        if not isinstance(default_value, int):
            exact = [name for name, dtype in frame.dtypes.items() if dtype in _NULLABLE.values()]
            frame = frame.astype(dict.fromkeys(exact, "float64"))
        # Feast's method asks its job for nothing but the frame.
        job: Any = SimpleNamespace(to_df=lambda timeout: frame)  # noqa: ARG005
        tensors: dict[str, Any] = RetrievalJob.to_tensor(job, kind, default_value, timeout)
        return tensors

    @property
    def full_feature_names(self) -> bool:
        """Whether feature names carry their view's name."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Transformations that Feast applies."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Features, keys and time range of the retrieval."""
        return self._metadata()

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:  # noqa: ARG002
        """Write the result to a Parquet file, under a temporary name first.

        Raises
        ------
        UsageError
            If the storage isn't a file, or exists and may not be overwritten.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise UsageError(
                f"Saved datasets go to a SavedDatasetFileStorage (Parquet). Received: {type(storage).__name__}."
            )
        path = Path(storage.file_options.uri)
        target = path if path.is_absolute() or self._home is None else self._home / path
        if target.exists() and not allow_overwrite:
            raise UsageError(f"'{target}' exists. Choose another path, or pass allow_overwrite=True.")
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            write_batches(self.to_record_batches(), unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def write_batches(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    """Write batches of one schema, at least one of them, to a Parquet file as they come; returns how many rows."""
    first = next(batches)
    rows = int(first.num_rows)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
            rows += int(batch.num_rows)
    return rows


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Arrow to pandas; integer columns with nulls become `Int64`, which loses no digit beyond 2^53."""
    nullable = {
        field.name
        for field, column in zip(table.schema, table.columns, strict=True)
        if pa.types.is_integer(field.type) and column.null_count
    }
    plain = table.select([name for name in table.column_names if name not in nullable]).to_pandas()
    exact = table.select([name for name in table.column_names if name in nullable]).to_pandas(
        types_mapper=_NULLABLE.get
    )
    frame: pd.DataFrame = pd.concat([plain, exact], axis=1)[table.column_names] if nullable else plain
    return frame
