"""One materialisation, in a process of its own: `python -m benchmarks.materialise_worker`, a task on standard input.

A toy view is materialised first, so that late imports and caches count for nobody. The last line printed is JSON.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.memory import forget_peak, peak_mb, touch_memory

FEATURES = tuple(f"feature_{number}" for number in range(1, 8))
_VIEW = "profile"


def main() -> None:
    """Run, keep what is served of the sampled entities, and print `{"seconds", "peak_mb"}`."""
    task = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        scratch = Path(task["scratch"])
        _prepared(task, Path(task["toy"]), scratch / "toy")[1]()
        store, work = _prepared(task, Path(task["files"]), scratch / "real")
        touch_memory(task["touched_bytes"])
        forget_peak()
        start = time.perf_counter()
        work()
        measured = {"seconds": time.perf_counter() - start, "peak_mb": peak_mb()}
        pq.write_table(_served(store, Path(task["asked"])), task["answer"])
    print(json.dumps(measured))


def _prepared(task: dict[str, str], files: Path, scratch: Path) -> tuple[Any, Callable[[], object]]:
    """A store whose view is registered, and what materialises it."""
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64

    from benchmarks.online_repos import feasts_repo, our_repo

    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name=_VIEW,
        entities=[user],
        ttl=timedelta(days=7),
        schema=[Field(name=feature, dtype=Float64) for feature in FEATURES],
        source=FileSource(name="features", path=str(files / "features.parquet"), timestamp_field="at"),
    )
    project = f"materialise_{scratch.name}"
    if task["contender"] == "storekeeper":
        ours = our_repo(scratch, task["online"], project)
        ours.apply([user, view])
        return ours, lambda: ours.materialise_view(ours.get_feature_view(_VIEW))
    feasts = feasts_repo(scratch, task["online"], project)
    feasts.apply([user, view])
    now = datetime.now(UTC)
    return feasts, lambda: feasts.materialize(now - timedelta(days=7), now)


def _served(store: Any, asked: Path) -> pa.Table:
    keys = pq.read_table(asked).column("row_id").to_pylist()
    refs = [f"{_VIEW}:{feature}" for feature in FEATURES]
    found = store.get_online_features(features=refs, entity_rows=[{"user_id": key} for key in keys]).to_dict()
    return pa.table({"row_id": keys} | {feature: pa.array(found[feature], pa.float64()) for feature in FEATURES})


if __name__ == "__main__":
    main()
