"""A repo that declares something impossible is refused before anything is written."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from projects import Project, at
from storekeeper.errors import DefinitionError, SourceError, StorekeeperError

GOOD = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
latest = FeatureView(
    name="latest", entities=[user], source=log,
    schema=[Field(name="cents", dtype=Int64), Field(name="word", dtype=String)],
)
"""


def _latest(source: str = "log", schema: str = 'Field(name="cents", dtype=Int64)', entity: str = "user") -> str:
    return (
        GOOD.replace("latest", "good")
        + f"""
broken = FeatureView(name="broken", entities=[{entity}], source={source}, schema=[{schema}])
"""
    )


def _windowed(aggregation: str, schema: str = 'Field(name="f", dtype=Int64)', before: str = GOOD) -> str:
    return (
        before
        + f"""
broken = StreamFeatureView(
    name="broken", entities=[user], source=PushSource(name="push", batch_source=log), timestamp_field="at",
    schema=[{schema}], aggregations=[{aggregation}],
)
"""
    )


def _duckdb(options: str) -> str:
    return f'DuckDBSource(name="bad", timestamp_field="at", {options})'


_DUCK = 'database="data/behaviour.duckdb"'
CASES = {
    "missing column": (_latest(schema='Field(name="nope", dtype=Int64)'), r"'broken' needs column 'nope'.*'cents'"),
    "missing key column": (
        _latest(_duckdb(f"{_DUCK}, query='SELECT \"at\", cents FROM log'")),
        r"'broken' needs column 'user_id'",
    ),
    "missing aggregated column": (_windowed('Aggregation(column="nope", function="sum", name="f")'), "'nope'"),
    "missing time column": (
        _latest(f'DuckDBSource(name="bad", {_DUCK}, table="log", timestamp_field="when")'),
        r"'bad' has no column 'when'.*'at'",
    ),
    "missing knowledge column": (
        _latest(_duckdb(f'{_DUCK}, table="log", created_timestamp_column="known"')),
        r"'bad' has no column 'known'",
    ),
    "no time column": (_latest(f'DuckDBSource(name="bad", {_DUCK}, table="log")'), "timestamp"),
    "time column of text": (
        _latest(f'DuckDBSource(name="bad", {_DUCK}, table="log", timestamp_field="word")'),
        r"'word' must hold timestamps. It holds (large_)?string",
    ),
    "missing DuckDB file": (_latest(_duckdb('database="data/none.duckdb", table="log"')), r"none\.duckdb"),
    "missing DuckDB table": (_latest(_duckdb(f'{_DUCK}, table="none"')), "none"),
    "broken query": (_latest(_duckdb(f'{_DUCK}, query="SELECT nope FROM log"')), "nope"),
    "missing Parquet file": (
        _latest('FileSource(name="bad", path="data/none.parquet", timestamp_field="at")'),
        r"none\.parquet",
    ),
    "missing SQLite file": (
        _latest('SQLSource(name="bad", url="sqlite:///data/none.db", table="t", timestamp_field="at")'),
        r"none\.db",
    ),
    "missing SQL table": (
        _latest('SQLSource(name="bad", url="sqlite:///data/shop.db", table="none", timestamp_field="at")'),
        r"no table 'none'.*'rows'",
    ),
    "missing variable": (
        _latest('SQLSource(name="bad", url="${NO_SUCH_URL}", table="t", timestamp_field="at")'),
        "NO_SUCH_URL",
    ),
    "unreachable database": (
        _latest('SQLSource(name="bad", url="${SHOP_URL}", table="t", timestamp_field="at")'),
        r"'bad'.*anna:\*\*\*@localhost",
    ),
    "password in a URL": (
        _latest('SQLSource(name="bad", url="postgresql://anna:geheim@localhost/db", table="t", timestamp_field="at")'),
        "'bad' has a password",
    ),
    "truncated DuckDB file": (_latest(_duckdb('database="data/cut.duckdb", table="log"')), r"cut\.duckdb"),
    "wrong dtype": (_latest(schema='Field(name="word", dtype=Int64)'), r"'word'.*declared int64.*(large_)?string"),
    "float declared as int": (_latest(schema='Field(name="price", dtype=Int64)'), r"'price'.*int64.*double"),
    "list declared as text": (_latest(schema='Field(name="words", dtype=String)'), r"'words'"),
    "windowed wrong dtype": (
        _windowed('Aggregation(column="price", function="mean", name="f")'),
        r"'f'.*declared int64.*double",
    ),
    "key of another type": (
        'texts = Entity(name="texts", join_keys=["user_id"], value_type=ValueType.STRING)' + _latest(entity="texts"),
        r"'user_id' is declared string and is int64",
    ),
    "an entity that isn't declared": (
        _latest(entity='Entity(name="other", join_keys=["user_id"], value_type=ValueType.INT64)'),
        r"'broken' names the entity 'other'.*'user'",
    ),
    "unknown function": (
        _windowed('Aggregation(column="cents", function="median", name="f")'),
        r"unknown function 'median'.*'count_distinct'.*'last_n\(N\)'",
    ),
    "last_n without a number": (
        _windowed('Aggregation(column="cents", function="last_n", name="f")'),
        "unknown function",
    ),
    "last_n of nothing": (_windowed('Aggregation(column="cents", function="last_n(0)", name="f")'), "unknown function"),
    "sum of text": (_windowed('Aggregation(column="word", function="sum", name="f")'), r"sum takes .*'word'.*string"),
    "sum of nothing": (_windowed('Aggregation(function="sum", name="f")'), "needs a column"),
    "a window of zero": (
        _windowed('Aggregation(function="count", time_window=timedelta(0), name="f")'),
        "time_window",
    ),
    "a negative window": (
        _windowed('Aggregation(function="count", time_window=timedelta(days=-1), name="f")'),
        "time_window",
    ),
    "a window longer than the calendar": (
        _windowed('Aggregation(function="count", time_window=timedelta(days=999_999_999), name="f")'),
        r"time_window may be at most 9,999 years.*time_window=None",
    ),
    "aggregations that the registry forgets": (
        GOOD
        + """
from feast import BatchFeatureView
broken = BatchFeatureView(
    name="broken", entities=[user], source=log, mode="python", schema=[Field(name="f", dtype=Int64)],
    aggregations=[Aggregation(column="cents", function="sum", time_window=timedelta(days=1), name="f")],
)
""",
        r"'broken' is a BatchFeatureView with aggregations.*StreamFeatureView",
    ),
    "a transformation of a batch view": (
        GOOD
        + """
from feast import BatchFeatureView
broken = BatchFeatureView(
    name="broken", entities=[user], source=log, mode="pandas", udf=lambda df: df, udf_string="lambda df: df",
    schema=[Field(name="cents", dtype=Int64)],
)
""",
        r"'broken' has a transformation",
    ),
    "a transformation of a stream view": (
        _windowed('Aggregation(function="count", name="f")').replace(
            'timestamp_field="at",\n    schema', 'mode="pandas", udf=lambda df: df, timestamp_field="at",\n    schema'
        ),
        r"'broken' has a transformation",
    ),
    "a stream view over a table": (
        _windowed('Aggregation(function="count", name="f")').replace(
            'PushSource(name="push", batch_source=log)', "log"
        ),
        r"'broken'.*PushSource",
    ),
    "a stream view with another time": (
        _windowed('Aggregation(function="count", name="f")').replace(
            'timestamp_field="at",\n    schema', 'timestamp_field="when",\n    schema'
        ),
        r"'broken' has timestamp_field 'when'.*'log' has 'at'",
    ),
    "a negative ttl": (
        _latest().replace('name="broken",', 'name="broken", ttl=timedelta(days=-1),'),
        r"'broken': ttl must not be negative",
    ),
    "one feature twice": (
        _latest(schema='Field(name="cents", dtype=Int64), Field(name="cents", dtype=Int64)'),
        r"'broken' declares 'cents' more than once",
    ),
    "a hop longer than its window": (
        _windowed(
            'Aggregation(function="count", time_window=timedelta(days=1), slide_interval=timedelta(days=2), name="f")'
        ),
        "slide_interval",
    ),
    "a feature that nothing makes": (
        _windowed(
            'Aggregation(function="count", name="f")', 'Field(name="f", dtype=Int64), Field(name="g", dtype=Int64)'
        ),
        r"'broken' declares the features 'f', 'g' and its aggregations make 'f'",
    ),
    "an aggregation without feature": (
        _windowed('Aggregation(function="count", name="f"), Aggregation(function="count", name="g")'),
        r"'broken' declares",
    ),
    "two aggregations of one name": (
        _windowed('Aggregation(function="count", name="f"), Aggregation(column="cents", function="count", name="f")'),
        r"'broken' declares",
    ),
    "no schema": (_latest(schema=""), r"'broken' declares no schema"),
    "a broken window, and no plain view beside it": (
        _windowed('Aggregation(column="nope", function="sum", name="f")', before=GOOD.split("latest =")[0]),
        "'nope'",
    ),
}
each_case = pytest.mark.parametrize(("code", "match"), CASES.values(), ids=CASES.keys())


