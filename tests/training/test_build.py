"""Building a training set on the synthetic shop."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storekeeper.definitions import definition_hash
from storekeeper.errors import CheckFailedError, DataError, NotFoundError, SourceError
from storekeeper.ledger import Ledger
from storekeeper.offline.job import to_frame
from storekeeper.settings import Settings
from storekeeper.store import FeatureStore
from storekeeper_training.build import BuiltDataset, build_dataset
from storekeeper_training.spine import read_spine
from storekeeper_training.tasks import PURCHASE


@pytest.fixture
def settings(applied_home: Path, tmp_path: Path) -> Settings:
    """A shop with applied features; the test's own."""
    shutil.copytree(applied_home, tmp_path / "shop")
    return Settings.load(tmp_path / "shop", {})


def build(settings: Settings, **options: Any) -> BuiltDataset:
    return build_dataset(PURCHASE, settings, FeatureStore(settings.feature_repo), **options)


def change_events(settings: Settings, statement: str) -> None:
    with duckdb.connect(str(settings.behaviour_path)) as connection:
        connection.execute(statement)


def folders(settings: Settings) -> list[str]:
    folder = settings.datasets_dir / "purchase"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_content(settings: Settings) -> None:
    """The spine's rows as they are and in order, then each feature of the service, as plain Feast gives it."""
    built = build(settings)
    table = pq.read_table(built.folder / "data.parquet")
    spine = read_spine(PURCHASE, settings.behaviour_path, settings.clock.now()).table
    store = FeatureStore(settings.feature_repo)
    service = store.get_feature_service("purchase")
    features = [f.name for projection in service.feature_view_projections for f in projection.features]
    assert table.column_names == [*spine.column_names, *features]
    assert table.select(spine.column_names).equals(spine)
    plain = store.get_historical_features(to_frame(spine), service, filter_by_created_timestamp=True).to_arrow()
    for name in features:
        assert table.column(name).to_pylist() == plain.column(name).to_pylist(), name


def test_manifest(settings: Settings) -> None:
    """The manifest tells rows, labels, times, nulls, types, versions, and each source's fingerprint."""
    built = build(settings)
    manifest = json.loads((built.folder / "manifest.json").read_text())
    table = pq.read_table(built.folder / "data.parquet")
    assert manifest == built.manifest
    assert manifest["rows"] == table.num_rows > 100
    assert manifest["positives"] == sum(table.column("label").to_pylist())
    assert manifest["nulls"] == {name: table.column(name).null_count for name in table.column_names}
    assert list(manifest["columns"]) == table.column_names
    assert manifest["definition_hash"] == definition_hash(FeatureStore(settings.feature_repo), "purchase")
    assert set(manifest["source_fingerprints"]) == {"customers", "purchase_log", "offer_log"}
    assert built.folder.name == manifest["dataset_hash"][:16]


def test_the_same_inputs_are_built_once(settings: Settings) -> None:
    """Nothing is done twice; by force it is, with the same content; the ledger knows one dataset."""
    first, second, forced = build(settings), build(settings), build(settings, force=True)
    assert [built.reused for built in (first, second, forced)] == [False, True, False]
    assert first.manifest["content_hash"] == forced.manifest["content_hash"]
    assert folders(settings) == [first.folder.name]
    (record,) = Ledger(settings.database_url).list_datasets("purchase")
    assert settings.home / record.path == first.folder
    assert record.rows == first.manifest["rows"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET amount_cents = amount_cents + 1 WHERE event_id = 17",
        "UPDATE events SET known_time = known_time + INTERVAL 2 DAY WHERE event_id = 17",
        "DELETE FROM events WHERE event_type = 'offer_received' AND event_time < '2017-06-01'",
    ],
)
def test_changed_events_make_another_dataset(settings: Settings, statement: str) -> None:
    """A changed event gives another hash; the old dataset stays, and coming back finds it again."""
    first = build(settings)
    whole = settings.behaviour_path.read_bytes()
    change_events(settings, statement)
    second = build(settings)
    settings.behaviour_path.write_bytes(whole)
    assert second.manifest["dataset_hash"] != first.manifest["dataset_hash"]
    assert folders(settings) == sorted([first.folder.name, second.folder.name])
    assert build(settings).reused
    found = Ledger(settings.database_url).find_dataset("purchase")
    assert found is not None
    assert found.dataset_hash == first.manifest["dataset_hash"]


