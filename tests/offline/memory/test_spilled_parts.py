"""Parts on disk hold whole entities within the limit, and nothing of them is left, whatever goes wrong."""

from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from offline.memory.every_source import EVENTS, USERS, ask, random_log, random_spine
from projects import Project, at
from storekeeper.errors import DataError, SourceError
from storekeeper.history.moments import SortedSpine
from storekeeper.offline import pushdown
from storekeeper.offline.gather import gather
from storekeeper.offline.memory import MemoryBudget
from storekeeper.offline.progress import listening
from storekeeper.offline.spill import Spill
from storekeeper.sources import DuckDBSource, OpenSources, ReadRequest


def test_parts_hold_all_events_within_the_limit(store: Any, shared: Project, tiny: MemoryBudget) -> None:
    """Parts come one by one, each of a size, and together they are the history of the spine's entities."""
    with OpenSources(store.config) as sources, closing(_parts(sources, tiny)) as parts:
        seen = 0
        for part in parts:
            assert part.events.nbytes < 2 * tiny.events_bytes
            assert len(list(tiny.folder.iterdir())) == 1
            assert np.all(np.diff(part.events["at"].to_numpy()[part.codes == part.codes[0]].astype(np.int64)) >= 0)
            seen += part.events.num_rows
    assert seen == sum(user is not None for user in random_log()["user_id"].to_pylist())
    assert list(tiny.folder.iterdir()) == []
    assert shared


_TABLE = DuckDBSource(name="t", database="data/behaviour.duckdb", table="log", timestamp_field="at")


def _parts(sources: OpenSources, budget: MemoryBudget) -> Any:
    spine = pa.table({"user_id": range(USERS), "moment": pa.array([at("2020-03-01")] * USERS)})
    asking = SortedSpine.of(spine, ["user_id"], "moment")
    return gather(sources.open(_TABLE), ReadRequest(("user_id", "at", "cents", "word")), asking, "view", budget)


def test_parts_keep_each_entity_whole(tmp_path: Path) -> None:
    """Every event of an entity is in one part, in order; events of no entity are in none."""
    rng = np.random.default_rng(5)
    codes = rng.integers(-1, 1000, 5000).astype(np.int32)
    batch = pa.record_batch({"place": np.arange(5000), "word": [f"w{code}" for code in codes.tolist()]})
    with Spill(tmp_path, batch.schema) as spill:
        for start in range(0, 5000, 700):
            spill.add(codes[start : start + 700], batch.slice(start, 700))
        spill.add(codes[:0], batch.slice(0, 0))
    groups = list(spill.groups(20_000))
    assert groups[0][0] == 0
    assert groups[-1][1] == spill.parts
    assert [end for _, end in groups[:-1]] == [first for first, _ in groups[1:]]
    places = []
    for first, end in groups:
        found, events = spill.read(first, end)
        place = events["place"].to_numpy()
        assert set(found % spill.parts) <= set(range(first, end))
        np.testing.assert_array_equal(found, codes[place])
        assert all(np.all(np.diff(place[found == code]) > 0) for code in np.unique(found))
        assert events["word"].to_pylist() == [f"w{code}" for code in found]
        places.append(place)
    np.testing.assert_array_equal(np.sort(np.concatenate(places)), np.flatnonzero(codes >= 0))


def test_an_abandoned_reading_leaves_nothing(store: Any, tiny: MemoryBudget) -> None:
    """Who stops after the first part closes the disk and the source."""
    with OpenSources(store.config) as sources:
        parts = _parts(sources, tiny)
        next(parts)
        assert len(list(tiny.folder.iterdir())) == 1
        parts.close()
        assert list(tiny.folder.iterdir()) == []
        assert sources.open(_TABLE).row_count() == EVENTS


SEEN = """
source = DuckDBSource(name="source", database="data/behaviour.duckdb", table="seen", timestamp_field="at")
view = StreamFeatureView(
    name="view", entities=[user], timestamp_field="at", schema=[Field(name="total", dtype=Int64)],
    aggregations=[Aggregation(column="cents", function="sum", name="total")],
    source=PushSource(name="push", batch_source=source),
)
"""
BROKEN = {
    "in the source": (
        "SELECT * REPLACE (CASE WHEN i = 5500 THEN error('boom') ELSE cents END AS cents) FROM log",
        "boom",
    ),
    "in the kernel": ("SELECT * REPLACE (9000000000000000000 AS cents) FROM log", "overflows 64-bit"),
    "in the keys": ("SELECT * REPLACE (user_id::VARCHAR AS user_id) FROM log", "user_id"),
}


def _see(project: Project, query: str) -> None:
    with duckdb.connect(str(project.root / "data/behaviour.duckdb")) as connection:
        connection.execute(f"CREATE OR REPLACE VIEW seen AS {query}")


def test_an_error_in_mid_read_leaves_nothing(
    shared: Project, tiny: MemoryBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong when half is on disk clears the disk, even while the error is looked at."""
    monkeypatch.setattr(pushdown, "_MOST_UNCOUNTED_KEYS", 0)
    on_disk: list[int] = []

    def stumble(view: str, rows: int, total: int | None) -> None:
        on_disk.append(len(list(tiny.folder.glob("*"))))
        if rows > EVENTS // 2:
            raise SourceError(f"{view} stumbled over row {rows} of {total}")

    for view in ("windows_query", "latest_lite", "latest_table", "windows_csv"):
        with listening(stumble), pytest.raises(SourceError, match=f"{view} stumbled") as caught:
            ask(shared.open(), view)
        assert max(on_disk) == 1
        assert list(tiny.folder.iterdir()) == []
        assert caught.value.__traceback__ is not None


@pytest.mark.parametrize("where", BROKEN)
def test_an_error_leaves_nothing(where: str, project: Project, tiny: MemoryBudget) -> None:
    """An error in mid-read or later clears the disk and lets go of the database, even while the error is looked at."""
    query, told = BROKEN[where]
    project.add_duckdb("log", random_log().append_column("i", [range(EVENTS)]))
    _see(project, "SELECT * FROM log")
    job = project.apply(SEEN).get_historical_features(entity_df=random_spine(), features=["view:total"])
    _see(project, query)
    with pytest.raises((DataError, SourceError), match=told) as caught:
        job.to_arrow()
    assert not tiny.folder.exists() or list(tiny.folder.iterdir()) == []
    written = Thread(target=_see, args=(project, "SELECT 1 AS one"), daemon=True)
    written.start()
    written.join(60)
    assert not written.is_alive()
    assert caught.value.__traceback__ is not None