def _fill(project: Project) -> None:
    rows = pa.table(
        {
            "user_id": [1, 2],
            "at": [at("2020-02-01")] * 2,
            "cents": [5, None],
            "word": ["a", None],
            "price": [1.5, None],
            "words": [["a"], []],
        }
    )
    project.add_duckdb("log", rows)
    many = pa.table({"user_id": range(50_000), "at": [at("2020-02-01")] * 50_000, "cents": range(50_000)})
    project.add_duckdb("log", many, "data/cut.duckdb")
    cut = project.root / "data/cut.duckdb"
    cut.write_bytes(cut.read_bytes()[:-100_000])
    project.add_sqlite("CREATE TABLE rows (a)")


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a good repo applied; refused repos must leave its registry alone."""
    made = Project(tmp_path_factory.mktemp("refused"))
    made.configure()
    _fill(made)
    made.apply(GOOD)
    return made


@pytest.fixture
def url_with_password(monkeypatch: pytest.MonkeyPatch) -> str:
    url = "postgresql+psycopg2://anna:geheim@localhost:1/db"
    monkeypatch.setenv("SHOP_URL", url)
    return url


@each_case
def test_apply_refuses_and_leaves_the_registry(applied: Project, code: str, match: str, url_with_password: str) -> None:
    """The error says what is wrong, the registry holds what it held, byte for byte, and no password is shown."""
    before = applied.registry.read_bytes()
    applied.declare(code)
    with pytest.raises(StorekeeperError, match=match) as caught:
        applied.open().apply_repo()
    assert isinstance(caught.value, DefinitionError | SourceError | ValueError)
    assert caught.value.exit_code == 2
    assert "geheim" not in str(caught.value)
    assert applied.registry.read_bytes() == before


def test_apply_refuses_and_makes_no_registry(project: Project) -> None:
    """Where nothing was applied before, nothing is there after: no registry, no online store."""
    _fill(project)
    project.declare(_latest(schema='Field(name="nope", dtype=Int64)'))
    store = project.open()
    with pytest.raises(DefinitionError):
        store.apply_repo()
    assert not project.registry.exists()
    assert not (project.root / "data/online.db").exists()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("project: [", "feature_store.yaml"),
        ("project: x", "feature_store.yaml|registry|provider"),
        ("- 1", "feature_store"),
    ],
)
def test_a_broken_configuration_is_an_error_of_ours(project: Project, text: str, match: str) -> None:
    """A feature_store.yaml that Feast can't read names the file."""
    (project.repo / "feature_store.yaml").write_text(text)
    with pytest.raises(StorekeeperError, match=match):
        project.open().apply_repo()


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    """So is a folder that is no feature repo."""
    from storekeeper.store import FeatureStore

    with pytest.raises(StorekeeperError, match=r"There is no .*feature_store\.yaml"):
        FeatureStore(tmp_path)


