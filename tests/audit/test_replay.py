"""Served vectors and online state against history, on the synthetic shop."""

import contextlib
import json
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from command_line import run_here
from storekeeper.audit.code_version import code_version
from storekeeper.audit.log import SEQUENCE, SERVED_AT, ServedLog, read_definition, read_served, served_files, stream
from storekeeper.audit.parity import compare_view, compare_views
from storekeeper.audit.replay import audit_served
from storekeeper.audit.served_rows import ServedRows
from storekeeper.settings import Settings
from storekeeper.store import FeatureStore

AT, EPOCH = datetime(2017, 12, 20, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(ready_home: Path, tmp_path: Path) -> Settings:
    """A shop that is ready to serve."""
    shutil.copytree(ready_home, tmp_path / "shop")
    return Settings.load(tmp_path / "shop", {})


def open_store(settings: Settings) -> FeatureStore:
    return FeatureStore(settings.feature_repo)


def serve(settings: Settings, *bodies: dict[str, Any]) -> None:
    """Serve predictions."""
    from storekeeper_serving.engine import Engine

    engine = Engine(settings)
    try:
        for body in bodies:
            engine.predict("purchase", json.dumps(body).encode())
    finally:
        engine.close()


def body(customers: list[int], model: str = "rule", **context: Any) -> dict[str, Any]:
    entities = {"customer_id": customers, "category": "SOUP"}
    return {"model": model, "entities": entities, "context": {"price": 250.0, **context}}


def test_all_that_was_served_is_replayed(settings: Settings) -> None:
    """Vectors of several models and requests, unknown entities, null and past context: all compared, none differs."""
    serve(
        settings,
        body([1, 2, 3]),
        body([1, 10**12, -5], model="xgboost"),
        body([4], price=None),
        body([5, 6], request_time="2017-12-24T18:30:00Z"),
    )
    (audit,) = audit_served(open_store(settings), settings.served_dir)
    assert (audit.vectors, audit.differing, audit.skipped, audit.examples) == (9, 0, "", ())
    assert audit.compared == 9 * audit.features
    assert json.loads(json.dumps(audit.as_dict()))["compared"] == audit.compared


def test_nothing_served(settings: Settings) -> None:
    """Where nothing was served there is nothing to prove."""
    assert list(audit_served(open_store(settings), settings.served_dir)) == []


def test_late_knowledge_does_not_count(settings: Settings) -> None:
    """History that became known after a vector was served doesn't make it wrong."""
    import duckdb

    serve(settings, body([1, 2]))
    with duckdb.connect(str(settings.behaviour_path)) as connection:
        connection.execute(
            "INSERT INTO events (event_id, event_type, event_time, known_time, customer_id, product_id, category, "
            "basket_id, quantity, amount_cents, discount_cents, coupon_cents) VALUES "
            "(10000000, 'purchase', '2017-12-30', '2018-01-02', 1, 1, 'SOUP', 1, 1, 100, 0, 0)"
        )
    (audit,) = audit_served(open_store(settings), settings.served_dir)
    assert audit.differing == 0


def test_changed_history_is_found(settings: Settings) -> None:
    """History that was rewritten makes what was served, and what is online, wrong; each is counted and named."""
    import duckdb

    serve(settings, body([1, 2]))
    with duckdb.connect(str(settings.behaviour_path)) as connection:
        connection.execute("DELETE FROM events WHERE customer_id = 1 AND event_type = 'purchase'")
    store = open_store(settings)
    (audit,) = audit_served(store, settings.served_dir)
    assert audit.differing > 0
    assert "spend_cents_91d" in {example.feature for example in audit.examples}
    assert {example.row for example in audit.examples if example.feature == "spend_cents_91d"} == {0}
    parities = {parity.view: parity for parity in compare_views(store)}
    assert parities["customer_activity"].differing > 0
    assert parities["customer_profile"].differing == 0
    assert parities["customer_activity"].examples


def test_a_service_that_is_gone(settings: Settings) -> None:
    """Vectors of a service that is no longer registered are told, not compared; those of another meaning are marked."""
    serve(settings, body([1]))
    (group,) = read_served(settings.served_dir)
    with ServedLog(settings.served_dir) as log:
        log.append("gone", group.definition_hash, AT, group.table.drop_columns([SERVED_AT]))
        log.append(group.service, "0" * 64, AT, group.table.drop_columns([SERVED_AT]))
    found = {(one.service, one.definition): one for one in audit_served(open_store(settings), settings.served_dir)}
    gone = found["gone", group.definition_hash]
    assert "no longer registered" in gone.skipped
    assert (gone.vectors, gone.compared) == (1, 0)
    assert found[group.service, "0" * 64].redefined
    assert not found[group.service, group.definition_hash].redefined


def test_a_service_that_asks_for_more(settings: Settings) -> None:
    """Vectors that lack a key which the service asks for now can't be replayed; it is said what they lack."""
    serve(settings, body([1]))
    (group,) = read_served(settings.served_dir)
    shutil.rmtree(settings.served_dir)
    with ServedLog(settings.served_dir) as log:
        log.append(group.service, "0" * 64, AT, group.table.drop_columns([SERVED_AT, "category"]))
    (audit,) = audit_served(open_store(settings), settings.served_dir)
    assert "now asks for 'category'" in audit.skipped
    assert audit.compared == 0


def test_bounded_memory(settings: Settings) -> None:
    """However few vectors are held at once, every one is replayed, and the result is the same."""
    serve(settings, *[body([i, i + 1, i + 2]) for i in range(1, 8)])
    store = open_store(settings)
    (whole,) = audit_served(store, settings.served_dir)
    (parts,) = audit_served(store, settings.served_dir, batch_rows=4)
    assert whole == parts
    assert whole.vectors == 21


def test_vectors_tell_what_served_them(settings: Settings) -> None:
    """The log of a server holds, beside each vector, its code, its clock and how far each view's state reached."""
    serve(settings, body([1, 2]))
    (files,) = served_files(settings.served_dir)
    (table,) = stream(files, 100)
    evidence = ServedRows(table).evidence(1)
    assert evidence is not None
    assert evidence.code == code_version()
    assert evidence.clock == settings.clock.spec
    now_us = (settings.clock.now() - EPOCH) // timedelta(microseconds=1)
    assert {seen.until_us for _, seen in evidence.views} == {now_us}
    assert len(evidence.views) == 5
    assert table.column(SEQUENCE).to_pylist() == [0, 1]
    told = read_definition(settings.served_dir, files.service, files.definition_hash)
    assert told is not None
    assert told["views"].keys() == dict(evidence.views).keys()


# The synthetic shop runs no campaigns, and nothing comes back in it.
OVER_NOTHING = {"campaign_profile", "customer_returns", "product_returns"}


def test_a_view_without_state(applied_home: Path) -> None:
    """A view that was never materialised doesn't hold: every entity of its history is missing."""
    store = FeatureStore(applied_home / "feature_repo")
    for view in store.all_feature_views():
        parity = compare_view(store, view)
        assert not parity.materialised
        if view.name in OVER_NOTHING:
            assert parity.entities == 0
            continue
        assert parity.missing == parity.entities > 0
        assert not parity.holds


def _execute(home: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(home / "data" / "online.db")) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize("name", ["customer_activity", "customer_profile"])
def test_lost_state_is_found(settings: Settings, name: str) -> None:
    """An entity whose state is gone is missing, and one that history doesn't know is unexpected."""
    store = open_store(settings)
    view = next(view for view in store.all_feature_views() if view.name == name)
    before = compare_view(store, view)
    assert before.holds
    table = f'"state:{store.project}/{name}"'
    first = f"(SELECT min(entity_key) FROM {table})"
    _execute(settings.home, f"UPDATE {table} SET entity_key = x'69ffffffffffffffff' WHERE entity_key = {first}")
    after = compare_view(store, view)
    assert (after.missing, after.unexpected, after.entities) == (1, 1, before.entities + 1)
    assert not after.holds


def test_the_command_fails_where_state_is_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`audit --views` exits with 1 where entities are missing or a view was never materialised, and names the views."""
    home, project = settings.home, open_store(settings).project
    assert run_here(home, ["audit", "--views"], monkeypatch) == 0
    _execute(home, f'DELETE FROM "state:{project}/customer_profile"')
    _execute(home, f"UPDATE view_meta SET until_us = NULL WHERE view = '{project}/customer_offers'")
    assert run_here(home, ["audit", "--views"], monkeypatch) == 1
    told = capsys.readouterr().err
    assert "Never materialised: 'customer_offers'" in told
    assert "Entities without online state: 'customer_profile (" in told


def test_every_value_of_every_view(settings: Settings) -> None:
    """All features of all entities are compared, view by view, and none differs."""
    store = open_store(settings)
    parities = list(compare_views(store))
    assert len(parities) == len(store.all_feature_views())
    assert all(parity.compared == parity.entities * parity.features for parity in parities)
    assert {parity.view for parity in parities if not parity.compared} == OVER_NOTHING
    assert sum(parity.differing for parity in parities) == 0
