"""The helpers that test features: what they accept, what they catch, and what they say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from projects import Project
from storekeeper.errors import CheckFailedError, DataError, DefinitionError, NotFoundError, UsageError
from storekeeper.testing import FeatureRepo
from storekeeper.testing import view as view_module

DEFINITIONS = """
log = DuckDBSource(name="log", database="data/none.duckdb", table="events", timestamp_field="happened",
                   created_timestamp_column="learnt", field_mapping={"happened": "event_time"})
states = FileSource(name="states", path="data/none.parquet", timestamp_field="since")
pushed = PushSource(name="pushed", batch_source=log)
shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)


def over(name, entities, features):
    return StreamFeatureView(
        name=name, entities=entities, source=pushed, timestamp_field="event_time",
        schema=[Field(name=n, dtype=t) for n, t, _, _ in features],
        aggregations=[Aggregation(column=c, function=f, time_window=timedelta(hours=6), name=n)
                      for n, _, f, c in features],
    )


visits = over("visits", [user, shop], [
    ("paid", Float64, "sum", "amount"),
    ("paid_var", Float64, "var", "amount"),
    ("any_late", Bool, "max", "late"),
    ("late_count", Int64, "sum", "late"),
    ("last_seen", UnixTimestamp, "last", "seen"),
    ("words", Array(String), "last_n(3)", "word"),
    ("visits", Int64, "count", ""),
])
everyone = over("everyone", [], [("all_visits", Int64, "count", ""), ("first_word", String, "first", "word")])
state = FeatureView(
    name="state", entities=[user], ttl=timedelta(hours=2), source=states,
    schema=[Field(name="level", dtype=Int32), Field(name="ratio", dtype=Float32),
            Field(name="tags", dtype=Array(Int64))],
)
asked = RequestSource(name="asked", schema=[Field(name="price", dtype=Float64)])


@on_demand_feature_view(sources=[asked, state[["level"]]],
                        schema=[Field(name="twice", dtype=Float64), Field(name="levelled", dtype=Float64)])
def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": inputs["price"] * 2, "levelled": inputs["price"] * inputs["level"]})


@on_demand_feature_view(sources=[asked], schema=[Field(name="centred", dtype=Float64)])
def skewed(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"centred": inputs["price"] - inputs["price"].mean()})
"""
NOON = "2020-02-29T12:00"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> FeatureRepo:
    """A repo whose sources don't exist."""
    project = Project(tmp_path_factory.mktemp("examples"))
    project.configure()
    project.declare(DEFINITIONS)
    return FeatureRepo.load(project.repo)


def visit(time: str = "2020-02-29T10:00", **values: object) -> dict[str, object]:
    """An event of user 1 in shop A."""
    return {"user_id": 1, "shop": "A", "event_time": time, **values}