def test_unknown_services_list_those_that_exist(applied: Project) -> None:
    """An unknown feature service is named beside the known ones."""
    from storekeeper.errors import NotFoundError

    with pytest.raises(NotFoundError, match=r"'nope'. There are: nothing"):
        applied.open().feature_service("nope")


def test_python_apply_checks_first(applied: Project) -> None:
    """`FeatureStore.apply` with objects refuses before it writes, as the repo's apply does."""
    from feast import FeatureView, Field
    from feast.types import Int64

    store = applied.open()
    before = applied.registry.read_bytes()
    good = store.get_feature_view("latest")
    user = store.get_entity("user")
    broken = FeatureView(
        name="broken", entities=[user], source=good.batch_source, schema=[Field(name="nope", dtype=Int64)]
    )
    with pytest.raises(DefinitionError, match="'nope'"):
        store.apply([broken, user])
    assert applied.registry.read_bytes() == before


@pytest.fixture
def feast_command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Feast's own command line, in this process."""

    def run(project: Project, *arguments: str) -> Result:
        from feast.cli.cli import cli

        monkeypatch.chdir(project.root)
        monkeypatch.setattr(sys, "path", sys.path[:])
        sys.modules.pop("definitions", None)
        return CliRunner().invoke(cli, ["-c", "feature_repo", *arguments])

    return run


@pytest.mark.parametrize(
    "case", ["missing column", "truncated DuckDB file", "unreachable database", "unknown function"]
)
def test_feast_apply_refuses_too(
    project: Project, case: str, feast_command: Callable[..., Result], url_with_password: str
) -> None:
    """Feast's own command refuses the same repos before it registers anything, and shows no password."""
    code, match = CASES[case]
    _fill(project)
    # Feast asks about the sources of plain views only, so one of them has to be there: see the next test.
    project.declare(code)
    done = feast_command(project, "apply")
    assert done.exit_code != 0
    assert isinstance(done.exception, DefinitionError | SourceError)
    assert re.search(match, str(done.exception))
    assert "geheim" not in done.output + str(done.exception)
    assert project.open().list_all_feature_views() == []
    assert project.open().list_data_sources() == []


def test_feast_apply_fails_on_stream_views_alone(project: Project, feast_command: Callable[..., Result]) -> None:
    """Feast's command checks a repo of stream views alone only after it registered them; it fails all the same."""
    code, match = CASES["a broken window, and no plain view beside it"]
    _fill(project)
    project.declare(code)
    done = feast_command(project, "apply")
    assert done.exit_code != 0
    assert isinstance(done.exception, DefinitionError)
    assert re.search(match, str(done.exception))
    assert not (project.root / "data/online.db").exists()
