"""What makes another training set, and what doesn't: order among ties, views behind others, bytes under nulls."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from feast import FeatureService

from storekeeper.settings import Settings
from storekeeper.store import FeatureStore
from storekeeper_training import inputs
from storekeeper_training.inputs import dataset_inputs, table_hash
from storekeeper_training.spine import read_spine
from storekeeper_training.tasks import PURCHASE


@pytest.fixture
def settings(applied_home: Path, tmp_path: Path) -> Settings:
    """A shop with applied features; the test's own."""
    shutil.copytree(applied_home, tmp_path / "shop")
    return Settings.load(tmp_path / "shop", {})


def fingerprints(settings: Settings) -> dict[str, str]:
    """The fingerprints of the sources behind the purchase task's service."""
    spine = read_spine(PURCHASE, settings.behaviour_path, settings.clock.now())
    found: dict[str, str] = dataset_inputs(PURCHASE, FeatureStore(settings.feature_repo), spine)["source_fingerprints"]
    return found


def put_in_order(settings: Settings, order: str) -> None:
    """Write the log's rows in another order."""
    with duckdb.connect(str(settings.behaviour_path)) as connection:
        connection.execute(f"CREATE TABLE ordered AS FROM events ORDER BY {order}")
        connection.execute("DELETE FROM events")
        connection.execute("INSERT INTO events FROM ordered")
        connection.execute("DROP TABLE ordered")


def test_the_order_of_rows_that_tie_counts(settings: Settings) -> None:
    """Of two lines at one time the later written one is 'last', so their order is an input; other order is none."""
    with duckdb.connect(str(settings.behaviour_path)) as connection:
        connection.execute("UPDATE events SET event_time = date_trunc('day', event_time)")
        connection.execute("UPDATE events SET known_time = event_time")
    put_in_order(settings, "event_time, event_id")
    first = fingerprints(settings)
    put_in_order(settings, "event_time DESC, event_id")
    assert fingerprints(settings) == first
    put_in_order(settings, "event_time, event_id DESC")
    apart = fingerprints(settings)
    assert {name for name in first if first[name] != apart[name]} == {"purchase_log", "offer_log"}


def test_ties_under_any_view_count(settings: Settings) -> None:
    """Rows that tie only for a view with fewer keys, those of two customers in one category, are looked at too."""
    with duckdb.connect(str(settings.behaviour_path)) as connection:
        pair = connection.execute(
            "SELECT min(event_id), max(event_id) FROM events WHERE event_type = 'purchase' AND category = 'SOUP' "
            "AND customer_id IN (1, 2) GROUP BY customer_id ORDER BY customer_id"
        ).fetchall()
        moved = f"event_id IN ({pair[0][0]}, {pair[1][0]})"
        connection.execute(
            f"UPDATE events SET event_time = TIMESTAMP '2017-03-01', known_time = TIMESTAMP '2017-03-01' WHERE {moved}"
        )
    put_in_order(settings, "event_time, event_id")
    first = fingerprints(settings)
    put_in_order(settings, "event_time, event_id DESC")
    assert fingerprints(settings)["purchase_log"] != first["purchase_log"]


def test_each_source_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many views are over a source, it is read once, with each set of ties once."""
    asked: list[tuple[str, tuple[tuple[str, ...], ...]]] = []
    whole = inputs.source_fingerprints

    def count(source: Any, config: Any, end: Any, ties: Any) -> list[str]:
        asked.append((source.name, tuple(ties)))
        return whole(source, config, end, ties)

    monkeypatch.setattr(inputs, "source_fingerprints", count)
    fingerprints(settings)
    names = [name for name, _ in asked]
    assert sorted(names) == ["customers", "offer_log", "purchase_log"]
    ties = dict(asked)["purchase_log"]
    assert len(ties) == len(set(ties)) == 3


def test_sources_behind_on_demand_views_are_inputs(settings: Settings) -> None:
    """A service of an on-demand view alone depends on the source of the view behind it."""
    store = FeatureStore(settings.feature_repo)
    alone = FeatureService(name="purchase", features=[store.get_on_demand_feature_view("affinity_rhythm")])
    store.apply([alone])
    assert set(fingerprints(settings)) == {"purchase_log"}


def test_what_lies_under_nulls_does_not_count() -> None:
    """Tables that are equal have one hash, whatever is in memory where there is no value, in any number of pieces."""
    masked = pa.Array.from_buffers(
        pa.int64(), 3, [pa.py_buffer(bytes([0b101])), pa.py_buffer(np.array([1, 99, 3], "<i8").tobytes())]
    )
    lists = pa.ListArray.from_arrays(
        pa.array([0, 1, 2, 3], pa.int32()), pa.array(["a", "z", "c"]), mask=pa.array([False, True, False])
    )
    odd = pa.table({"number": masked, "words": lists})
    plain = pa.table({"number": pa.array([1, None, 3]), "words": pa.array([["a"], None, ["c"]])})
    assert odd.equals(plain)
    assert table_hash(odd) == table_hash(plain) == table_hash(pa.concat_tables([plain.slice(0, 1), plain.slice(1)]))
    others = (plain.slice(1), plain.take([0, 2, 1]), plain.rename_columns(["n", "words"]), plain.select(["number"]))
    assert len({table_hash(table) for table in (plain, *others)}) == 5
