"""What must not matter to the kernel: the future, the order of rows, chunks, and who else is in the shop."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from oracle import python_oracle
from oracle.compare import assert_features_agree, assert_rows_agree
from oracle.features import DAY_US
from oracle.shops import EVENT_TIME, KNOWN_TIME, SPINE_TIME, TIMESTAMP, Shop, event_table, examples, shops, spine_table
from storekeeper.history import WindowFeature, as_of, windowed


def _windowed(shop: Shop) -> pa.Table:
    arguments: dict[str, Any] = shop.windowed_arguments
    arguments["features"] = [WindowFeature(**asdict(feature)) for feature in shop.features]
    return windowed(shop.events, shop.spine, **arguments)


def _as_of(shop: Shop) -> pa.Table:
    return as_of(shop.events, shop.spine, **shop.as_of_arguments)


def _assert_same(shop: Shop, other: Shop, places: list[int] | None = None) -> None:
    """Both shops' answers agree, where row i of the second one's is row `places[i]` of the first one's."""
    tolerances = python_oracle.windowed(shop.events, shop.spine, **shop.windowed_arguments, tolerances=True)
    order = pa.array(range(shop.spine.num_rows) if places is None else places, pa.int64())
    features, expected = shop.features, _windowed(shop).take(order)
    # Either answer may be off by the tolerance, so two of them by twice that.
    doubled = pa.table({name: pc.multiply(tolerances[name], 2.0) for name in tolerances.column_names}).take(order)
    assert_features_agree(_windowed(other), expected, features, doubled)
    assert_rows_agree(_as_of(other), _as_of(shop).take(order))


def _times(table: pa.Table, name: str) -> np.ndarray:
    return table[name].cast(pa.int64()).to_numpy()


_LAST_MOMENT = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999


def _later(events: pa.Table, moment: int) -> pa.Table:
    """The events again, all of them after the moment and in the calendar."""
    happened = _times(events, EVENT_TIME)
    moved = np.minimum(moment + 1 + happened - happened.min(initial=moment), _LAST_MOMENT)
    return events.set_column(events.column_names.index(EVENT_TIME), EVENT_TIME, pa.array(moved).cast(TIMESTAMP))


@given(shops(sums_of_big=False))
@examples()
def test_the_future_changes_nothing(shop: Shop) -> None:
    """Events after the last spine row change no value, wherever they lie in the source."""
    later = _later(shop.events, int(_times(shop.spine, SPINE_TIME).max(initial=0)))
    _assert_same(shop, replace(shop, events=pa.concat_tables([later, shop.events, later])))


@given(shops(sums_of_big=False))
@examples()
def test_what_is_known_later_changes_nothing(shop: Shop) -> None:
    """Under the cut-off, rows that become known after the last spine row change no value."""
    shop = replace(shop, cutoff=True, known_time=KNOWN_TIME)
    after = int(_times(shop.spine, SPINE_TIME).max(initial=0)) + 1
    known = pa.array([after] * shop.events.num_rows, pa.int64()).cast(TIMESTAMP)
    late = shop.events.set_column(shop.events.column_names.index(KNOWN_TIME), KNOWN_TIME, known)
    _assert_same(shop, replace(shop, events=pa.concat_tables([late, shop.events, late])))


def _untied(shop: Shop) -> Shop:
    """The shop with one event for each entity and time."""
    rows = shop.events.select([*shop.keys, EVENT_TIME]).to_pandas()
    kept = np.flatnonzero(~rows.duplicated().to_numpy())
    return replace(shop, events=shop.events.take(pa.array(kept, pa.int64())))


@given(shops(sums_of_big=False), st.randoms(use_true_random=False))
@examples()
def test_the_sources_order_changes_nothing(shop: Shop, random: Any) -> None:
    """Where no events tie, shuffling the source changes no value."""
    shop = _untied(shop)
    places = list(range(shop.events.num_rows))
    random.shuffle(places)
    _assert_same(shop, replace(shop, events=shop.events.take(pa.array(places, pa.int64()))))


@given(shops(sums_of_big=False), st.randoms(use_true_random=False))
@examples()
def test_the_spines_order_changes_nothing(shop: Shop, random: Any) -> None:
    """Each spine row gets its own values, in whatever order and however often it is asked."""
    places = random.choices(range(shop.spine.num_rows), k=12) if shop.spine.num_rows else []
    _assert_same(shop, replace(shop, spine=shop.spine.take(pa.array(places, pa.int64()))), places)


@given(shops(sums_of_big=False))
@examples()
def test_the_other_entities_change_nothing(shop: Shop) -> None:
    """A shop that holds one entity alone gives that entity's values."""
    entities = [tuple(row.values()) for row in shop.spine.select(list(shop.keys)).to_pylist()]
    owners = [tuple(row.values()) for row in shop.events.select(list(shop.keys)).to_pylist()]
    for entity in set(entities):
        places = [place for place, key in enumerate(entities) if key == entity]
        own = pa.array([place for place, key in enumerate(owners) if key == entity], pa.int64())
        part = replace(shop, spine=shop.spine.take(pa.array(places, pa.int64())), events=shop.events.take(own))
        _assert_same(shop, part, places)


@given(shops(sums_of_big=False), st.integers(1, 4))
@examples()
def test_chunks_change_nothing(shop: Shop, rows: int) -> None:
    """Tables in many chunks, and slices that start inside a buffer, give the same values."""

    def chunked(table: pa.Table) -> pa.Table:
        padded = pa.concat_tables([table.slice(0, 1), table]).combine_chunks().slice(min(1, table.num_rows))
        parts = [padded.slice(start, rows) for start in range(0, padded.num_rows, rows)]
        return pa.concat_tables(parts) if parts else padded

    _assert_same(shop, replace(shop, events=chunked(shop.events), spine=chunked(shop.spine)))


def test_latest_values_are_those_of_pandas() -> None:
    """With no ties, `merge_asof` gives the same rows, with and without a tolerance."""
    rng = np.random.default_rng(11)
    happened = rng.choice(90 * DAY_US, 3000, replace=False)
    asked = np.concatenate([rng.integers(0, 90 * DAY_US, 900), happened[:100]])
    keys, spine_keys = rng.integers(0, 40, 3000), np.concatenate([rng.integers(0, 45, 900), np.arange(100) % 40])
    events = event_table(
        {"key 0": pa.array(keys)}, happened.tolist(), [None] * 3000, {"amount": pa.array(np.arange(3000))}
    )
    spine = spine_table({"key 0": pa.array(spine_keys)}, asked.tolist())
    right = pd.DataFrame({"key": keys, "at": happened, "amount": np.arange(3000)}).sort_values("at")
    left = pd.DataFrame({"key": spine_keys, "at": asked, "place": np.arange(1000)}).sort_values("at")
    for ttl_us in (0, DAY_US):
        merged = pd.merge_asof(left, right, on="at", by="key", tolerance=ttl_us or None).sort_values("place")
        expected = pa.array([None if pd.isna(value) else int(value) for value in merged["amount"]], pa.int64())
        found = as_of(
            events, spine, keys=["key 0"], event_time=EVENT_TIME, spine_time=SPINE_TIME, columns=["amount"],
            ttl_us=ttl_us,
        )  # fmt: skip
        assert found["amount"].to_pylist() == expected.to_pylist()
