"""Folders of Parquet parts: rows are added as new parts, and no part is ever changed."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.errors import SourceError, UsageError
from storekeeper.sources.file_order import PARQUET, append_number, appended_name, files_below, is_named

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_ROW = "__row__"


def partition_keys(folder: Path) -> tuple[str, ...]:
    """Columns by which a folder is partitioned as Hive does (`key=value` folders); empty for a plain folder.

    Raises
    ------
    UsageError
        If the folder is itself one partition, or only some of its levels are partitions.
    """
    if any("=" in name for name in folder.parts):
        raise UsageError(f"'{folder}' is one partition of a table. Declare the table's own folder to append to it.")
    parts = files_below(folder, PARQUET)
    levels = Path(parts[-1]).relative_to(folder).parts[:-1] if parts else ()
    keys = tuple(name.partition("=")[0] for name in levels if "=" in name)
    if keys and len(keys) != len(levels):
        raise UsageError(
            f"'{folder}' mixes partitions (key=value) with other folders, so rows have no one place in it."
        )
    return keys


def append_parts(folder: Path, rows: pa.Table, keys: Sequence[str]) -> None:
    """Add rows to a folder as new parts, one for each combination of the partition columns.

    A part is written under a name that no reader takes for one, and renamed when whole. If anything goes wrong before
    the last is renamed, all are removed. New parts come last in the folder's order (`file_order`), so that of equal
    event times their rows are the later ones (rule 4).

    Raises
    ------
    SourceError
        If a file can't be written.
    """
    if not rows.num_rows:
        return
    files = files_below(folder, PARQUET)
    number = max(map(append_number, files), default=0) + 1
    with _published(number) as publish:
        for place, part in _partitions(folder, files, rows, keys):
            publish(place, part)


@contextmanager
def _published(number: int) -> Iterator[Any]:
    """Write parts under temporary names; rename them at the end, or leave none."""
    written: list[tuple[Path, Path]] = []

    def write(place: Path, part: pa.Table) -> None:
        place.mkdir(parents=True, exist_ok=True)
        target = _next_part(place, number)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        written.append((partial, target))
        pq.write_table(part, partial)

    try:
        yield write
        for partial, target in written:
            partial.replace(target)
    except BaseException as error:
        for path in (path for pair in written for path in pair):
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SourceError(f"Rows can't be written: {error}. Nothing was appended.") from error
        raise


def _partitions(
    folder: Path, files: Sequence[str], rows: pa.Table, keys: Sequence[str]
) -> Iterator[tuple[Path, pa.Table]]:
    """Rows by the folder they belong in, in their order; partition columns live in its name alone."""
    if not keys:
        yield max((Path(file) for file in files), key=lambda path: path.parts, default=folder / "part").parent, rows
        return
    numbered = rows.select(list(keys)).append_column(_ROW, pa.array(range(rows.num_rows), pa.int64()))
    groups = numbered.group_by(list(keys), use_threads=False).aggregate([(_ROW, "list")])
    for group in groups.to_pylist():
        place = folder.joinpath(*(f"{key}={_partition_value(group[key])}" for key in keys))
        yield place, rows.take(group[f"{_ROW}_list"]).drop_columns(list(keys))


def _partition_value(value: Any) -> str:
    if value is None:
        return _NULL_PARTITION
    return value.isoformat() if isinstance(value, date) else quote(str(value), safe="")


def _next_part(folder: Path, number: int) -> Path:
    names = [path.name for path in folder.iterdir() if is_named(path, PARQUET)]
    return folder / appended_name(number, uuid.uuid4().hex[:8], max(names, default=None))
