"""CSV files as one table whose columns are of the types that all of their values have.

The first line names the columns. An unquoted empty field is null; a quoted one, `""`, is an empty text, or null in a
column of another type. DuckDB by itself looks at the first rows only, and rounds 1.5 to 2 where those held integers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import duckdb

from storekeeper.errors import SourceError, listing
from storekeeper.sources.duckdb_reader import fetch, literal, quote
from storekeeper.sources.source_files import Mark, SourceFiles

_TEXT, _NULL = "VARCHAR", "NULL"
# Each holds the values of those before it; `HUGEINT` columns are int64 to the kernel, or an error.
_WIDENING = (("BIGINT", "HUGEINT", "DOUBLE"), ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"))
_STANDARD = """header = true, quote = '"', escape = '"', comment = ''"""


@dataclass(frozen=True)
class CsvColumns:
    """What all rows of a file tell.

    Attributes
    ----------
    delimiter
        Between fields.
    types
        DuckDB's type for each column, in order; `NULL` where there is no value.
    quoted
        Columns not of text in which some values are a quoted nothing.
    formats
        How dates and timestamps are written, where it isn't ISO 8601, as options of DuckDB's.
    """

    delimiter: str
    types: dict[str, str]
    quoted: frozenset[str]
    formats: tuple[str, ...]


def csv_sql(
    connection: duckdb.DuckDBPyConnection, files: SourceFiles, known: dict[tuple[str, Mark], CsvColumns]
) -> str:
    """What stands after FROM.

    Parameters
    ----------
    known
        What was found out about files before; what is now is added.

    Raises
    ------
    SourceError
        If files can't be read, or have different columns.
    """
    if not files.marks:
        return f"read_csv({files.sql}, {_STANDARD}, sample_size = -1, allow_quoted_nulls = false)"
    for path, mark in zip(files.paths, files.marks, strict=True):
        if (path, mark) not in known:
            known[path, mark] = _columns_of(connection, path)
    found = [known[file] for file in zip(files.paths, files.marks, strict=True)]
    _refuse_unlike(files.paths, found)
    return _reading(files, reduce(_both, found))


def _columns_of(connection: duckdb.DuckDBPyConnection, path: str) -> CsvColumns:
    found = _sniffed(connection, path, nothing_is_null=False)
    texts = [name for name, type_ in found.types.items() if type_ == _TEXT]
    filled = _filled(connection, path, found, texts)
    types = found.types | {name: _NULL for name in texts if not filled[name][0]}
    partly = [name for name in texts if 0 < filled[name][1] < filled[name][0]]
    if not partly:
        return CsvColumns(found.delimiter, types, frozenset(), found.formats)
    without = _sniffed(connection, path, nothing_is_null=True)
    quoted = frozenset(name for name in partly if without.types[name] != _TEXT)
    return CsvColumns(found.delimiter, types | {name: without.types[name] for name in quoted}, quoted, without.formats)


def _sniffed(connection: duckdb.DuckDBPyConnection, path: str, *, nothing_is_null: bool) -> CsvColumns:
    """What DuckDB makes of a file, having looked at all of it."""
    tabs = ", delim = '\t'" if ".tsv" in path.lower()[-7:] else ""
    options = f"{_STANDARD}{_packing([path])}, skip = 0, sample_size = -1, allow_quoted_nulls = {nothing_is_null}{tabs}"
    row = fetch(connection, f"SELECT * FROM sniff_csv({literal(path)}, {options})", []).to_pylist()[0]  # noqa: S608
    written = {"dateformat": row["DateFormat"], "timestampformat": row["TimestampFormat"]}
    formats = tuple(f"{name} = {literal(format_)}" for name, format_ in written.items() if format_)
    return CsvColumns(
        row["Delimiter"], {column["name"]: column["type"] for column in row["Columns"]}, frozenset(), formats
    )


def _filled(
    connection: duckdb.DuckDBPyConnection, path: str, columns: CsvColumns, texts: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """How many values columns of text have, and how many of them aren't empty."""
    if not texts:
        return {}
    counts = ", ".join(f"count({quote(name)}), count(NULLIF({quote(name)}, ''))" for name in texts)
    sql = f"SELECT {counts} FROM {_read_csv(literal(path), [path], columns)}"  # noqa: S608  (quoted)
    numbers = [column[0].as_py() for column in fetch(connection, sql, []).columns]
    return dict(zip(texts, zip(numbers[::2], numbers[1::2], strict=True), strict=True))


def _reading(files: SourceFiles, columns: CsvColumns) -> str:
    options = ", hive_partitioning = true" if files.is_set else ""
    read = _read_csv(files.sql, files.paths, columns, options)
    instead = [f"NULL AS {quote(name)}" for name, type_ in columns.types.items() if type_ == _NULL]
    instead += [f"NULLIF({quote(name)}, '')::{columns.types[name]} AS {quote(name)}" for name in columns.quoted]
    return f"(SELECT * REPLACE ({', '.join(instead)}) FROM {read})" if instead else read  # noqa: S608  (quoted)


def _read_csv(files: str, paths: Sequence[str], columns: CsvColumns, options: str = "") -> str:
    as_text = {name for name, type_ in columns.types.items() if type_ == _NULL} | columns.quoted
    types = ", ".join(
        f"{literal(name)}: {literal(_TEXT if name in as_text else type_)}" for name, type_ in columns.types.items()
    )
    formats = "".join(f", {one}" for one in columns.formats)
    return (
        f"read_csv({files}, {_STANDARD}{_packing(paths)}, auto_detect = false, allow_quoted_nulls = false, "
        f"delim = {literal(columns.delimiter)}, columns = {{{types}}}{formats}{options})"
    )


def _packing(paths: Sequence[str]) -> str:
    """DuckDB knows packed files by their endings, but not in capitals."""
    return ", compression = 'gzip'" if all(path.lower().endswith(".gz") for path in paths) else ""


def _refuse_unlike(paths: Sequence[str], found: Sequence[CsvColumns]) -> None:
    for path, columns in zip(paths, found, strict=True):
        if (list(columns.types), columns.delimiter) != (list(found[0].types), found[0].delimiter):
            raise SourceError(
                f"The files '{paths[0]}' and '{path}' of one source differ: expected the columns "
                f"{listing(found[0].types)}, separated by {found[0].delimiter!r} and in the same order; found "
                f"{listing(columns.types)}, separated by {columns.delimiter!r}. Make them alike."
            )


def _both(left: CsvColumns, right: CsvColumns) -> CsvColumns:
    types = {name: _wider(type_, right.types[name]) for name, type_ in left.types.items()}
    quoted = frozenset(name for name in left.quoted | right.quoted if types[name] != _TEXT)
    return CsvColumns(left.delimiter, types, quoted, tuple(dict.fromkeys([*left.formats, *right.formats])))


def _wider(left: str, right: str) -> str:
    """The type that holds the values of both."""
    if left == right or _NULL in (left, right):
        return right if left == _NULL else left
    line = next((line for line in _WIDENING if left in line and right in line), None)
    return _TEXT if line is None else max(left, right, key=line.index)
