"""The folder of a training set: whole under its name, or not there at all."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storekeeper.errors import DataError
from storekeeper.processes import is_running
from storekeeper_training.dataset import ALLOWED_LINTS, DATA_FILE, MANIFEST_FILE

_LEFTOVER = re.compile(r"\.\w+\.(?P<pid>\d+)\.(partial|replaced)")


def write_dataset(folder: Path, table: pa.Table, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write a training set under a temporary name, then rename it; returns the manifest with the file's own hash.

    An error, an interruption or a killed process leaves nothing half-written under the final name; what killed
    writers left beside it is removed by the next one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder.parent)
    partial, replaced = (folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("partial", "replaced"))
    partial.mkdir()
    try:
        pq.write_table(table, partial / DATA_FILE)
        manifest = manifest | {ALLOWED_LINTS: [], "file_hash": _file_hash(partial / DATA_FILE)}
        _write_manifest(partial, manifest)
        # Removing a folder takes several steps, renaming it one.
        with suppress(FileNotFoundError):
            folder.rename(replaced)
        partial.rename(folder)
        return manifest
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def kept_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a training set that is there, whole to the last byte; None otherwise."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        if pq.read_metadata(folder / DATA_FILE).num_rows != manifest["rows"]:
            return None
        return manifest if _file_hash(folder / DATA_FILE) == manifest["file_hash"] else None
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None


def note_allowed(folder: Path, lints: Collection[str]) -> None:
    """Add lints whose errors were let pass to a training set's manifest, so that whoever reads it sees them.

    Raises
    ------
    DataError
        If the manifest can't be read or written.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        noted = sorted({*manifest.get(ALLOWED_LINTS, ()), *lints})
        if noted != manifest.get(ALLOWED_LINTS, []):
            _write_manifest(folder, manifest | {ALLOWED_LINTS: noted})
    except (OSError, ValueError) as error:
        raise DataError(
            f"That lints were allowed can't be noted in '{path}': {error}. Make it writable, or build the dataset "
            f"again: storekeeper dataset build --force."
        ) from error


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    part = folder / f".{MANIFEST_FILE}.{os.getpid()}.partial"
    part.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / MANIFEST_FILE)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_leftovers(home: Path) -> None:
    """Remove the temporary folders of writers that are no longer running."""
    for path in home.iterdir():
        match = _LEFTOVER.fullmatch(path.name)
        if match and not is_running(int(match["pid"])):
            shutil.rmtree(path, ignore_errors=True)
