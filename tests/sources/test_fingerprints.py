"""What changes a source's fingerprint, and what doesn't."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from feast.repo_config import load_repo_config

from projects import NOW, Project
from storekeeper.sources import DuckDBSource, source_fingerprint
from storekeeper.sources.fingerprint import source_fingerprints

ROWS = [
    {"user_id": 1, "at": NOW, "n": 1, "place": "x"},
    {"user_id": 1, "at": NOW, "n": 2, "place": "x"},
    {"user_id": 2, "at": NOW, "n": 3, "place": "x"},
]
TIES = ("user_id", "at", None)


def _hash(project: Project, rows: list[dict[str, Any]], ties: tuple[str | None, ...] = TIES) -> str:
    project.add_duckdb("rows", rows)
    source = DuckDBSource(name="s", database="data/behaviour.duckdb", table="rows", timestamp_field="at")
    config = load_repo_config(project.repo, Path(project.repo / "feature_store.yaml"))
    return source_fingerprint(source, config, NOW, ties)


def test_order_among_ties_counts(project: Project) -> None:
    """Which of two rows of one entity and time comes later decides values, so it changes the hash."""
    first, second, other = ROWS
    plain = _hash(project, ROWS)
    assert _hash(project, [second, first, other]) != plain
    assert _hash(project, [other, first, second]) == plain
    assert _hash(project, ROWS) == plain


def test_rows_count(project: Project) -> None:
    """Any changed, added or repeated row changes the hash, with and without ties."""
    for ties in (TIES, ()):
        changed = [*ROWS[:2], {**ROWS[2], "n": 4}]
        hashes = {_hash(project, rows, ties) for rows in (ROWS, changed, ROWS[:2], [*ROWS, ROWS[2]], [*ROWS, *ROWS])}
        assert len(hashes) == 5
    assert _hash(project, ROWS[::-1], ()) == _hash(project, ROWS, ())


def test_several_ties_are_hashed_from_one_read(project: Project) -> None:
    """Together they are what each is alone; an empty source has a hash too."""
    for rows in (ROWS, []):
        expected = [_hash(project, rows or ROWS, ties) for ties in (TIES, ("at",), ())]
        source = DuckDBSource(name="s", database="data/behaviour.duckdb", table="rows", timestamp_field="at")
        config = load_repo_config(project.repo, Path(project.repo / "feature_store.yaml"))
        end = NOW if rows else NOW - timedelta(days=1)
        found = source_fingerprints(source, config, end, [TIES, ("at",), ()])
        assert (found == expected) is bool(rows)
        assert len(set(found)) == (3 if rows else 1)
