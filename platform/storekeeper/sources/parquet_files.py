"""The Parquet files of a source as they are when it is opened: what is added or changed later can't mix with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from storekeeper.errors import SourceError
from storekeeper.sources.duckdb_reader import fetch, literal

#: File number, size and time of the last change, or None where the file is gone.
Mark = tuple[int, int, int] | None


@dataclass(frozen=True)
class ParquetFiles:
    """A file, or the files of a folder in the order of their paths, which DuckDB's own isn't for nested folders.

    Attributes
    ----------
    sql
        What stands after FROM.
    partitioned
        Whether folders name values (`key=value`). DuckDB then leaves files out by what a query asks for, and numbers
        those that remain: no number of a file outlasts its query.
    marks
        Each local file, and what tells it from another of its name.
    """

    sql: str
    partitioned: bool
    marks: tuple[tuple[str, Mark], ...]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, path: str) -> "ParquetFiles":
        """Look at a path once; nobody looks at remote ones."""
        if "://" in path:
            return cls(f"read_parquet({literal(path)})", "=" in path, ())
        if not Path(path).is_dir():
            return cls(f"read_parquet({literal(path)})", _names_values([path]), ((path, _mark(path)),))
        pattern = literal(f"{path}/**/*.parquet")
        found = fetch(connection, f"SELECT file FROM glob({pattern})", [])["file"].to_pylist()  # noqa: S608  (quoted)
        paths = sorted(found, key=lambda path: Path(path).parts)
        listed = f"[{', '.join(map(literal, paths))}]" if paths else pattern
        sql = f"read_parquet({listed}, hive_partitioning = true)"
        return cls(sql, _names_values(paths), tuple((path, _mark(path)) for path in paths))

    def refuse_changed(self) -> None:
        """Refuse files that are no longer those that were opened.

        Raises
        ------
        SourceError
            Naming the first of them.
        """
        for path, mark in self.marks:
            if _mark(path) != mark:
                raise SourceError(
                    f"The file '{path}' changed while the source was read. Run it again when nothing writes to it."
                )


def _mark(path: str) -> Mark:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _names_values(paths: Sequence[str]) -> bool:
    return any("=" in folder for path in paths for folder in Path(path).parts[:-1])
