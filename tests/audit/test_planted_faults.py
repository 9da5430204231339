"""Each class of difference, planted for real and found by its name."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from audit.serving_project import DAY, NOW, USERS, Shop, moment, profile_of, replaced
from projects import Project
from storekeeper.audit.replay import ServiceAudit


@pytest.fixture
def shop(project: Project) -> Shop:
    """A shop that serves what training would see."""
    return Shop(project).open()


def classes(audit: ServiceAudit) -> dict[str, int]:
    """Number of values by class."""
    return {finding.label: finding.values for finding in audit.findings}


def features(audit: ServiceAudit, label: str) -> set[str]:
    """Features among the examples of a class."""
    return {example.feature for finding in audit.findings if finding.label == label for example in finding.examples}


def why(audit: ServiceAudit, label: str) -> str:
    """The evidence on the first example of a class."""
    return next(finding.examples[0].why for finding in audit.findings if finding.label == label)


def wrong(table: pa.Table, name: str = "clicks_7d", add: int = 5) -> pa.Table:
    """Vectors with a value that no history gives."""
    return replaced(table, name, pc.add(table.column(name), add))


def test_a_clean_run_says_how_much_was_compared(shop: Shop) -> None:
    """Where nothing was planted nothing differs: vectors times features were compared."""
    shop.serve()
    shop.serve([2, 99])
    audit = shop.audit()
    assert (audit.vectors, audit.features, audit.compared, audit.findings) == (6, 5, 30, ())


def test_late_behind_the_watermark(shop: Shop) -> None:
    """Events between the last materialisation and the vector are late, in on-demand features too."""
    shop.click((1, 0.4, 3.3), (1, 0.2, 1.7), (3, 0.1, 2.2))
    shop.serve()
    audit = shop.audit()
    assert classes(audit) == {"late": 6}
    assert features(audit, "late") == {"clicks_7d", "spend_7d", "share"}
    (finding,) = audit.findings
    assert (finding.vectors, finding.entities) == (2, 4)
    assert finding.by_view() == {"activity": 4, "basket": 2}
    assert {example.entity["user_id"] for example in finding.examples} == {1}


def test_late_by_an_early_materialisation(shop: Shop, project: Project) -> None:
    """State of yesterday doesn't hold today's events; the example says how far it reached and what came later."""
    shop.click((1, 0.4, 3.3), (1, 0.2, 1.7))
    project.configure(clock=(NOW - DAY).isoformat())
    (project.root / "data" / "online.db").unlink()
    shop.materialise()
    project.configure()
    shop.serve()
    audit = shop.audit()
    assert classes(audit)["late"] == 3 + 2
    assert "'activity' stood at 2020-02-29 00:00:00Z, 2 rows of this entity came later" in why(audit, "late")
    assert features(audit, "late") >= {"clicks_7d", "share", "tier"}


def test_late_by_knowledge(project: Project) -> None:
    """A row that became known after the state was made, but before the vector, is late."""
    shop = Shop(project, known=', created_timestamp_column="known"')
    shop.project.add_duckdb("clicks", pa.table({"user_id": [1], "at": [moment(3)], "price": [1.0]}))
    shop.sql("ALTER TABLE clicks ADD COLUMN known TIMESTAMP")
    shop.sql("CREATE TABLE profiles AS SELECT 1::BIGINT user_id, TIMESTAMP '2020-02-29' since, 'a' tier, 0.5 score")
    shop.sql("INSERT INTO clicks VALUES (1, '2020-02-28', 2.0, '2020-02-29 12:00')")
    shop.apply()
    project.configure(clock=(NOW - DAY).isoformat())
    shop.materialise()
    project.configure()
    shop.serve([1])
    assert classes(shop.audit()) == {"late": 3}


def test_late_by_an_append(shop: Shop) -> None:
    """Rows from before the watermark that a source got later are late: its first rows hash to what the state was."""
    shop.serve()
    shop.click((2, 2.5, 1.5), (4, 6.0, 2.5))
    audit = shop.audit()
    assert classes(audit) == {"late": 6}
    assert "appended to the source only after the state was made" in why(audit, "late")


def test_rewritten_history_is_not_late(shop: Shop) -> None:
    """Rows that were changed in place, or removed, explain nothing; it is said that they were."""
    shop.serve()
    shop.sql("UPDATE clicks SET price = price + 1 WHERE user_id = 3")
    shop.sql("DELETE FROM clicks WHERE user_id = 2 AND price < 0.8")
    audit = shop.audit()
    assert set(classes(audit)) == {"unexplained"}
    assert audit.unexplained == audit.differing == 2 + 3
    assert "rows of source click_log were changed or removed" in why(audit, "unexplained")


def test_a_lost_event_is_not_late(shop: Shop) -> None:
    """A count that lacks the newest event is no late event where the source held that event all the time."""
    shop.serve(change=lambda table: wrong(table, add=-1))
    audit = shop.audit()
    assert classes(audit) == {"unexplained": 4}
    assert "still holds the rows" in why(audit, "unexplained")


def test_a_wrong_value_is_not_late_by_chance(shop: Shop) -> None:
    """A wrong count that equals the one without late rows isn't late where the sum has those rows."""
    shop.click((1, 0.4, 3.3))
    shop.materialise(NOW)
    online = shop.project.root / "data" / "online.db"
    kept = online.read_bytes()
    shop.click((1, 0.2, 1.7))
    assert online.read_bytes() == kept
    shop.serve([1], change=lambda table: replaced(table, "spend_7d", pa.array([1.1 + 2.3 + 3.3 + 1.7])))
    audit = shop.audit()
    assert features(audit, "unexplained") == {"clicks_7d"}


