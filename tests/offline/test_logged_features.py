"""Logged features: written where the service says, read back as they were served, and validated."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.dqm.errors import ValidationFailed
from feast.dqm.profilers.profiler import Profile, Profiler, ValidationReport
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig, LoggingDestination
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.saved_dataset import ValidationReference

from projects import NOW, Project, at
from storekeeper.errors import DataError, SourceError, UsageError
from storekeeper.offline.logged import DuckDBLoggingDestination

VIEWS = """
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination
from storekeeper.offline.logged import DuckDBLoggingDestination

log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
activity = StreamFeatureView(
    name="activity", entities=[user], source=PushSource(name="push", batch_source=log), timestamp_field="at",
    schema=[Field(name="words", dtype=Array(String))],
    aggregations=[Aggregation(column="word", function="last_n(2)", name="words")],
)
latest = FeatureView(
    name="latest", entities=[user], source=log,
    schema=[Field(name="cents", dtype=Int64), Field(name="at", dtype=UnixTimestamp)],
)


def service(name, destination):
    return FeatureService(name=name, features=[activity, latest], logging_config=LoggingConfig(destination))


in_folder = service("in_folder", FileLoggingDestination(path="data/logs"))
by_day = service("by_day", FileLoggingDestination(path="data/daily", partition_by=["__log_date"]))
by_word = service("by_word", FileLoggingDestination(path="data/worded", partition_by=["__request_id"]))
in_duckdb = service("in_duckdb", DuckDBLoggingDestination(database="data/logs.duckdb", table="served"))
"""
SERVICES = ["in_folder", "by_day", "in_duckdb"]
START = at("2020-02-01")
SERVED = at("2020-02-03T10:00:00.123456")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with logged services, applied. Shared: take a copy to change it."""
    project = Project(tmp_path_factory.mktemp("template"))
    project.configure()
    project.add_duckdb("log", [{"user_id": 1, "at": at("2020-02-01"), "cents": 5, "word": "a"}])
    project.apply(VIEWS)
    return project


@pytest.fixture
def project(template: Project, tmp_path: Path) -> Project:
    """A copy of the template that a test may change."""
    shutil.copytree(template.root, tmp_path / "copy")
    return Project(tmp_path / "copy")


@pytest.fixture
def store(project: Project) -> Any:
    return project.open()


def _logs(store: Any, count: int = 3, **columns: Any) -> pa.Table:
    """Logs of as many requests, an hour apart, as a feature server writes them."""
    source = FeatureServiceLoggingSource(store.get_feature_service("in_folder"), store.project)
    times = [SERVED + timedelta(hours=number) for number in range(count)]
    values: dict[str, Any] = {
        "user_id": [1, 2, 1][:count],
        "activity__words": [["a"], [], ["a", "b"]][:count],
        "latest__cents": [2**53 + 1, None, 7][:count],
        "latest__at": [SERVED] * count,
        "__log_timestamp": times,
        "__log_date": [moment.date() for moment in times],
        "__request_id": ["7", "b", "c"][:count],
    }
    names = source.get_schema(store.registry).names
    for name in names:
        values.setdefault(name, [1] * count if name.endswith("__status") else [SERVED] * count)
    return pa.table({name: values[name] for name in names} | columns)


def _write(store: Any, name: str, logs: pa.Table | Path) -> None:
    store.write_logged_features(logs, source=store.get_feature_service(name))


def _read(store: Any, name: str, start: Any = START, end: Any = NOW) -> Any:
    return store._get_provider().retrieve_feature_service_logs(
        store.get_feature_service(name), start, end, store.config, store.registry
    )


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows by time, columns by name."""
    rows: list[dict[str, Any]] = table.select(sorted(table.column_names)).sort_by("__log_timestamp").to_pylist()
    return rows


@pytest.mark.parametrize("name", SERVICES)
def test_logs_come_back_as_they_were_served(store: Any, name: str) -> None:
    """Written in chunks, read back whole: every value, lists and big integers and microseconds too."""
    logs = _logs(store)
    _write(store, name, logs.slice(0, 1))
    _write(store, name, logs.slice(1))
    assert _rows(_read(store, name).to_arrow()) == _rows(logs)


@pytest.mark.parametrize("name", SERVICES)
def test_a_time_range_bounds_the_logs(store: Any, name: str) -> None:
    """Both ends inclusive, and naive bounds are UTC."""
    _write(store, name, _logs(store))
    start, end = SERVED.replace(tzinfo=None), (SERVED + timedelta(hours=1)).replace(tzinfo=None)
    assert _read(store, name, start, end).to_arrow().num_rows == 2
    assert _read(store, name, NOW, NOW).to_arrow().num_rows == 0


def test_logs_lie_where_the_service_says(store: Any, project: Project) -> None:
    """Paths start at the project root, parts are whole, and days have folders of their own."""
    for name in SERVICES:
        _write(store, name, _logs(store))
    logs = project.root / "data" / "logs"
    assert [path.suffix for path in logs.iterdir()] == [".parquet"]
    assert [path.name for path in (project.root / "data" / "daily").iterdir()] == ["__log_date=2020-02-03"]
    assert (project.root / "data" / "logs.duckdb").is_file()


def test_logs_may_come_as_a_folder_of_parquet(store: Any, project: Project) -> None:
    """As feature servers hand them over."""
    logs, chunks = _logs(store), project.root / "chunks"
    chunks.mkdir()
    for number in range(3):
        pq.write_table(logs.slice(number, 1), chunks / f"{number}.parquet")
    _write(store, "in_folder", chunks)
    assert _rows(_read(store, "in_folder").to_arrow()) == _rows(logs)
    with pytest.raises(SourceError, match=r"nowhere.*can't be read"):
        _write(store, "in_folder", project.root / "nowhere")


@pytest.mark.parametrize("name", SERVICES)
def test_logs_that_do_not_fit_are_refused_whole(store: Any, name: str) -> None:
    """A missing column, a value of another type or a log without its time: nothing is written."""
    _write(store, name, _logs(store, 1))
    logs = _logs(store)
    cases = [
        (logs.drop_columns(["latest__cents"]), "Missing: 'latest__cents'"),
        (_logs(store, latest__cents=pa.array(["1", "2", "x"])), "'latest__cents'.*row 0 has '1'"),
        (_logs(store, __log_timestamp=pa.array([SERVED, None, SERVED])), "'__log_timestamp' has no timestamp at row 1"),
    ]
    for broken, message in cases:
        with pytest.raises(DataError, match=message):
            _write(store, name, broken)
    assert _read(store, name).to_arrow().num_rows == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_changed_needs_another_destination(store: Any, project: Project, name: str) -> None:
    """Logs of other features aren't mixed with those that are there."""
    _write(store, name, _logs(store))
    without = VIEWS.replace('Field(name="cents", dtype=Int64), ', "")
    (project.repo / "definitions.py").unlink()
    changed = project.apply(without)
    with pytest.raises(DataError, match=r"Log (folder|table) .*Missing: 'latest__cents'.*declare another"):
        _write(changed, name, _logs(store).drop_columns([n for n in _logs(store).column_names if "cents" in n]))


