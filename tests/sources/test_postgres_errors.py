"""What goes wrong with a PostgreSQL source is told by the source's name, and never with the password."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from command_line import run_here
from projects import Project
from servers.loopback import free_port
from servers.postgres_server import Postgres
from storekeeper.errors import DefinitionError, SourceError, StorekeeperError
from storekeeper.sources import ReadRequest, SQLSource, read_source, source_schema
from storekeeper.sources.sql_connection import connect

VIEWS = """
source = SQLSource(name="people", url="${SHOP_URL}", table="people", timestamp_field="at")
people = FeatureView(name="people", entities=[user], source=source, schema=[Field(name="city", dtype=String)])
"""


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    """A database with one table, and a role that may not read it."""
    made = postgres.make_database("errors")
    with postgres.connect("errors") as connection:
        connection.execute(
            "CREATE TABLE people (user_id int8, at timestamptz, city text);"
            "INSERT INTO people VALUES (1, '2020-02-01', 'x'); CREATE VIEW seen AS SELECT * FROM people;"
        )
        connection.execute(f"CREATE ROLE bert LOGIN PASSWORD '{postgres.password}'")
        yield made
        connection.execute("DROP ROLE bert")


@pytest.fixture
def config(project: Project, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SHOP_URL", url)
    return project.open().config


def _source(**options: Any) -> SQLSource:
    return SQLSource(**{"name": "s", "url": "${SHOP_URL}", "timestamp_field": "at"} | options)


def _unreachable(postgres: Postgres) -> dict[str, tuple[str, str]]:
    """URLs by which nothing can be read, and what is told of each."""
    right, wrong = postgres.url("errors"), Postgres(postgres.port, "a-wrong-secret")
    return {
        "password": (wrong.url("errors"), 'password authentication failed for user "anna"'),
        "port": (right.replace(f":{postgres.port}/", f":{free_port()}/"), "refused"),
        "database": (postgres.url("nowhere"), '"nowhere" does not exist'),
        "user": (right.replace("anna:", "nobody:"), 'failed for user "nobody"'),
        "host": (right.replace("127.0.0.1", "no-such-host.invalid"), "no-such-host"),
        "option": (f"{right}?no_such_option=1", "no_such_option"),
        "privilege": (right.replace("anna:", "bert:"), "permission denied for table people"),
    }


@pytest.mark.parametrize("case", ["password", "port", "database", "user", "host", "option", "privilege"])
def test_a_place_that_cannot_be_read(case: str, postgres: Postgres, config: Any, monkeypatch: Any) -> None:
    """The message names the source and what is wrong; the password is in neither it nor its cause."""
    url, told = _unreachable(postgres)[case]
    monkeypatch.setenv("SHOP_URL", url)
    with pytest.raises(SourceError, match="Source 's'") as caught:
        read_source(_source(table="people"), config, ReadRequest(("city",)))
    assert told in str(caught.value)
    _keeps_secrets(caught.value, postgres)


def _keeps_secrets(error: BaseException, postgres: Postgres) -> None:
    assert error.__cause__ is None or error.__suppress_context__
    for shown in (error, error.__cause__):
        assert postgres.password not in str(shown)
        assert "a-wrong-secret" not in str(shown)


def test_missing_tables(config: Any) -> None:
    """A table that isn't there is named, with those that are, in its own schema."""
    with pytest.raises(SourceError, match=r"'s'.*no table 'nope'.*'people', 'seen'"):
        source_schema(_source(table="nope"), config)
    with pytest.raises(SourceError, match=r"'s'.*no table 'elsewhere\.people'.*'elsewhere'.*nothing"):
        source_schema(_source(table="elsewhere.people"), config)
    with pytest.raises(SourceError, match=r"'s'.*nope"):
        source_schema(_source(query="SELECT * FROM nope"), config)


def test_missing_columns(config: Any) -> None:
    """So is a column."""
    with pytest.raises(DefinitionError, match=r"no column 'nope'. It has: 'at', 'city', 'user_id'"):
        read_source(_source(table="people"), config, ReadRequest(("nope",)))
    with pytest.raises(SourceError, match=r"'s'.*nope"):
        source_schema(_source(query="SELECT nope FROM people"), config)


