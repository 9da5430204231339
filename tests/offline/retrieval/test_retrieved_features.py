"""Training rows through Feast's own calls: features are right on the spine, and saved with it."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from offline.retrieval.retrieved_log import BIG, fill, spine_frame
from projects import Project, at
from storekeeper.errors import SourceError, UsageError


def test_composite_keys_do_not_cross(store: Any) -> None:
    """(1, 11) is not (11, 1), and (1, 23) is not (12, 3) (rule 13)."""
    spine = spine_frame([11, 1, 12, 1, 1], [at("2020-02-02")] * 5, other_id=[1, 11, 3, 23, 3])
    found = store.get_historical_features(entity_df=spine, features=["both:tag"]).to_df()
    assert found["tag"].tolist() == ["11|1", "1|11", "12|3", "1|23", None]


@pytest.mark.parametrize(("cutoff", "cents", "n"), [(False, BIG + 1, [1, 2]), (True, BIG, [1, 1])])
def test_rows_known_later_are_invisible_when_asked(store: Any, cutoff: bool, cents: int, n: list[int]) -> None:
    """`filter_by_created_timestamp` hides what was known later (rule 6); without it Feast's own rule holds."""
    spine = spine_frame([1, 1], [at("2020-02-02"), at("2020-02-02T12:00:00")])
    found = store.get_historical_features(
        entity_df=spine, features=["latest:cents", "activity:n"], filter_by_created_timestamp=cutoff
    ).to_df()
    assert found["cents"].tolist() == [cents, cents]
    assert found["n"].tolist() == n


def test_a_null_knowledge_time_is_the_event_time(store: Any) -> None:
    """Such a row is visible from its event on."""
    spine = spine_frame([1], [at("2020-02-03")])
    found = store.get_historical_features(
        entity_df=spine, features=["latest:word"], filter_by_created_timestamp=True
    ).to_df()
    assert found["word"].tolist() == ["c"]


def test_integers_beyond_floats_are_exact_beside_nulls(store: Any) -> None:
    """A nullable integer column loses no digit beyond 2^53 in to_df, feature or spine column."""
    spine = spine_frame([1, 2, 9], [at("2020-02-01T12:00:00")] * 3, big=pd.array([BIG, None, 3], "Int64"))
    found = store.get_historical_features(entity_df=spine, features=["latest:cents", "latest:x_y"]).to_df()
    assert found["cents"].tolist() == [BIG, pd.NA, pd.NA]
    assert found["big"].tolist() == [BIG, pd.NA, 3]
    assert found["x_y"].tolist()[:2] == [0.5, 2.0]


def test_the_new_edge_is_strict_for_windows_and_inclusive_for_latest(store: Any) -> None:
    """At an event's own time the window doesn't see it (rule 7), and the latest value does (rule 3)."""
    spine = spine_frame([1, 1], [at("2020-02-01"), at("2020-02-01").replace(microsecond=1)])
    found = store.get_historical_features(entity_df=spine, features=["activity:n", "latest:word"]).to_df()
    assert found["n"].tolist() == [0, 1]
    assert found["word"].tolist() == ["a", "a"]


def test_ttl_holds_to_the_microsecond(store: Any) -> None:
    """A row as old as the ttl counts, older ones don't (rule 5)."""
    spine = spine_frame([2, 2, 3], [at("2020-02-04"), at("2020-02-04").replace(microsecond=1), at("2020-02-04")])
    found = store.get_historical_features(entity_df=spine, features=["latest:x_y"]).to_df()
    assert [value if value == value else None for value in found["x_y"]] == [2.0, None, 3.0]


def test_unseen_entities_and_null_keys(store: Any) -> None:
    """Unseen: latest values null, windows as empty ones (rule 11); null keys match nothing (rule 13)."""
    spine = spine_frame(pd.array([77, None], "Int64").tolist(), [at("2020-02-04")] * 2)
    spine["user_id"] = spine["user_id"].astype("Int64")
    job = store.get_historical_features(
        entity_df=spine, features=["activity:n", "activity:spend", "activity:words", "latest:word"]
    )
    rows = job.to_arrow().select(["n", "spend", "words", "word"]).to_pylist()
    assert rows == [{"n": 0, "spend": 0, "words": [], "word": None}] * 2


