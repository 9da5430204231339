"""Leaks planted in a small shop, one at a time: each is found and named, and a clean shop has none."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from leaky_shop import LeakyShop, profile_rows, with_column
from storekeeper.clock import Clock
from storekeeper_training.lint import LINTS, Evidence, Limits, run_lints
from storekeeper_training.lint.evidence import SourceFacts
from storekeeper_training.split import split_by_fractions, split_by_instants
from storekeeper_training.tasks import Task
from synthetic_shop import SHOP_NOW


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The shop without a leak. Shared: plants replace parts of it."""
    return LeakyShop().evidence(tmp_path_factory.mktemp("clean"))


def found(evidence: Evidence) -> set[tuple[str, str, str]]:
    """Lint, severity and subject of everything that is found."""
    return {(f.lint, f.severity, f.subject) for f in run_lints(evidence).findings}


def planted(evidence: Evidence, name: str, values: object) -> Evidence:
    """The evidence with a column planted in its dataset."""
    return replace(evidence, dataset=with_column(evidence.dataset, name, values))


def test_a_clean_shop_has_no_findings(clean: Evidence) -> None:
    """Though orders are reported late and features foretell the label, nothing is found."""
    report = run_lints(clean)
    assert report.findings == ()
    assert report.rows == clean.dataset.table.num_rows > 1000
    assert report.lints == tuple(LINTS)
    assert clean.declared is not None
    assert clean.declared.replayed is not None
    assert clean.declared.spine_then is not None
    assert clean.declared.observed_until is not None


def test_a_time_yet_to_come(tmp_path: Path) -> None:
    """A latest-value column that holds the time of the customer's next order is found."""
    upcoming = np.datetime64("2020-02-20", "us") + np.arange(60).astype("timedelta64[h]").astype("timedelta64[us]")
    leaky = LeakyShop(
        profiles=profile_rows(next_order=upcoming), profile_fields='Field(name="next_order", dtype=UnixTimestamp)'
    )
    assert ("future-features", "error", "next_order") in found(leaky.evidence(tmp_path))


def test_features_of_the_labels_own_window(clean: Evidence) -> None:
    """Features that were computed when the label was known differ from what history gives for the row's time."""
    later = np.roll(np.asarray(clean.dataset.table["orders_3d"]), -120)
    assert found(planted(clean, "orders_3d", later)) == {("future-features", "error", "orders_3d")}


def test_ages_below_and_at_zero(clean: Evidence) -> None:
    """Seconds since an event that comes after the row, or at its very time, are found without a replay."""
    assert clean.declared is not None
    alone = replace(clean, declared=replace(clean.declared, replayed=None, sampled=None))
    ages = np.asarray(clean.dataset.table["since_order"]).copy()
    ages[5] = -1.0
    assert found(planted(alone, "since_order", ages)) == {("future-features", "error", "since_order")}
    ages[5] = 0.0
    assert found(planted(alone, "since_order", ages)) == {("inclusive-edge", "error", "since_order")}


@pytest.mark.parametrize("as_text", [False, True])
def test_the_label_under_another_name(clean: Evidence, as_text: bool) -> None:
    """A feature that says what the label says is found, turned round, as text and with gaps, and only once."""
    labels = clean.dataset.labels
    values = [None if row % 3 == 0 else 1 - int(label) for row, label in enumerate(labels)]
    copy = [None if value is None else {0: "kept", 1: "left"}[value] for value in values] if as_text else values
    assert found(planted(clean, "stayed", copy)) == {("label-among-features", "error", "stayed")}
    noise = np.random.default_rng(0).random(len(labels))
    assert found(planted(clean, "order_label", noise)) == {("label-among-features", "warning", "order_label")}


def test_the_event_being_scored(tmp_path: Path) -> None:
    """A latest-value view over the label's own source, asked at the times of events, sees the event itself."""
    more = (
        'last_order = FeatureView(name="last_order", entities=[customer], source=orders.batch_source,\n'
        '                         schema=[Field(name="amount_cents", dtype=Int64)])'
    )
    shop = LeakyShop(more=more, services=", last_order")
    assert ("inclusive-edge", "warning", "last_order") in found(shop.evidence(tmp_path / "between"))
    at_events = shop.with_spine(
        "unnest(generate_series(TIMESTAMP '2020-01-11 12:00', until, INTERVAL 1 DAY)) AS cutoff, until FROM bounds",
        "event_time AS cutoff, until FROM bounds, seen WHERE amount_cents < 900",
    )
    findings = run_lints(at_events.evidence(tmp_path / "at")).findings
    assert [(f.lint, f.severity, f.subject) for f in findings if f.severity == "error"] == [
        ("inclusive-edge", "error", "last_order")
    ]


