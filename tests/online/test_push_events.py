"""Pushed events: every view over the source shows at once what training will see of them."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import feast
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast.data_source import PushMode

from projects import NOW, Project
from pushed_shop import DAY, FEATURES, LOG, NUMBERED, PushedShop, event, order, table
from storekeeper.errors import DataError, NotFoundError
from storekeeper.push import push_events
from storekeeper.push_report import PushReport

BOTH = PushMode.ONLINE_AND_OFFLINE
SECOND = timedelta(seconds=1)
ASKED = [{"user_id": user, "product": product} for user in (1, 2, 77) for product in ("tea", "ink")]


@pytest.fixture
def shop(project: Project) -> PushedShop:
    return PushedShop(project)


def _varied() -> list[dict[str, Any]]:
    """Events of two users and two products, with nulls, late and out of order."""
    return [
        event(1, NOW - DAY / 2, cents=2**60, price=0.1, word="ä", moment=None),
        event(2, NOW - 3 * DAY, "ink", cents=None, price=None, flag=None, word=None),
        event(1, NOW - 6 * DAY, cents=-5, price=1e9, flag=False, word="b", moment=NOW + 90 * DAY),
        event(1, NOW - DAY / 3, "ink", price=float("nan"), word=""),
        event(2, NOW - 9 * DAY, word="old", known=NOW - DAY),
        event(2, NOW - DAY / 4, word="a", flag=None),
    ]


@pytest.mark.parametrize("clients", ["arrow", "pandas", "json"])
def test_online_after_push_is_offline_after_append(shop: PushedShop, clients: str) -> None:
    """Windowed, latest, composite, entityless: whatever the events came as, and beside state that is there."""
    early = [event(1, NOW - 2 * DAY, word="early", price=7.25), event(2, NOW - 5 * DAY, "ink", flag=False)]
    shop.project.add_duckdb("log", table(early))
    shop.store.materialize(NOW - 30 * DAY, NOW - DAY)
    given: dict[str, Any] = {
        "arrow": table(_varied()),
        "pandas": pd.DataFrame(_varied()).astype({"cents": "Int64"}).sample(frac=1, random_state=1),
        "json": pd.DataFrame(
            [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in _varied()],
            dtype=object,
        ),
    }
    assert shop.store.push("events", given[clients], to=BOTH) == PushReport(6, 0, appended=6)
    assert shop.online(ASKED) == shop.offline(ASKED)


def test_a_retry_is_a_duplicate(shop: PushedShop) -> None:
    """The same batch again, in whatever types and order, changes nothing; a batch may hold an event twice."""
    rows = _varied()
    assert shop.store.push("events", table([*rows, rows[0]])) == PushReport(6, 1)
    before = shop.online(ASKED)
    again = pd.DataFrame(rows[::-1], dtype=object)
    assert shop.store.push("events", again) == PushReport(0, 6)
    assert shop.online(ASKED) == before


def test_who_tells_an_event_later_tells_the_same_event(shop: PushedShop) -> None:
    """A retry without a knowledge time is known later than the first; the event counts once."""
    row = pd.DataFrame([event(1, NOW - DAY)]).drop(columns="known")
    shop.at(NOW - DAY / 2).push("events", row)
    shop.store.push("events", row)
    assert shop.online([ASKED[0]], "of_user:n") == {"of_user__n": [1], **_keys(ASKED[0])}


def _keys(entity: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in sorted(entity.items())}


def test_events_are_told_apart_by_their_declared_id(shop: PushedShop) -> None:
    """Equal events with ids of their own are two; one id is one event, and what was known of it first counts."""
    frame = pd.DataFrame([order(1, NOW - DAY, 1), order(1, NOW - DAY, 2), order(1, NOW - DAY, 2)])
    assert shop.store.push("orders", frame) == PushReport(2, 1)
    for types in ({"number": float, "cents": "int8"}, {"number": object}):
        assert shop.store.push("orders", frame.astype(types)) == PushReport(0, 3)
    report = shop.store.push("orders", frame.astype({"number": object}).replace({"number": {2: "two"}}))
    assert (report.accepted, [reject.row for reject in report.rejected]) == (1, [0])
    for happened, spend in ((NOW - DAY / 2, 3), (NOW - 2 * DAY, 7)):
        assert shop.store.push("orders", pd.DataFrame([order(1, happened, 2, 5)])) == PushReport(0, 1)
        found = shop.online([{"user_id": 1}], "counted:n", "counted:spend")
        assert (found["counted__n"], found["counted__spend"]) == ([3], [spend])


def test_an_id_that_is_sent_as_text_is_the_number_that_the_source_has(shop: PushedShop) -> None:
    """The event counts once, sent either way, and a materialisation that finds it in the source lets go of it."""
    sent = order(1, NOW - DAY, "5")
    assert shop.store.push("orders", pd.DataFrame([sent])) == PushReport(1, 0)
    assert shop.store.push("orders", pd.DataFrame([sent | {"number": 5}])) == PushReport(0, 1)
    there = sent | {"number": 5, "at": (NOW - DAY).replace(tzinfo=None)}
    shop.project.add_duckdb("numbered", pa.Table.from_pylist([there], NUMBERED))
    shop.store.materialise_view(shop.store.get_stream_feature_view("counted"))
    assert (shop.online([{"user_id": 1}], "counted:n")["counted__n"], shop.waiting("counted")) == ([1], 0)
    assert shop.store.push("orders", pd.DataFrame([sent])) == PushReport(0, 1)


def test_a_float_is_kept_as_its_source_holds_it(shop: PushedShop) -> None:
    """Where that has 32 bits, 0.1 is pushed as it will be read: windows show it so, and it counts once when it is."""
    sent = event(1, NOW - DAY / 2, price=0.1)
    short = LOG.set(LOG.get_field_index("price"), pa.field("price", pa.float32()))
    shop.project.add_duckdb("log", short.empty_table())
    assert shop.store.push("events", pd.DataFrame([sent])) == PushReport(1, 0)
    asked = [ASKED[0]], "of_user:n", "of_user:mean"
    pushed = shop.online(*asked)
    shop.project.add_duckdb("log", pa.Table.from_pylist([sent], short))
    assert pushed == shop.offline(*asked)
    shop.store.materialise_view(shop.store.get_stream_feature_view("of_user"))
    assert (shop.online(*asked), shop.waiting("of_user")) == (pushed, 0)
    assert shop.store.push("events", pd.DataFrame([sent])).accepted == 0


def test_a_row_that_is_known_later_than_now_waits(shop: PushedShop) -> None:
    """Within the tolerance it goes in, is not seen, hides nothing, and is seen when its time has come."""
    first = event(1, NOW - DAY, word="now")
    soon = event(1, NOW + 2 * SECOND, word="soon")
    sooner = event(1, NOW - SECOND, word="late", known=NOW + SECOND)
    assert shop.store.push("events", table([first, soon, sooner])) == PushReport(3, 0)
    features = ["of_user:n", "of_user:last_word", "latest:word"]
    seen = {0: [1, "now", "now"], 1: [2, "late", "late"], 2: [2, "late", "soon"], 3: [3, "soon", "soon"]}
    for seconds, expected in seen.items():
        found = shop.online([{"user_id": 1}], *features, store=shop.at(NOW + seconds * SECOND))
        assert [found[name.replace(":", "__")][0] for name in features] == expected


def test_an_older_row_of_a_latest_value_view_changes_nothing(shop: PushedShop) -> None:
    """The greatest event time stays, then the greatest knowledge time."""
    for happened, known, word, served in [
        (NOW - DAY, NOW - DAY, "first", "first"),
        (NOW - 2 * DAY, NOW - DAY, "older", "first"),
        (NOW - DAY, NOW - DAY / 2, "corrected", "corrected"),
        (NOW - DAY, NOW - DAY / 3 * 2, "not corrected", "corrected"),
    ]:
        shop.store.push("events", table([event(1, happened, known=known, word=word)]))
        assert shop.online([{"user_id": 1}], "latest:word")["latest__word"] == [served]


def test_equal_contents_of_two_entities_are_two_events(shop: PushedShop) -> None:
    """A view of products tells users' events apart, in one batch or in two; as many as are seen are settled."""
    rows = [event(user, NOW - DAY) for user in (1, 2, 3)]
    assert shop.store.push("events", table(rows[:2]), to=BOTH) == PushReport(2, 0, appended=2)
    assert shop.store.push("events", table(rows)) == PushReport(1, 2)
    features = ["of_product:n", "of_all:n"]
    for waiting in (3, 1):
        found = shop.online([{"product": "tea"}], *features)
        assert (found["of_product__n"], found["of_all__n"]) == ([3], [3])
        assert shop.waiting("of_all") == shop.waiting("of_product") == waiting
        shop.store.materialize(NOW - 30 * DAY, NOW - timedelta(hours=waiting))


