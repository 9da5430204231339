"""The platform's database on a real PostgreSQL server: migrations, loads, and the same features as over SQLite."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from command_line import run_here
from projects import Project
from servers.loopback import free_port
from servers.postgres_server import Postgres
from storekeeper import database
from storekeeper.errors import SourceError
from storekeeper.ledger import Ledger
from storekeeper.ledger.models import LedgerBase
from storekeeper.settings import DATABASE_VARIABLE
from storekeeper.shop.models import ShopBase

ROOT = Path(__file__).resolve().parents[2]
LOAD = ("load", "simulated", "--customers", "80", "--days", "60", "--start", "2017-09-01", "--seed", "2", "--json")
CUSTOMERS = ["customer_profile:age_band", "customer_profile:kids_count", "customer_activity:baskets_28d"]
PRODUCTS = ["product_catalogue:brand", "product_catalogue:manufacturer_id"]
SPINE = """
SELECT customer_id, product_id, event_time AS event_timestamp FROM events
WHERE event_type = 'purchase' AND event_time > '2017-10-01' ORDER BY event_id
"""


@pytest.fixture
def url(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """A database of the test's own."""
    return postgres.make_database(request.node.originalname or request.node.name)


def _tables(url: str) -> set[str]:
    with database.connect(url) as connection:
        return set(inspect(connection).get_table_names())


def test_migrations_go_up_and_down(url: str) -> None:
    """All tables are made as the models declare them, taken away, and made again; those of others stay."""
    ours = {*ShopBase.metadata.tables, *LedgerBase.metadata.tables}
    with database.connect(url) as connection:
        connection.execute(text("CREATE TABLE theirs (n INTEGER)"))
    database.upgrade(url)
    database.upgrade(url)
    assert _tables(url) == {*ours, "theirs", database.VERSION_TABLE}
    with database.connect(url) as connection:
        options = {
            "compare_type": True,
            "version_table": database.VERSION_TABLE,
            "include_name": lambda name, kind, _: kind != "table" or name in ours,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, [ShopBase.metadata, LedgerBase.metadata]) == []
    database.downgrade(url)
    assert _tables(url) == {"theirs", database.VERSION_TABLE}
    database.upgrade(url)
    assert _tables(url) >= ours


def test_a_database_without_tables(url: str, postgres: Postgres) -> None:
    """The ledger says how to make its tables, and shows no password."""
    with pytest.raises(SourceError, match=r"storekeeper load NAME") as caught:
        Ledger(url).list_loads()
    assert postgres.password not in str(caught.value)


@pytest.mark.parametrize("case", ["password", "port", "database"])
def test_a_database_that_cannot_be_used(
    case: str, postgres: Postgres, project: Project, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`storekeeper load` fails with one message, without the password, and writes nothing."""
    url = {
        "password": Postgres(postgres.port, "a-wrong-secret").url(),
        "port": postgres.url().replace(f":{postgres.port}/", f":{free_port()}/"),
        "database": postgres.url("nowhere"),
    }[case]
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    assert run_here(project.root, LOAD, monkeypatch) == SourceError.exit_code
    told = capsys.readouterr()
    assert told.out == ""
    assert "Error: The database postgresql+psycopg://anna:***@127.0.0.1" in told.err
    assert DATABASE_VARIABLE in told.err
    assert postgres.password not in told.err
    assert "a-wrong-secret" not in told.err
    assert not list(project.root.rglob("*.duckdb"))


def _build(home: Path, url: str | None, capfd: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], pa.Table, pa.Table]:
    """Load, apply and materialise a shop; its load's report, and features of its customers and products."""
    shutil.copytree(ROOT / "feature_repo", home / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        if url is not None:
            patch.setenv(DATABASE_VARIABLE, url)
        reports = []
        for command in (LOAD, LOAD, ("apply",), ("materialize",)):
            capfd.readouterr()
            assert run_here(home, command, patch) == 0
            reports.append(capfd.readouterr().out)
        report = json.loads(reports[0])
        assert json.loads(reports[1])["already_loaded"]
        store = Project(home).open()
        offline = store.get_historical_features(
            entity_df=SPINE, features=[*CUSTOMERS, *PRODUCTS], filter_by_created_timestamp=True
        ).to_arrow()
        entities = [{"customer_id": number} for number in range(1, 90)]
        online = store.get_online_features(features=CUSTOMERS, entity_rows=entities).to_arrow()
        return report, offline, online


@pytest.mark.slow
def test_a_shop_on_postgres(url: str, postgres: Postgres, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A load, its reload, the declarations, training rows and online features are as with SQLite."""
    on_postgres = _build(tmp_path / "postgres", url, capfd)
    on_sqlite = _build(tmp_path / "sqlite", None, capfd)
    for found, expected in zip(on_postgres[1:], on_sqlite[1:], strict=True):
        assert found.num_rows > 50
        assert found.equals(expected)
        assert all(found[name].null_count < found.num_rows for name in found.column_names)
    assert on_postgres[0]["tables"] == on_sqlite[0]["tables"]
    loads = Ledger(url).list_loads()
    assert [load.loader for load in loads] == ["simulated"]
    assert loads[0].counts["tables"] == on_sqlite[0]["tables"]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if postgres.password.encode() in path.read_bytes()]