@pytest.mark.parametrize(
    ("column", "severity"), [("recorded_at", "error"), ("inserted", "error"), ("delivered", "warning")]
)
def test_rows_recorded_later_than_they_say(tmp_path: Path, column: str, severity: str) -> None:
    """A source without knowledge time, with a column that is later than the event time, is back-dated."""
    rows = profile_rows()
    later = np.where(np.arange(60) < 6, np.timedelta64(200, "D"), np.timedelta64(0, "D"))
    late = np.asarray(rows["since"]) + later
    table = rows.drop_columns(["recorded_at"]).append_column(column, pa.array(late))
    findings = run_lints(LeakyShop(profiles=table, profile_options="").evidence(tmp_path)).findings
    assert [(f.lint, f.severity, f.subject) for f in findings] == [("back-dated-source", severity, "profiles")]
    assert f"10.0% of its rows '{column}' is later" in findings[0].seen


def test_rows_appended_late(tmp_path: Path) -> None:
    """In a log that is in the order of its writing, rows that happened before earlier ones were written late."""
    rows = profile_rows().drop_columns(["recorded_at"])
    appended = pa.concat_tables([rows.slice(3), rows.slice(0, 3)])
    assert found(LeakyShop(profiles=appended, profile_options="").evidence(tmp_path)) == {
        ("back-dated-source", "error", "profiles")
    }


def test_a_picture_of_today_under_an_old_date(tmp_path: Path) -> None:
    """A source all of whose rows stand under one instant is a snapshot; an unordered or recorded one is none."""
    rows = profile_rows()
    snapshot = rows.set_column(1, "since", pa.array(np.full(60, np.datetime64("2019-01-01", "us"))))
    leaky = LeakyShop(profiles=snapshot.drop_columns(["recorded_at"]), profile_options="")
    assert found(leaky.evidence(tmp_path / "a")) == {("back-dated-source", "warning", "profiles")}
    shuffled = rows.drop_columns(["recorded_at"]).take(pa.array(np.random.default_rng(0).permutation(60)))
    assert found(LeakyShop(profiles=shuffled, profile_options="").evidence(tmp_path / "b")) == set()


def test_a_dataset_built_without_the_cutoff(clean: Evidence) -> None:
    """The manifest of a dataset that was built without the knowledge cut-off gives it away."""
    manifest = {**clean.dataset.manifest, "knowledge_cutoff": False}
    assert found(replace(clean, dataset=replace(clean.dataset, manifest=manifest))) == {
        ("no-knowledge-cutoff", "error", "shop")
    }


@pytest.mark.parametrize("shape", ["line", "hump", "words", "nulls"])
def test_a_feature_too_good_to_be_true(clean: Evidence, shape: str) -> None:
    """A feature that separates the labels almost alone is found, whatever the shape of the relation."""
    rng, labels = np.random.default_rng(1), clean.dataset.labels
    noisy = np.where(rng.random(len(labels)) < 0.02, 1 - labels, labels)
    shapes = {
        "line": noisy + rng.normal(0, 0.2, len(labels)),
        "hump": np.where(noisy == 1, rng.normal(0, 0.2, len(labels)), rng.choice([-2, 2], len(labels))),
        "words": [f"{value}{rng.integers(5)}" for value in noisy],
        "nulls": [None if value else float(rng.integers(1, 99)) for value in noisy],
    }
    leaky = planted(clean, "too_good", shapes[shape])
    assert found(leaky) == {("implausible-feature", "error", "too_good")}
    assert found(replace(leaky, limits=Limits(auc=0.999))) == set()


def test_parts_that_overlap_in_time(clean: Evidence) -> None:
    """A gap shorter than the label's horizon, and rows dealt at random, are found."""
    split = clean.split
    short = split_by_instants(clean.dataset.timestamps, split.train_end, split.validation_end, timedelta(hours=12))
    overlap = {("split-overlap", "error", "train, validation"), ("split-overlap", "error", "validation, test")}
    assert found(replace(clean, split=short)) == overlap
    dealt = np.random.default_rng(0).permutation(clean.dataset.table.num_rows)
    train, validation, test = np.split(dealt, [1000, 1200])
    at_random = replace(split, train=train, validation=validation, test=test)
    assert overlap <= found(replace(clean, split=at_random))


@pytest.mark.parametrize("form", ["number", "text", "falling"])
def test_ids_that_tell_the_time(clean: Evidence, form: str) -> None:
    """Numbers and texts that grow with the rows' own time are found, late numbers and gaps among them."""
    rng, count = np.random.default_rng(2), clean.dataset.table.num_rows
    numbers = np.arange(count) * 7 + rng.integers(0, 40, count)
    values = {"number": numbers, "text": [f"ORD-{n:09}" for n in numbers], "falling": -numbers}[form]
    assert found(planted(clean, "order_no", values)) == {("time-encoding-id", "error", "order_no")}
    assert found(planted(clean, "order_no", rng.permutation(numbers))) == set()