def test_on_demand_features_come_along(store: Any) -> None:
    """A transformation over the request and a view is applied, null where its input is null."""
    spine = spine_frame([1, 2], [at("2020-02-04")] * 2, price=[14.0, 3.0])
    found = store.get_historical_features(entity_df=spine, features=["ratios:ratio", "latest:cents"]).to_df()
    assert found["ratio"].isna().tolist() == [False, True]
    assert found["ratio"][0] == 2.0


def test_aliases_and_join_key_maps(store: Any) -> None:
    """One view twice in a service, under two names and over two keys of the spine."""
    spine = pd.DataFrame({"buyer_id": [1, 3], "seller_id": [3, 1], "event_timestamp": [at("2020-02-04")] * 2})
    service = store.get_feature_service("mapped")
    found = store.get_historical_features(entity_df=spine, features=service, full_feature_names=True).to_df()
    assert found["buyer__word"].tolist() == ["c", "z"]
    assert found["seller__word"].tolist() == ["z", "c"]


@pytest.mark.filterwarnings("ignore:Saving dataset:RuntimeWarning", "ignore:Retrieving datasets:RuntimeWarning")
def test_a_saved_dataset_keeps_its_label(shared: Project, store: Any) -> None:
    """Labels and every other column of the spine survive saving, and the dataset reads back."""
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    spine = spine_frame([1, 3, 1], [at("2020-02-04"), at("2020-02-05"), at("2020-02-04")], label=[1, 0, 1], price=2.0)
    features = ["latest:word", "activity:n", "ratios:ratio", "latest:cents"]
    job = store.get_historical_features(entity_df=spine, features=features)
    storage = SavedDatasetFileStorage(path="data/saved/set.parquet")
    saved = store.create_saved_dataset(from_=job, name="set", storage=storage, allow_overwrite=True)
    columns = ["user_id", "label", "price", "word", "n", "ratio", "cents"]
    expected = job.to_arrow().select(columns).to_pylist()
    assert saved.to_arrow().select(columns).to_pylist() == expected
    again = shared.open().get_saved_dataset("set")
    assert again.to_df()["label"].tolist() == [1, 0, 1]
    assert (shared.root / "data" / "saved" / "set.parquet").is_file()
    assert [path.name for path in (shared.root / "data" / "saved").iterdir()] == ["set.parquet"]


def test_a_saved_dataset_is_not_overwritten(shared: Project, store: Any) -> None:
    """An existing file stays unless overwriting is asked for."""
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    target = shared.root / "data" / "kept.parquet"
    target.write_bytes(b"mine")
    job = store.get_historical_features(entity_df=spine_frame([1], [at("2020-02-04")]), features=["activity:n"])
    with pytest.raises(UsageError, match=r"kept\.parquet' exists"):
        job.persist(SavedDatasetFileStorage(path="data/kept.parquet"))
    assert target.read_bytes() == b"mine"


def test_nothing_is_read_until_asked(make_project: Callable[[str], Project]) -> None:
    """A retrieval is lazy, and then computed once."""
    project = make_project("lazy")
    store = fill(project)
    job = store.get_historical_features(entity_df=spine_frame([1], [at("2020-02-04")]), features=["activity:n"])
    (project.root / "data" / "behaviour.duckdb").rename(project.root / "away")
    with pytest.raises(SourceError, match="no DuckDB file"):
        job.to_df()
    (project.root / "away").rename(project.root / "data" / "behaviour.duckdb")
    assert job.to_df()["n"].tolist() == [3]
    (project.root / "data" / "behaviour.duckdb").unlink()
    assert job.to_df()["n"].tolist() == [3]
