"""Which files a `FileSource` names: a file, a folder, or a pattern such as `data/log/*.parquet`; all of one kind."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from storekeeper.errors import SourceError
from storekeeper.sources.access import file_place, file_roots
from storekeeper.sources.duckdb_reader import fetch, literal
from storekeeper.sources.file_order import CSV, PARQUET, files_below, in_order, is_named

_WILD = re.compile(r"[*?\[]")

#: File number, size and time of the last change, or None where the file is gone.
Mark = tuple[int, int, int] | None


@dataclass(frozen=True)
class SourceFiles:
    """Files as they are when a source is opened: what is added or changed later can't mix with them.

    Attributes
    ----------
    paths
        In the order of their rows; one that isn't on this machine may be a pattern.
    marks
        What tells each local file from another of its name.
    is_set
        Whether a folder or a pattern named them.
    """

    paths: tuple[str, ...]
    marks: tuple[Mark, ...]
    is_set: bool

    @cached_property
    def are_csv(self) -> bool:
        """Whether they are CSV files, by their names; else they are Parquet."""
        return is_named(self.paths[0], CSV)

    @property
    def partitioned(self) -> bool:
        """Whether folders name values (`key=value`)."""
        return any("=" in folder for path in self.paths for folder in Path(path).parts[:-1])

    @property
    def sql(self) -> str:
        """The files as a DuckDB reader takes them, each by its own name alone."""
        if not self.marks:
            return literal(self.paths[0])
        return f"[{', '.join(literal(_plain(path)) for path in self.paths)}]"

    def refuse_changed(self) -> None:
        """Refuse files that are no longer those that were opened.

        Raises
        ------
        SourceError
            Naming the first of them.
        """
        for path, mark in zip(self.paths, self.marks, strict=False):
            if mark_of(path) != mark:
                raise SourceError(
                    f"The file '{path}' changed while the source was read. Run it again when nothing writes to it."
                )


def files_of(source: FileSource, config: RepoConfig, connection: duckdb.DuckDBPyConnection) -> SourceFiles:
    """Look at a source's path once; nobody looks at remote ones.

    Raises
    ------
    SourceError
        If nothing is there, or CSV files lie beside Parquet files.
    """
    if "://" in source.path:
        return SourceFiles((source.path,), (), False)
    place = file_place(source, config)
    if place.is_file():
        return SourceFiles((str(place),), (mark_of(str(place)),), False)
    found = files_below(place, PARQUET + CSV) if place.is_dir() else _matching(source, config, connection)
    if not found:
        raise SourceError(f"Source '{source.name}': {_nothing(place)}")
    if len({is_named(path, CSV) for path in found}) > 1:
        raise SourceError(
            f"Source '{source.name}': '{source.path}' has CSV files beside Parquet files. A source is of one kind: "
            f"move the others away, or name one kind, as in path='{source.path}/*.parquet'."
        )
    return SourceFiles(tuple(found), tuple(map(mark_of, found)), True)


def mark_of(path: str) -> Mark:
    """What tells a file from another of its name."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _matching(source: FileSource, config: RepoConfig, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The files that match a pattern, as DuckDB and so Feast reads one; where a plain path starts, it starts too."""
    if not _WILD.search(source.path):
        return []
    for root in file_roots(config):
        pattern = literal(str(Path(_plain(str(root))) / source.path))
        found = fetch(connection, f"SELECT file FROM glob({pattern})", [])["file"].to_pylist()  # noqa: S608  (quoted)
        if found:
            return in_order(found)
    return []


def _plain(path: str) -> str:
    """A path as a pattern that nothing but the path itself matches."""
    return _WILD.sub(r"[\g<0>]", path)


def _nothing(place: Path) -> str:
    if place.is_dir():
        return f"no file in the folder '{place}' ends in one of {', '.join(PARQUET + CSV)}. Correct the source's path."
    return f"there is no file '{place}'. Correct its path, which starts at the project root."
