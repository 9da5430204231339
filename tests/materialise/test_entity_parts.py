"""A source that memory can't hold gives the same bytes as one that it can."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from materialise.materialised_log import ALWAYS, NOON, SCHEMA, WINDOWS, layers
from storekeeper.definitions import ViewPlan
from storekeeper.materialise import Fingerprints, Run, materialise
from storekeeper.offline.memory import MemoryBudget
from storekeeper.offline.progress import listening
from storekeeper.online.backends import SQLiteBackend
from storekeeper.online.view_state import ViewState, to_us

KEYS: dict[str, pa.DataType] = {"user_id": pa.int64(), "shop": pa.string()}


def _events(rows: int) -> pa.Table:
    """Rows of some hundred entities, a few of them without a key, in no order."""
    random = np.random.default_rng(7)
    users = random.integers(-50, 50, rows)
    ages = random.integers(0, 40 * 86_400, rows) * 1_000_000
    known = [None if late == 0 else late for late in random.integers(0, 3, rows).tolist()]
    at = to_us(NOON) - ages
    times = pa.array(at).cast(SCHEMA.field("at").type)
    columns: dict[str, Any] = {
        "user_id": pa.array([None if user == 0 else int(user) for user in users], pa.int64()),
        "shop": pa.array(random.choice(["", "north", "süd"], rows)),
        "number": pa.array(np.arange(rows)),
        "at": times,
        "known": pa.array([None if one is None else int(us) + one for one, us in zip(known, at, strict=True)]).cast(
            times.type
        ),
        "amount": pa.array(random.integers(0, 100, rows) / 4),
        "word": pa.array(random.choice(["a", "b", "c", None], rows)),
    }
    return pa.table(columns)


def _plan(folder: Path, windows: Any, keys: tuple[str, ...]) -> ViewPlan:
    source = FileSource(
        name="log", path=str(folder / "log.parquet"), timestamp_field="at", created_timestamp_column="known"
    )
    types = {"n": pa.int64(), "total": pa.float64(), "words": pa.int64(), "newest": pa.list_(pa.string())}
    types |= {"longest_ago": pa.string(), "ever": pa.int64(), "oldest": pa.string()}
    declared = {window.name: types[window.name] for window in windows} or {"amount": pa.float64(), "word": pa.string()}
    return ViewPlan("view", source, keys, {key: KEYS[key] for key in keys}, "at", "known", 0, declared, windows)


@pytest.mark.parametrize("keys", [("user_id",), ("shop",), ("user_id", "shop"), ()], ids=str)
@pytest.mark.parametrize("windows", [WINDOWS, ALWAYS, ()], ids=["windows", "all history", "latest"])
def test_parts_are_the_whole(tmp_path: Path, windows: Any, keys: tuple[str, ...]) -> None:
    """Whatever the keys, and whether in memory or in many parts on disk: the same rows, meta and order of keys."""
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / "feature_repo" / "feature_store.yaml").touch()
    pq.write_table(_events(3_000), tmp_path / "log.parquet", row_group_size=500)
    plan, config = _plan(tmp_path, windows, keys), RepoConfig.model_construct(repo_path=tmp_path / "feature_repo")
    written, heard = [], []
    for name, size in [("whole", 10**9), ("some", 40_000), ("many", 1)]:
        backend = SQLiteBackend(tmp_path / f"{name}.db")
        budget = MemoryBudget(size, 10**9, tmp_path / "spill")
        with listening(lambda *told: heard.append(told)):
            outcome = materialise(
                ViewState(plan, "small/view", backend), config, Run(NOON), Fingerprints(config, [plan]), budget
            )
        assert outcome.entities == backend.count("small/view") > 0
        assert heard[-1] == ("view", outcome.rows_read, 3_000)
        written.append(layers(backend))
        backend.close()
    assert written[0] == written[1] == written[2]
    assert list((tmp_path / "spill").glob("*")) == []


def test_a_source_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views over one source, in one run and up to one instant: it is read once for their fingerprints."""
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / "feature_repo" / "feature_store.yaml").touch()
    pq.write_table(_events(10), tmp_path / "log.parquet")
    config = RepoConfig.model_construct(repo_path=tmp_path / "feature_repo")
    by_user, by_shop = _plan(tmp_path, WINDOWS, ("user_id",)), _plan(tmp_path, (), ("shop",))
    named = [
        ViewPlan(name, *[getattr(plan, field) for field in list(plan.__dataclass_fields__)[1:]])
        for name, plan in [("one", by_user), ("two", by_shop)]
    ]
    from storekeeper.materialise import fingerprints
    from storekeeper.sources import source_fingerprint

    together, calls = Fingerprints(config, named), []
    plain = fingerprints.source_fingerprints
    monkeypatch.setattr(fingerprints, "source_fingerprints", lambda *a: calls.append(a) or plain(*a))
    for plan in named:
        assert together.of(plan, NOON) == source_fingerprint(plan.source, config, NOON, plan.ties)
    assert len(calls) == 1
