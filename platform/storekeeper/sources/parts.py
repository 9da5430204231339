"""Folders of Parquet parts: rows are added as new parts, and no part is ever changed."""

import os
import re
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

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_ROW = "__row__"
_NUMBERED = re.compile(r"(?P<stem>.*)~(?P<number>\d{9})-[0-9a-f]{8}")


def partition_keys(folder: Path) -> tuple[str, ...]:
    """Columns by which a folder is partitioned as Hive does (`key=value` folders); empty for a plain folder.

    Raises
    ------
    UsageError
        If the folder is itself one partition, or only some of its levels are partitions.
    """
    if any("=" in name for name in folder.parts):
        raise UsageError(f"'{folder}' is one partition of a table. Declare the table's own folder to append to it.")
    parts = _parts(folder)
    levels = parts[-1].relative_to(folder).parts[:-1] if parts else ()
    keys = tuple(name.partition("=")[0] for name in levels if "=" in name)
    if keys and len(keys) != len(levels):
        raise UsageError(
            f"'{folder}' mixes partitions (key=value) with other folders, so rows have no one place in it."
        )
    return keys


def append_parts(folder: Path, rows: pa.Table, keys: Sequence[str]) -> None:
    """Add rows to a folder as new parts, one for each combination of the partition columns.

    A part is written under a name that no reader takes for one, and renamed when whole. If anything goes wrong before
    the last is renamed, all are removed. A new part comes last in its folder's order, so that of equal event times its
    rows are the later ones (rule 4).

    Raises
    ------
    SourceError
        If a file can't be written.
    """
    if not rows.num_rows:
        return
    with _published() as publish:
        for place, part in _partitions(folder, rows, keys):
            publish(place, part)


@contextmanager
def _published() -> Iterator[Any]:
    """Write parts under temporary names; rename them at the end, or leave none."""
    written: list[tuple[Path, Path]] = []

    def write(place: Path, part: pa.Table) -> None:
        place.mkdir(parents=True, exist_ok=True)
        target = _next_part(place)
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


def _partitions(folder: Path, rows: pa.Table, keys: Sequence[str]) -> Iterator[tuple[Path, pa.Table]]:
    """Rows by the folder they belong in, in their order; partition columns live in its name alone."""
    if not keys:
        last = _parts(folder)[-1:]
        yield (last[0].parent if last else folder), rows
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


def _next_part(folder: Path) -> Path:
    """A name that sorts behind all parts of a folder."""
    last = max((path.stem for path in folder.glob("*.parquet")), default="part")
    found = _NUMBERED.fullmatch(last)
    stem, number = (found["stem"], int(found["number"])) if found else (last, 0)
    return folder / f"{stem}~{number + 1:09}-{uuid.uuid4().hex[:8]}.parquet"


def _parts(folder: Path) -> list[Path]:
    """Parts in the order in which DuckDB reads them: a folder's files before its folders, each by name."""

    def order(path: Path) -> list[tuple[bool, str]]:
        *folders, name = path.relative_to(folder).parts
        return [*((True, part) for part in folders), (False, name)]

    return sorted(folder.rglob("*.parquet"), key=order)
