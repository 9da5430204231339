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
    return [_digest(f"{version}|{columns}", one) for one in placed]


def _placed(codes: Codes, ties: Codes) -> Codes:
    """Codes that tell of each row also its place among those that tie with it."""
    order = np.argsort(ties, kind="stable")
    ordered = ties[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    place = np.arange(len(ordered)) - np.repeat(first, np.diff(np.append(first, len(ordered))))
    return _scattered(codes[order] ^ _scattered(place.astype(np.uint64)))


def _scattered(codes: Codes) -> Codes:
    """The codes, each bit of which depends on all: the last steps of SplitMix64 (Steele, Lea and Flood, 2014)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def _digest(what: str, codes: Codes) -> str:
    """A hash of codes in whatever order."""
    total, mixed = np.sum(codes, dtype=np.uint64), np.bitwise_xor.reduce(codes)
    return hashlib.sha256(f"{what}|{len(codes)}|{total}|{mixed}".encode()).hexdigest()
