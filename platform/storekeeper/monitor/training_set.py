"""The training set that served vectors are held against: found by its hash, read column by column."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.errors import DataError, NotFoundError, UsageError, listing

DATA_FILE = "data.parquet"
MANIFEST_FILE = "manifest.json"
_HASH_DIGITS = 16


@dataclass(frozen=True)
class TrainingSet:
    """A built training set on disk.

    Attributes
    ----------
    task, dataset_hash, feature_service
        As its record says.
    path
        Its Parquet file.
    rows
        How many it has.
    columns
        Names of its columns.
    """

    task: str
    dataset_hash: str
    feature_service: str
    path: Path
    rows: int
    columns: tuple[str, ...]

    def column(self, name: str) -> pa.ChunkedArray | None:
        """One column, (n_rows,); None if there is none of this name.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        if name not in self.columns:
            return None
        try:
            return pq.ParquetFile(self.path).read(columns=[name]).column(name)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self.path, error) from error


def find_training_set(datasets_dir: Path, digits: str) -> TrainingSet:
    """The training set whose hash begins with some digits.

    Raises
    ------
    NotFoundError
        If there is none; the message lists those that exist.
    UsageError
        If there are several.
    DataError
        If it is damaged.
    """
    # Folders of writers that are at work, or were killed, begin with a dot.
    folders = sorted(path for path in datasets_dir.glob("*/*") if not path.name.startswith("."))
    fitting = [path for path in folders if digits and path.name.startswith(digits[:_HASH_DIGITS])]
    found = [one for one in map(_read, fitting) if one.dataset_hash.startswith(digits)]
    if len(found) > 1:
        raise UsageError(f"Several training sets begin with '{digits}'. Give more digits.")
    if not found:
        raise NotFoundError(
            f"There is no training set '{digits[:_HASH_DIGITS]}' in '{datasets_dir}'. There are: "
            f"{listing(path.name for path in folders)}. Build one: storekeeper dataset build TASK."
        )
    return found[0]


def _read(folder: Path) -> TrainingSet:
    manifest, path = _read_manifest(folder / MANIFEST_FILE), folder / DATA_FILE
    try:
        file = pq.ParquetFile(path)
        record = {name: str(manifest[name]) for name in ("task", "dataset_hash", "feature_service")}
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(path, error) from error
    return TrainingSet(**record, path=path, rows=file.metadata.num_rows, columns=tuple(file.schema_arrow.names))


def _read_manifest(path: Path) -> Mapping[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(manifest, dict):
        raise _damaged(path, TypeError("it is no record"))
    return manifest


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"The training set's '{path}' can't be read ({type(error).__name__}: {error}). Build it again: "
        f"storekeeper dataset build TASK --force."
    )