def test_changed_customers_make_another_dataset(settings: Settings) -> None:
    """So does a changed row of a SQL source."""
    first = build(settings)
    connection = sqlite3.connect(settings.home / "data" / "shop.db")
    with connection:
        connection.execute("UPDATE customers SET age_band = 'other' WHERE customer_id = 1")
    connection.close()
    assert build(settings).manifest["dataset_hash"] != first.manifest["dataset_hash"]


def test_changed_definitions_make_another_dataset(settings: Settings) -> None:
    """So does a changed definition, once it is applied."""
    first = build(settings)
    file = settings.feature_repo / "customer_views.py"
    text = file.read_text()
    changed = text.replace("timedelta(days=364)", "timedelta(days=200)")
    assert changed != text
    file.write_text(changed)
    assert build(settings).reused
    FeatureStore(settings.feature_repo).apply_repo()
    assert build(settings).manifest["dataset_hash"] != first.manifest["dataset_hash"]


def test_a_damaged_dataset_is_built_again(settings: Settings) -> None:
    """A dataset that lost a file, or whose manifest can't be read, is not taken for whole."""
    first = build(settings)
    (first.folder / "data.parquet").unlink()
    second = build(settings)
    (first.folder / "manifest.json").write_text("{")
    third = build(settings)
    assert (second.reused, third.reused) == (False, False)
    assert third.manifest["content_hash"] == first.manifest["content_hash"]
    assert build(settings).reused


@pytest.mark.parametrize("damage", ["cut short", "rows lost", "value changed", "not Parquet"])
def test_damaged_data_are_built_again(settings: Settings, damage: str) -> None:
    """A Parquet file that is not what its manifest says is not reused, whatever is wrong with it."""
    first = build(settings)
    data = first.folder / "data.parquet"
    table = pq.read_table(data)
    if damage == "cut short":
        data.write_bytes(data.read_bytes()[:-100])
    elif damage == "not Parquet":
        data.write_text("nothing")
    elif damage == "rows lost":
        pq.write_table(table.slice(1), data)
    else:
        at = table.column_names.index("lines_91d")
        changed = pa.array([value + 1 for value in table["lines_91d"].to_pylist()], table.schema.field(at).type)
        pq.write_table(table.set_column(at, "lines_91d", changed), data)
    again = build(settings)
    assert not again.reused
    assert pq.read_table(data).equals(table)


def test_a_failure_leaves_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """If retrieval or writing fails, no dataset and no leftover is there, and the ledger knows of none."""

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("storekeeper_training.dataset_folder.pq.write_table", full_disk)
    with pytest.raises(OSError, match="No space left"):
        build(settings)
    assert folders(settings) == []
    assert Ledger(settings.database_url).list_datasets() == []


@pytest.mark.parametrize("lost", ["row", "feature"])
def test_incomplete_retrieval_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    """A retrieval that loses a row or a feature makes no dataset."""
    from storekeeper.offline.job import HistoryRetrievalJob

    whole = HistoryRetrievalJob.to_arrow

    def less(self: HistoryRetrievalJob, *arguments: Any, **options: Any) -> pa.Table:
        table = whole(self, *arguments, **options)
        return table.slice(1) if lost == "row" else table.drop_columns(["lines_7d"])

    monkeypatch.setattr(HistoryRetrievalJob, "to_arrow", less)
    with pytest.raises(CheckFailedError, match="rows must be kept" if lost == "row" else "lines_7d"):
        build(settings)
    assert folders(settings) == []


def test_what_is_missing_is_named(settings: Settings) -> None:
    """Without a service, a log, or enough history, the error says what to do; nothing is written."""
    store = FeatureStore(settings.feature_repo)
    change_events(settings, "DELETE FROM events WHERE event_time > '2017-01-20'")
    with pytest.raises(DataError, match="empty"):
        build_dataset(PURCHASE, settings, store)
    settings.behaviour_path.unlink()
    with pytest.raises(SourceError, match="storekeeper load"):
        build_dataset(PURCHASE, settings, store)
    store.registry.delete_feature_service("purchase", store.project)
    with pytest.raises(NotFoundError, match="There are: 'churn'"):
        build(settings)
    assert folders(settings) == []