def test_partitions_are_days_or_numbers(store: Any) -> None:
    """A folder's name can't tell the text '7' from the number 7, so text is refused."""
    with pytest.raises(UsageError, match=r"partitioned by '__request_id'.*There are: .*'__log_date'"):
        _write(store, "by_word", _logs(store))


def test_other_destinations_are_refused(store: Any) -> None:
    """A warehouse's destination names the two that exist."""

    class Elsewhere(LoggingDestination):
        """A destination that this store doesn't know."""

    service = store.get_feature_service("in_folder")
    service.logging_config = LoggingConfig(Elsewhere())
    with pytest.raises(UsageError, match=r"FileLoggingDestination or a DuckDBLoggingDestination.*Elsewhere"):
        store.write_logged_features(_logs(store), source=service)


@pytest.mark.slow
def test_a_duckdb_destination_survives_the_registry(project: Project, store: Any) -> None:
    """Feast rebuilds it from what the registry holds, in a process that knows only the offline store's name."""
    config = project.open().get_feature_service("in_duckdb").logging_config
    assert isinstance(config.destination, DuckDBLoggingDestination)
    assert (config.destination.database, config.destination.table) == ("data/logs.duckdb", "served")
    again = project.run(
        "python", "-c",
        "import feast; s = feast.FeatureStore('feature_repo'); "
        "print(s.get_feature_service('in_duckdb').logging_config.destination.table)",
    )  # fmt: skip
    assert again.stdout.split() == ["served"], again.stderr


class _Report(ValidationReport):
    def __init__(self, seen: int, expected: int) -> None:
        self.seen, self.expected = seen, expected

    @property
    def is_success(self) -> bool:
        return self.seen == self.expected

    @property
    def errors(self) -> list[Any]:
        return []


class _CountProfile(Profile):
    def __init__(self, count: int) -> None:
        self.count = count

    def validate(self, dataset: pd.DataFrame) -> _Report:
        return _Report(len(dataset), self.count)

    def to_proto(self) -> Any:
        raise NotImplementedError

    @classmethod
    def from_proto(cls, proto: Any) -> Any:
        raise NotImplementedError


class _CountProfiler(Profiler):
    def analyze_dataset(self, dataset: pd.DataFrame) -> _CountProfile:
        return _CountProfile(len(dataset))

    def to_proto(self) -> Any:
        raise NotImplementedError

    @classmethod
    def from_proto(cls, proto: Any) -> Any:
        raise NotImplementedError


@pytest.mark.filterwarnings("ignore:.* is an experimental feature:RuntimeWarning")
@pytest.mark.parametrize("name", SERVICES)
def test_logs_are_saved_and_validated(store: Any, name: str) -> None:
    """Logs become a saved dataset, against which Feast validates later logs."""
    _write(store, name, _logs(store))
    saved = store.create_saved_dataset(
        _read(store, name), name="reference", storage=SavedDatasetFileStorage(path="data/reference.parquet")
    )
    assert saved.to_df()["__log_date"].tolist() == [date(2020, 2, 3)] * 3
    reference = ValidationReference.from_saved_dataset("counts", saved, _CountProfiler())
    service = store.get_feature_service(name)
    ask: dict[str, Any] = {"start": at("2020-02-01"), "end": NOW, "reference": reference, "cache_profile": False}
    assert store.validate_logged_features(service, **ask) is None
    _write(store, name, _logs(store, 1))
    with pytest.raises(ValidationFailed):
        store.validate_logged_features(service, **ask)
    failed = store.validate_logged_features(service, **ask, throw_exception=False)
    assert (failed.report.seen, failed.report.expected) == (4, 3)