@pytest.mark.parametrize("query", ["SELEC 1", "SELECT 1 AS n; DROP TABLE people", "DROP TABLE people"])
def test_what_is_no_query(query: str, config: Any) -> None:
    """A statement that isn't one SELECT is refused, and nothing is done."""
    with pytest.raises(SourceError, match="'s'"):
        read_source(_source(query=query), config, ReadRequest(("n",)))
    assert read_source(_source(table="people"), config, ReadRequest(("city",))).num_rows == 1


def test_an_error_in_mid_read(config: Any) -> None:
    """An error of the server's that comes after many rows is one of the source."""
    query = "SELECT i AS n, 1 / (100000 - i) AS v FROM generate_series(1, 200000) AS i"
    with pytest.raises(SourceError, match=r"'s'.*division by zero"):
        read_source(_source(query=query), config, ReadRequest(("n", "v")))


def test_a_server_that_goes_away_in_mid_read(config: Any, postgres: Postgres) -> None:
    """A connection that ends after many rows is an error, not the end of the rows."""
    query = """
        SELECT i AS n, CASE WHEN i = 100000 THEN pg_terminate_backend(pg_backend_pid()) END AS gone
        FROM generate_series(1, 200000) AS i
    """
    with pytest.raises(SourceError, match=r"'s'.*(terminat|lost)") as caught:
        read_source(_source(query=query), config, ReadRequest(("n", "gone")))
    _keeps_secrets(caught.value, postgres)


def test_a_statement_that_takes_too_long(config: Any, url: str, monkeypatch: Any) -> None:
    """A server's own limit is told as such."""
    monkeypatch.setenv("SHOP_URL", f"{url}?options=-cstatement_timeout%3D1")
    query = "SELECT count(*) AS n FROM generate_series(1, 100000000) AS i"
    with pytest.raises(SourceError, match=r"'s'.*statement timeout"):
        read_source(_source(query=query), config, ReadRequest(("n",)))


def test_reads_leave_no_connection(config: Any, postgres: Postgres) -> None:
    """Whether a read goes well or not, its connection is closed."""
    for column in ("city", "nope"):
        try:
            read_source(_source(table="people"), config, ReadRequest((column,)))
        except DefinitionError:
            assert column == "nope"
    with postgres.connect("errors") as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'errors' AND pid <> pg_backend_pid()"
        # A server process ends a little after its connection; the fixture's own one stays.
        open_ = [connection.execute(query).fetchone() for _ in range(1000)]
        assert (1,) in open_


def test_a_driver_that_is_missing(url: str, monkeypatch: Any) -> None:
    """Without a driver the message says how to install it."""

    def lack(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'")

    monkeypatch.setattr(sa, "create_engine", lack)
    with pytest.raises(SourceError, match=r"'s'.*pip install 'storekeeper\[postgres\]'"), connect(url, "s"):
        pass


@pytest.mark.parametrize("case", ["password", "port", "database"])
def test_the_command_line(
    case: str, project: Project, postgres: Postgres, url: str, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`storekeeper apply` prints one message without the password, registers nothing, and fails."""
    project.declare(VIEWS)
    monkeypatch.setenv("SHOP_URL", _unreachable(postgres)[case][0])
    assert run_here(project.root, ["apply"], monkeypatch) == StorekeeperError.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: Source 'people'")
    assert "Traceback" not in printed.err
    assert postgres.password not in printed.err
    assert "a-wrong-secret" not in printed.err


def test_the_registry_holds_no_password(
    project: Project, postgres: Postgres, url: str, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is applied, printed and logged has the reference, not what it stands for."""
    project.declare(VIEWS)
    monkeypatch.setenv("SHOP_URL", url)
    assert run_here(project.root, ["apply"], monkeypatch) == 0
    assert b"SHOP_URL" in project.registry.read_bytes()
    printed = capsys.readouterr()
    assert postgres.password not in printed.out + printed.err
    written = [path for path in project.root.rglob("*") if path.is_file()]
    assert not [path for path in written if postgres.password.encode() in path.read_bytes()]