def test_a_row_goes_to_the_views_that_have_an_entity_for_it(shop: PushedShop) -> None:
    """A null key matches nothing, online as offline; the row's other entities have it."""
    rows = table([event(1, NOW - DAY), event(1, NOW - DAY, None), event(None, NOW - DAY)])
    assert shop.store.push("events", rows, to=BOTH) == PushReport(3, 0, appended=3)
    assert shop.online(ASKED) == shop.offline(ASKED)


def test_history_has_each_row_once(shop: PushedShop) -> None:
    """Five views share it; rejected rows go nowhere, and offline alone is offline alone."""
    rows = [event(1, NOW - DAY), event(2, NOW + DAY), event(2, NOW - DAY, word="b")]
    report = shop.store.push("events", pd.DataFrame(rows, dtype=object), to=BOTH)
    assert (report.accepted, [reject.row for reject in report.rejected]) == (2, [1])
    report = shop.store.push("events", table([event(2, NOW - 2 * DAY), event(2, None)]), to=PushMode.OFFLINE)
    assert (report.accepted, report.duplicates, [reject.row for reject in report.rejected]) == (1, 0, [1])
    offline, online = (ask(ASKED[::2], "of_user:n")["of_user__n"] for ask in (shop.offline, shop.online))
    assert (offline, online) == ([1, 2, 0], [1, 1, 0])