def test_loading_needs_and_leaves_nothing(make_project: Callable[[str], Project]) -> None:
    """Declarations load without a registry, an online store or any of their sources, and no file appears."""
    project = make_project("bare")
    project.declare(DEFINITIONS)
    (project.repo / "feature_store.yaml").unlink()
    (project.root / "data").rmdir()
    FeatureRepo.load(project.repo).view("visits").given([visit()]).at(NOON, user_id=1, shop="A").expect(visits=1)
    written = {path.name for path in project.root.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert written == {"definitions.py"}


def test_every_kind_of_column(repo: FeatureRepo) -> None:
    """Floats, flags, times, text and the event itself are taken as written, under their mapped names."""
    rows = [
        visit("2020-02-29T09:00", amount=1, late=True, seen="2020-02-29T08:00+01:00", word="a"),
        visit("2020-02-29T10:00", amount=2.5, late=False, word="b"),
        visit("2020-02-29T11:00", word="c", seen="2020-02-28"),
        visit("2020-02-29T11:30", word="d"),
    ]
    example = repo.view("visits").given(rows).at(NOON, user_id=1, shop="A")
    example.expect(paid=3.5, paid_var=0.5625, any_late=True, late_count=1, visits=4)
    example.expect(last_seen="2020-02-28", words=["b", "c", "d"])
    assert set(example.values("visits", "words")) == {"visits", "words"}
    example.expect(paid=pytest.approx(3.4, abs=0.2))


def test_floats_may_differ_as_rule_10_allows(repo: FeatureRepo) -> None:
    """The tolerance grows with the magnitudes in the column, not with the sum that is left of them."""
    rows = [visit(amount=1e12), visit(amount=-1e12), visit(amount=0.1)]
    example = repo.view("visits").given(rows).at(NOON, user_id=1, shop="A").expect(paid=0.1)
    with pytest.raises(CheckFailedError):
        example.expect(paid=5000.0)
    small = repo.view("visits").given([visit(amount=0.1)]).at(NOON, user_id=1, shop="A")
    with pytest.raises(CheckFailedError):
        small.expect(paid=0.1 + 1e-8)


def test_composite_keys_and_null_keys(repo: FeatureRepo) -> None:
    """Only events with both keys count; a null key is given as None and matches nothing."""
    rows = [visit(), visit() | {"shop": "B"}, visit() | {"shop": None}, visit() | {"user_id": None}]
    visits = repo.view("visits").given(rows)
    visits.at(NOON, user_id=1, shop="A").expect(visits=1)
    visits.at(NOON, user_id=1, shop=None).expect(visits=0, paid=0.0, words=[])


def test_views_about_everyone(repo: FeatureRepo) -> None:
    """A view without entities is asked by time alone, and may be given columns that other views of its source read."""
    rows = [visit(word="a", amount=1.0), visit(word="b")]
    repo.view("everyone").given([{**row} for row in rows]).at(NOON).expect(all_visits=2, first_word="a")
    repo.view("everyone").given().at(NOON).expect(all_visits=0, first_word=None)


def test_ttl_counts_at_reading(repo: FeatureRepo) -> None:
    """A row counts for exactly its ttl, though the state that serves it was built long before."""
    state = repo.view("state").given(
        [{"user_id": 1, "since": "2020-02-29T10:00", "level": 3, "ratio": 0.1, "tags": [1]}]
    )
    state.at("2020-02-29T10:00", user_id=1).expect(level=3, ratio=0.1, tags=[1])
    state.at("2020-02-29T12:00", user_id=1).expect(level=3)
    state.at("2020-02-29T12:00:00.000001", user_id=1).expect(level=None, ratio=None, tags=None)


def test_a_failure_shows_both_values_and_the_fate_of_each_event(repo: FeatureRepo) -> None:
    """The message says what was expected, what came offline and online, and why each event counts or not."""
    rows = [
        visit("2020-02-29T12:00", amount=8.0),
        visit("2020-02-29T05:59", amount=4.0),
        visit("2020-02-29T11:00", amount=2.0, learnt="2020-03-01"),
        visit("2020-02-29T11:00", amount=1.0),
        visit("2020-02-29T11:00"),
        visit("2020-02-29T11:00", amount=1.0) | {"user_id": 2},
    ]
    example = repo.view("visits").given(rows).at(NOON, user_id=1, shop="A")
    with pytest.raises(CheckFailedError) as failed:
        example.expect(visits=2, paid=3)
    told = str(failed.value)
    assert "View 'visits' at 2020-02-29T12:00:00 for user_id=1, shop='A'" in told
    for words in ("expected  3.0", "offline   1.0   <-- differs", "online    1.0   <-- differs"):
        assert words in told
    fates = [line.split("  ")[-1] for line in told.splitlines() if line.strip().startswith(("1 ", "2 "))]
    assert [fate.strip() for fate in fates] == [
        "too late: a window ends before its row's own time",
        "before the window",
        "known too late",
        "counts",
        "in the window, but 'amount' is null",
        "another entity",
    ]
    assert not [line for line in told.splitlines() if line == "visits"]
    assert isinstance(failed.value, AssertionError)


def test_a_failure_of_a_latest_value(repo: FeatureRepo) -> None:
    """Rows of latest-value views are visible, too late, or older than the ttl; without events, it says so."""
    rows = [{"user_id": 1, "since": f"2020-02-29T{hour:02}:00"} for hour in (9, 11, 13)]
    with pytest.raises(CheckFailedError) as failed:
        repo.view("state").given(rows).at(NOON, user_id=1).expect(level=1)
    told = str(failed.value)
    assert [word for word in ("older than the ttl", "visible", "too late") if told.count(word) == 1] != []
    assert told.index("older than the ttl") < told.index("visible") < told.index("too late")
    with pytest.raises(CheckFailedError, match="no events"):
        repo.view("state").given().at(NOON, user_id=1).expect(level=1)


def test_offline_unlike_online_is_caught(repo: FeatureRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is right offline and wrong online, or the other way round, fails."""
    example = repo.view("visits").given([visit()])
    real = view_module.online_values

    def wrong(*arguments: Any) -> dict[str, Any]:
        return real(*arguments) | {"visits": 2}

    monkeypatch.setattr(view_module, "online_values", wrong)
    for value, side in ((1, "online "), (2, "offline")):
        with pytest.raises(CheckFailedError, match=rf"{side}\s+\d   <-- differs"):
            example.at(NOON, user_id=1, shop="A").expect(visits=value)
    with pytest.raises(CheckFailedError, match="online    2   <-- differs"):
        example.at(NOON, user_id=1, shop="A").values()


def test_on_demand_views(repo: FeatureRepo) -> None:
    """The request must be whole; features behind are null where they are left out; a failure shows the inputs."""
    doubled = repo.on_demand("doubled")
    doubled.given(price=2, level=3).expect(twice=4.0, levelled=6.0)
    doubled.given(price=2).expect(twice=4.0, levelled=None)
    doubled.given(price=None).expect(twice=None)
    with pytest.raises(CheckFailedError, match=r"(?s)twice.*expected\s+5.0.*differs.*price = 2.0"):
        doubled.given(price=2).expect(twice=5.0)
    with pytest.raises(UsageError, match=r"takes 'level', 'price'. Missing: 'price'. Unknown: 'prize'"):
        doubled.given(prize=2)
    with pytest.raises(UsageError, match=r"has the features 'levelled', 'twice'. Received: 'thrice'"):
        doubled.given(price=2).expect(thrice=6.0)
    with pytest.raises(DataError, match=r"Input 'price' is double. Received: '2'"):
        doubled.given(price="2")


def test_a_transformation_that_looks_at_other_rows_is_caught(repo: FeatureRepo) -> None:
    """A value that depends on its neighbours in the batch is another in training than when served."""
    with pytest.raises(CheckFailedError, match=r"among other rows.*<-- differs"):
        repo.on_demand("skewed").given(price=2.0).expect(centred=0.0)


@pytest.mark.parametrize(
    ("events", "error", "told"),
    [
        ([{"user_id": 1, "shop": "A"}], UsageError, "Row 0 .*has no 'event_time'"),
        ([visit(), {"shop": "A", "event_time": NOON}], UsageError, "Row 1 .*has no 'user_id'"),
        ([visit(amuont=1)], UsageError, "reads no column 'amuont'. It reads: 'amount'"),
        ([visit(amount="1")], DefinitionError, "sum takes columns of kind"),
        ([visit(amount=1.0), visit(amount="1")], DataError, "must hold values of one type"),
        ([visit(word=5)], DefinitionError, "declared"),
        ([visit() | {"user_id": "1"}], DataError, r"'user_id' of view 'visits' is int64. Received: '1' \(str\)"),
        ([visit() | {"user_id": 1.5}], DataError, r"is int64. Received: 1.5"),
        ([visit("soon")], DataError, "must be a datetime or ISO 8601 text.*'soon'"),
    ],
)
def test_events_that_cannot_be(
    repo: FeatureRepo, events: list[dict[str, object]], error: type[Exception], told: str
) -> None:
    """Typos and values of another type are refused, by name, instead of counting as null."""
    with pytest.raises(error, match=told):
        repo.view("visits").given(events)


def test_questions_that_cannot_be(repo: FeatureRepo) -> None:
    """Unknown views, features and keys are refused with what exists."""
    with pytest.raises(NotFoundError, match=r"no feature view 'visit'. There are: 'everyone', 'state', 'visits'"):
        repo.view("visit")
    with pytest.raises(NotFoundError, match=r"on_demand\('doubled'\)"):
        repo.view("doubled")
    with pytest.raises(NotFoundError, match=r"no on-demand view 'visits'. There are: 'doubled', 'skewed'"):
        repo.on_demand("visits")
    with pytest.raises(NotFoundError, match="no feature repo"):
        FeatureRepo.load("/nowhere/at/all")
    given = repo.view("visits").given([visit()])
    with pytest.raises(UsageError, match=r"is about 'shop', 'user_id'. Received: 'user_id'"):
        given.at(NOON, user_id=1)
    with pytest.raises(DataError, match=r"Join key 'user_id' is int64. Received: '1'"):
        given.at(NOON, user_id="1", shop="A")
    with pytest.raises(UsageError, match=r"has the features 'any_late'.*Received: 'visitors'"):
        given.at(NOON, user_id=1, shop="A").expect(visitors=1)
    with pytest.raises(UsageError, match="Received: nothing"):
        given.at(NOON, user_id=1, shop="A").expect()
    with pytest.raises(DataError, match=r"Feature 'visits' is int64. Received: '1'"):
        given.at(NOON, user_id=1, shop="A").expect(visits="1")


@pytest.mark.slow
def test_plug_in_finds_the_project(project: Project) -> None:
    """In any project, pytest has the fixture at hand, and a failing example points at the test's own line."""
    project.declare(DEFINITIONS)
    (project.root / "test_visits.py").write_text(
        "def test_visits(feature_repo):\n"
        "    visits = feature_repo.view('visits').given([{'user_id': 1, 'shop': 'A', 'event_time': '2020-01-01'}])\n"
        "    visits.at('2020-01-01T01:00', user_id=1, shop='A').expect(visits=1)\n"
        "    visits.at('2020-01-01', user_id=1, shop='A').expect(visits=1)\n",
        encoding="utf-8",
    )
    done = project.run("pytest", "-q", "-p", "no:cacheprovider", str(Path("test_visits.py")))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_visits.py:4" in done.stdout
    assert "too late: a window ends before its row's own time" in done.stdout
    assert "storekeeper/testing/view.py" not in done.stdout