def test_ttl_ignored_online(shop: Shop) -> None:
    """Expired rows that were served all the same, as Feast's own stores do, are a matter of ttl."""
    shop.serve(change=profile_of(shop.without_ttl().read(USERS, NOW)))
    audit = shop.audit()
    assert classes(audit) == {"ttl": 4}
    assert {example.online for example in audit.examples} == {"c", 0.3}
    assert "equal without the ttl" in why(audit, "ttl")


def test_ttl_by_another_clock(shop: Shop) -> None:
    """Rows that had expired by wall time, but not by the clock, are a matter of ttl."""
    shop.serve(change=profile_of(shop.read(USERS, datetime.now(UTC))))
    audit = shop.audit()
    assert classes(audit) == {"ttl": 4}
    assert "wall time instead of the clock" in why(audit, "ttl")


def test_a_lost_row_has_not_expired(shop: Shop) -> None:
    """A null that wall time would explain isn't a matter of ttl where the process served others by the clock."""
    nothing = replaced_first("tier", pa.string()), replaced_first("score", pa.float64())
    shop.serve(change=lambda table: nothing[1](nothing[0](table)))
    assert classes(shop.audit()) == {"unexplained": 2}


def replaced_first(name: str, type_: pa.DataType) -> Any:
    """Vectors whose first has no value."""
    return lambda table: replaced(table, name, pa.array([None, *table.column(name).to_pylist()[1:]], type_))


def test_ttl_at_its_edge(shop: Shop) -> None:
    """A row that is exactly as old as its ttl counts; served as expired, it is a matter of ttl."""
    shop.sql("INSERT INTO profiles VALUES (7, TIMESTAMP '2020-02-28', 'e', 0.5)")
    shop.materialise()
    none = pa.array([None], pa.string())
    shop.serve([7], lambda t: replaced(replaced(t, "tier", none), "score", pa.array([None], pa.float64())))
    audit = shop.audit()
    assert classes(audit) == {"ttl": 2}
    assert "exactly the ttl" in why(audit, "ttl")


@pytest.mark.parametrize(
    ("name", "cast", "values"),
    [
        ("clicks_7d", lambda column: column.cast(pa.float64()), 4),
        ("clicks_7d", lambda column: column.cast(pa.string()), 4),
        ("spend_7d", lambda column: column.cast(pa.float32()), 4),
        ("spend_7d", lambda column: column.cast(pa.float32()).cast(pa.float64()), 4),
        ("spend_7d", lambda column: pc.round(column).cast(pa.int64()), 4),
        ("spend_7d", lambda column: pc.round(column, 0), 4),
        ("spend_7d", lambda column: column.cast(pa.int64(), safe=False), 4),
        ("spend_7d", lambda column: column.cast(pa.string()), 4),
        ("share", lambda column: pc.round(column, 3), 3),
    ],
    ids=["float", "text", "single", "rounded to single", "int", "whole", "cut", "float as text", "3 decimals"],
)
def test_type(shop: Shop, name: str, cast: Any, values: int) -> None:
    """A cast or rounding between the reader and the model is named, with both types."""
    shop.serve(change=lambda table: replaced(table, name, cast(table.column(name))))
    audit = shop.audit()
    assert classes(audit) == {"type": values}
    assert features(audit, "type") == {name}
    assert "served" in why(audit, "type")