def test_history_takes_what_it_can_hold_unchanged(shop: PushedShop) -> None:
    """A value beyond the history's own type is rejected, though state could keep it; online alone it is kept."""
    rows = pd.DataFrame([order(1, NOW - DAY, 1, 2**40), order(1, NOW - DAY, 2)])
    report = shop.store.push("orders", rows, to=BOTH)
    assert (report.accepted, [reject.row for reject in report.rejected]) == (1, [0])
    assert "int32" in report.rejected[0].reason
    assert shop.store.push("orders", rows) == PushReport(1, 1)


def test_an_integer_beyond_a_float_reaches_history_as_it_is(shop: PushedShop) -> None:
    """Beside a null, pandas and Feast would make a float of it."""
    rows = table([event(1, NOW - DAY, cents=2**60 + 1), event(1, NOW - DAY, cents=None)])
    shop.store.push("events", rows, to=BOTH)
    assert shop.offline([{"user_id": 1}], "of_user:spend")["of_user__spend"] == [2**60 + 1]


def test_a_push_reaches_views_that_were_never_materialised(shop: PushedShop) -> None:
    """Columns are what the source has, though no feature tells (`words` counts texts); materialising goes on."""
    shop.store.push("events", table(_varied()), to=BOTH)
    assert shop.state("of_user").backend.meta(shop.state("of_user").name).until_us is None
    before = shop.online(ASKED)
    shop.store.materialize(NOW - 30 * DAY, NOW)
    assert before == shop.online(ASKED) == shop.offline(ASKED)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_feast_pushes_raw_events(shop: PushedShop, caplog: pytest.LogCaptureFixture, asynchronous: bool) -> None:
    """Feast's own store does the same, and says in the log which rows it rejected."""
    store = feast.FeatureStore(str(shop.project.repo))
    frame = pd.DataFrame([*_varied(), event(1, NOW + DAY)], dtype=object)
    with caplog.at_level(logging.WARNING):
        if asynchronous:
            asyncio.run(store.push_async("events", frame, to=BOTH))
        else:
            store.push("events", frame, to=BOTH)
    assert "1 rows were rejected, first row 6" in caplog.text
    assert shop.online(ASKED, store=store) == shop.offline(ASKED)