def test_rows_that_stand_in_two_parts(clean: Evidence) -> None:
    """Training rows that come again in the test period under another time are found."""
    dataset, split = clean.dataset, clean.split
    inner = [name for name in dataset.table.column_names if name != "event_timestamp"]
    rows = np.arange(dataset.table.num_rows)
    rows[split.test[:20]] = split.train[:20]
    copied = dataset.table.select(inner).take(pa.array(rows))
    table = copied.append_column("event_timestamp", dataset.table["event_timestamp"]).select(dataset.table.column_names)
    leaky = replace(clean, dataset=replace(dataset, table=table), declared=None)
    assert found(leaky) == {("duplicate-rows", "error", "train, test")}
    coarse = table.drop_columns(["since_order", "spent_10d"])
    assert found(replace(clean, dataset=replace(dataset, table=coarse), declared=None)) == set()


def test_labels_that_are_not_known_yet(tmp_path: Path) -> None:
    """A spine that takes what is still to come for 'no' is found by the end of the log and by the clock turned back."""
    leaky = LeakyShop().with_spine("CASE WHEN cutoff + $horizon <= any_value(until)", "CASE WHEN true")
    assert found(leaky.evidence(tmp_path)) >= {
        ("immature-labels", "error", "label"),
        ("label-known-early", "error", "label"),
    }


def test_a_label_of_the_past(tmp_path: Path) -> None:
    """A label that looks back instead of ahead is known before its window has passed."""
    leaky = LeakyShop().with_spine(
        "seen.event_time >= cutoff AND seen.event_time < cutoff + $horizon",
        "seen.event_time < cutoff AND seen.event_time >= cutoff - $horizon",
    )
    back = leaky.with_spine("CASE WHEN cutoff + $horizon <= any_value(until)", "CASE WHEN cutoff <= any_value(until)")
    spine = leaky.task.spine_sql.replace(
        "CASE WHEN cutoff + $horizon <= any_value(until)", "CASE WHEN cutoff <= any_value(until)"
    )
    back = replace(back, task=replace(back.task, spine_sql=spine))
    assert ("label-known-early", "error", "label") in found(back.evidence(tmp_path))


def test_a_label_that_looks_beyond_its_horizon(tmp_path: Path) -> None:
    """Labels that change after their window has passed depend on more than the horizon."""
    leaky = LeakyShop().with_spine("seen.event_time < cutoff + $horizon", "seen.event_time < cutoff + 8 * $horizon")
    assert found(leaky.evidence(tmp_path)) == {("label-changes-later", "error", "label")}


def test_rows_chosen_by_what_came_later(tmp_path: Path) -> None:
    """A spine of customers who order often in the end was not to be had at the time."""
    leaky = LeakyShop().with_spine(
        "seen.event_time >= cutoff - INTERVAL 10 DAY",
        "seen.event_time >= cutoff - INTERVAL 10 DAY AND seen.customer_id IN "
        "(SELECT customer_id FROM seen GROUP BY ALL HAVING count(*) > 20)",
    )
    assert found(leaky.evidence(tmp_path)) == {("future-spine", "error", "orders")}


def test_stale_and_unread_declarations_are_warnings(clean: Evidence) -> None:
    """A dataset of other declarations, or a shop that can't be read, is said so and stops nothing."""
    assert clean.declared is not None
    other = replace(clean.declared, definition_hash="another", replayed=None, sampled=None)
    assert found(replace(clean, declared=other)) == {("stale-dataset", "warning", "shop")}
    unread = run_lints(replace(clean, declared=None, unread="There is no file."))
    assert [(f.lint, f.severity) for f in unread.findings] == [("unread-declarations", "warning")]
    assert unread.findings[0].seen.endswith("There is no file.")
    assert unread.refused() == ()


def test_most_rows_out_of_order_is_no_evidence(clean: Evidence) -> None:
    """A table that isn't in the order of its writing tells nothing by its order."""
    assert clean.declared is not None
    for share, told in ((0.3, False), (0.01, True), (0.0, False)):
        facts = {"log": SourceFacts(100, {}, share, 2)}
        leaky = replace(clean, declared=replace(clean.declared, sources=facts))
        assert (("back-dated-source", "error", "log") in found(leaky)) is told


@pytest.mark.slow
def test_the_purchase_task_is_clean(own_shop_project: object, tmp_path: Path) -> None:
    """The purchase task on the synthetic shop, late reports and all, has no findings."""
    from projects import Project
    from storekeeper.settings import Settings
    from storekeeper_training.build import build_dataset
    from storekeeper_training.dataset import read_dataset
    from storekeeper_training.lint.declared import read_declared
    from storekeeper_training.tasks import PURCHASE

    assert isinstance(own_shop_project, Project)
    task: Task = replace(PURCHASE, parameters={**PURCHASE.parameters, "sample_rate": 0.5})
    settings = replace(Settings.load(own_shop_project.root, {}), clock=Clock(fixed=SHOP_NOW))
    store = own_shop_project.apply()
    dataset = read_dataset(task, build_dataset(task, settings, store).folder)
    split = split_by_fractions(dataset.timestamps, task.horizon)
    evidence = Evidence(dataset, split, Limits(), read_declared(dataset, settings, store, Limits()))
    assert found(evidence) == set()