def test_a_small_error_is_no_rounding(shop: Shop) -> None:
    """A value that is off by a little is no rounding where the others weren't rounded."""
    shop.serve(change=lambda table: replaced(table, "spend_7d", pc.add(table.column("spend_7d"), 1e-6)))
    assert classes(shop.audit()) == {"unexplained": 4}


def test_definition_that_can_be_computed_again(shop: Shop) -> None:
    """A window that was longer is recomputed as it was; only what it changes differs, and the change is told."""
    shop.serve()
    shop.days = 14
    shop.apply()
    audit = shop.audit()
    assert audit.redefined
    assert classes(audit) == {"definition": 1}
    (example,) = audit.examples
    assert (example.feature, example.entity, example.online, example.offline) == ("clicks_7d", {"user_id": 4}, 1, 2)
    assert "'clicks_7d' was count() over 7 days, is count() over 14 days" in example.why


def test_definition_of_a_ttl(shop: Shop) -> None:
    """A row that has expired only by the ttl of today was served under another definition."""
    shop.serve()
    shop.ttl = 1
    shop.apply()
    audit = shop.audit()
    assert classes(audit) == {"definition": 2}
    assert "ttl was 2 days, is 1 day" in why(audit, "definition")


def test_definition_that_does_not_explain(shop: Shop) -> None:
    """A value that neither the former definition nor the present one gives is not excused by the change."""
    shop.serve(change=wrong)
    shop.days = 14
    shop.apply()
    assert classes(shop.audit()) == {"unexplained": 4}


def test_definition_of_an_on_demand_view(shop: Shop) -> None:
    """Code that isn't there any more can't be run: its hash tells that it was other code, for its features only."""
    shop.serve(change=lambda table: wrong(table, add=1) if table.num_rows == 1 else table)
    shop.serve([1], wrong)
    shop.plus = 2
    shop.apply()
    audit = shop.audit()
    assert classes(audit) == {"definition": 5, "unexplained": 1}
    assert features(audit, "definition") == {"share"}


def test_code(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nothing else explains, and other code served, is that code's; the versions are told."""
    monkeypatch.setattr("storekeeper.audit.witness.code_version", lambda: "0.0.9+0123456789ab")
    shop.serve(change=wrong)
    audit = shop.audit()
    assert classes(audit) == {"code": 4}
    assert "served by code 0.0.9+0123456789ab, audited by 0.1.0+" in why(audit, "code")
    assert audit.unexplained == 0


def test_without_evidence_nothing_is_guessed(shop: Shop) -> None:
    """Logs of before evidence was recorded are replayed as ever; what differs is unexplained, but for types."""
    shop.serve(bare=True)
    assert shop.audit().differing == 0
    shop.click((1, 0.4, 3.3))
    shop.serve([2], lambda table: replaced(table, "clicks_7d", table.column("clicks_7d").cast(pa.string())), bare=True)
    audit = shop.audit()
    assert classes(audit) == {"type": 1, "unexplained": 3}
    assert "before evidence was recorded" in why(audit, "unexplained")


def test_two_causes_of_one_value(shop: Shop) -> None:
    """A late value that was also rounded is late and a matter of type, and told as both."""
    shop.click((1, 0.4, 3.3))
    shop.serve(change=lambda table: replaced(table, "spend_7d", table.column("spend_7d").cast(pa.float32())))
    audit = shop.audit()
    assert classes(audit) == {"late": 2, "type": 3, "late + type": 1}


def test_all_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five causes in one log, in different vectors, each found for what it is, beside one that nothing explains."""
    shop.serve([3], profile_of(shop.without_ttl().read([3], NOW)))
    with monkeypatch.context() as patch:
        patch.setattr("storekeeper.audit.witness.code_version", lambda: "0.0.9+0123456789ab")
        shop.serve([2], wrong)
    shop.serve([2], lambda table: replaced(table, "score", table.column("score").cast(pa.string())))
    shop.click((1, 0.4, 3.3))
    shop.serve([1, 4])
    shop.serve([2], wrong)
    shop.days = 14
    shop.apply()
    audit = shop.audit()
    assert classes(audit) == {"late": 3, "ttl": 2, "type": 1, "definition": 1, "code": 1, "unexplained": 1}
    assert (audit.vectors, audit.compared, audit.differing, audit.unexplained) == (6, 30, 9, 1)
    document = json.loads(json.dumps(audit.as_dict()))
    assert {one["causes"][0]: one["entities"] for one in document["classes"]}["late"] == 2
    assert all(one["do"] and one["examples"] for one in document["classes"])