def test_threads_push_at_once(shop: PushedShop) -> None:
    """Four threads, the same events and others: each counts once."""
    rng = np.random.default_rng(3)
    rows = [event(int(rng.integers(1, 3)), NOW - DAY * float(rng.random() * 8), cents=n) for n in range(120)]
    batches = [table(rng.permutation(np.array(rows, object))[:90]) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda batch: shop.store.push("events", batch), batches))
    distinct = pa.concat_tables(batches).group_by(LOG.names).aggregate([])
    assert sum(report.accepted for report in reports) == distinct.num_rows
    shop.project.add_duckdb("log", distinct.select(LOG.names))
    assert shop.online(ASKED) == shop.offline(ASKED)


def test_an_unknown_push_source_is_told_with_those_that_exist(shop: PushedShop) -> None:
    """By our error, which is Feast's as well."""
    with pytest.raises(NotFoundError, match=r"'nothing'.*'events', 'orders'") as told:
        push_events(shop.store, "nothing", table([]))
    assert isinstance(told.value, feast.errors.PushSourceNotFoundException)


def test_missing_and_unknown_columns_are_one_error(shop: PushedShop) -> None:
    """Nothing is written; what online doesn't need may be more, and history wants its own columns exactly."""
    rows = table([event(1, NOW - DAY)])
    with pytest.raises(DataError, match=r"lack the column 'at', 'cents'\. Expected: .*'word'\. Received: 'flag'"):
        shop.store.push("events", rows.drop_columns(["at", "cents"]))
    more = rows.append_column("colour", pa.array(["red"]))
    with pytest.raises(DataError, match="'colour', which its history doesn't"):
        shop.store.push("events", more, to=BOTH)
    with pytest.raises(DataError, match="lack the column 'number'"):
        shop.store.push("orders", pd.DataFrame([order(1, NOW, 1)]).drop(columns="number"))
    with pytest.raises(DataError, match="'at' was pushed more than once"):
        shop.store.push("events", pa.table([*rows.columns, rows["at"]], names=[*rows.column_names, "at"]))
    assert shop.waiting("of_user") == 0
    assert shop.store.push("events", more) == PushReport(1, 0)


def test_no_rows_are_no_push(shop: PushedShop) -> None:
    """An empty batch is fine."""
    assert shop.store.push("events", table([]), to=BOTH) == PushReport(0, 0)
    assert shop.store.push("events", pd.DataFrame(columns=LOG.names)) == PushReport(0, 0)


def test_all_rows_rejected(shop: PushedShop) -> None:
    """A batch of which nothing goes in."""
    report = shop.store.push("orders", NUMBERED.empty_table(), to=BOTH)
    assert report == PushReport(0, 0)
    report = shop.store.push("orders", pd.DataFrame([order(1, NOW + DAY, 1)]), to=BOTH)
    assert (report.accepted, len(report.rejected)) == (0, 1)


def test_the_tolerance_is_a_setting(shop: PushedShop) -> None:
    """push_tolerance_seconds says how far ahead a producer's clock may be."""
    config = shop.project.repo / "feature_store.yaml"
    _replace(config, "  path: data/online.db", "  path: data/online.db\n  push_tolerance_seconds: 60")
    store, ahead = shop.project.open(), table([event(1, NOW + 60 * SECOND), event(1, NOW + 61 * SECOND)])
    assert [reject.row for reject in store.push("events", ahead).rejected] == [1]


def _replace(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_every_feature_is_asked(shop: PushedShop) -> None:
    """The parity above leaves no feature of the pushed source's views out."""
    views = [view for view in shop.store.all_feature_views() if getattr(view.stream_source, "name", "") == "events"]
    plans = [shop.state(view.name).plan for view in views]
    assert sorted(FEATURES) == sorted(f"{plan.name}:{name}" for plan in plans for name in plan.types)
