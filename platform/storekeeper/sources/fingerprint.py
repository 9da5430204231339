"""A hash of what a source holds: it changes when any row does."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
from feast.data_source import DataSource
from feast.repo_config import RepoConfig

from storekeeper.sources.duckdb_reader import open_duckdb, quote
from storekeeper.sources.read import read_source, source_schema
from storekeeper.sources.request import ReadRequest

Codes = npt.NDArray[np.uint64]
_MOST_ADDED = 1_000_000


def source_fingerprint(
    source: DataSource, config: RepoConfig, end: datetime | None = None, ties: Iterable[str | None] = ()
) -> str:
    """SHA-256 (hex) over the rows of a source up to `end` (event time, inclusive).

    Stable for one release of DuckDB, whose row hash it uses.

    Parameters
    ----------
    ties
        Columns by whose values rows are ordered in time: keys, event time, knowledge time. Among rows that are equal in
        all of them the source's order counts (rule 4), so it is part of the hash; no other order is.
    """
    return source_fingerprints(source, config, end, [ties])[0]


def source_fingerprints(
    source: DataSource, config: RepoConfig, end: datetime | None, many_ties: Sequence[Iterable[str | None]]
) -> list[str]:
    """One `source_fingerprint` for each of several ties, from one read of the source."""
    what, many_codes = _row_codes(source, config, end, many_ties)
    return [_digest(what, codes) for codes in many_codes]


def rows_at(
    source: DataSource, config: RepoConfig, end: datetime, ties: Iterable[str | None], fingerprint: str
) -> tuple[int | None, int]:
    """How many rows up to `end` a source had when that was its fingerprint, and how many it has now.

    None where rows were changed or removed since, or more than a million added: its first rows never give that hash.
    """
    what, (codes,) = _row_codes(source, config, end, [ties])
    totals, mixed = np.cumsum(codes, dtype=np.uint64), np.bitwise_xor.accumulate(codes)
    for count in range(len(codes), max(len(codes) - _MOST_ADDED, 0) - 1, -1):
        total, mix = (totals[count - 1], mixed[count - 1]) if count else (np.uint64(0), np.uint64(0))
        if _hashed(what, count, total, mix) == fingerprint:
            return count, len(codes)
    return None, len(codes)


def _row_codes(
    source: DataSource, config: RepoConfig, end: datetime | None, many_ties: Sequence[Iterable[str | None]]
) -> tuple[str, list[Codes]]:
    """What was hashed and by what; and a code for each row in the source's order, once for each of several ties."""
    columns = tuple(source_schema(source, config).names)
    rows = read_source(source, config, ReadRequest(columns, source.timestamp_field, None, end))
    keys = [", ".join(quote(name) for name in ties if name) for ties in many_ties]
    hashes = [f"hash({names or 0}) AS ties_{number}" for number, names in enumerate(keys)]
    with open_duckdb(None) as connection:
        connection.register("source_rows", rows)
        found = connection.sql(f"SELECT {', '.join(['hash(source_rows) AS code', *hashes])} FROM source_rows")  # noqa: S608  (quoted)
        codes: dict[str, Codes] = found.fetchnumpy()
        version = connection.sql("SELECT version()").fetchall()[0][0]
    placed = [_placed(codes["code"], codes[f"ties_{n}"]) if names else codes["code"] for n, names in enumerate(keys)]
    return f"{version}|{columns}", placed


def _placed(codes: Codes, ties: Codes) -> Codes:
    """Codes that tell of each row also its place among those that tie with it, in the order of the rows."""
    order = np.argsort(ties, kind="stable")
    ordered = ties[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    place = np.arange(len(ordered)) - np.repeat(first, np.diff(np.append(first, len(ordered))))
    placed = np.empty_like(codes)
    placed[order] = _scattered(codes[order] ^ _scattered(place.astype(np.uint64)))
    return placed


def _scattered(codes: Codes) -> Codes:
    """The codes, each bit of which depends on all: the last steps of SplitMix64 (Steele, Lea and Flood, 2014)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def _digest(what: str, codes: Codes) -> str:
    """A hash of codes in whatever order."""
    return _hashed(what, len(codes), np.sum(codes, dtype=np.uint64), np.bitwise_xor.reduce(codes))


def _hashed(what: str, count: int, total: np.uint64, mixed: np.uint64) -> str:
    return hashlib.sha256(f"{what}|{count}|{total}|{mixed}".encode()).hexdigest()
