"""Sources as declarations: what they keep, what they refuse, and how they come back from the registry."""

import re
from typing import Any

import pytest
from feast.data_source import DataSource
from feast.value_type import ValueType

from storekeeper.errors import DefinitionError
from storekeeper.sources import DuckDBSource, SQLSource
from storekeeper.sources.declared import arrow_to_value_type

OPTIONS: dict[str, Any] = {
    "name": "s",
    "timestamp_field": "at",
    "created_timestamp_column": "known",
    "field_mapping": {"a": "b"},
    "description": "what it is",
    "tags": {"team": "ü"},
    "owner": "o",
}
SOURCES = [
    DuckDBSource(database="data/a.duckdb", table="t", **OPTIONS),
    DuckDBSource(database="data/a.duckdb", query="SELECT 'ü'", **OPTIONS),
    SQLSource(url="${SHOP_URL:-sqlite:///data/shop.db}", table="t", **OPTIONS),
    SQLSource(url="sqlite:///data/shop.db", query='SELECT "x"', name="s"),
]


@pytest.mark.parametrize("source", SOURCES, ids=["table", "query", "sql table", "sql query"])
def test_sources_survive_the_registry(source: Any) -> None:
    """What is stored comes back equal, as the same class, with every field."""
    back = DataSource.from_proto(source.to_proto())
    assert type(back) is type(source)
    assert back == source
    assert hash(back) == hash(source)
    assert back.to_proto().SerializeToString() == source.to_proto().SerializeToString()


def test_different_sources_are_different() -> None:
    """Another place, table, query, time column or kind is another source."""
    first = DuckDBSource(name="s", database="a", table="t", timestamp_field="at")
    others = [
        DuckDBSource(name="s", database="b", table="t", timestamp_field="at"),
        DuckDBSource(name="s", database="a", table="u", timestamp_field="at"),
        DuckDBSource(name="s", database="a", query="t", timestamp_field="at"),
        DuckDBSource(name="s", database="a", table="t", timestamp_field="then"),
        SQLSource(name="s", url="sqlite:///a", table="t", timestamp_field="at"),
    ]
    assert all(first != other for other in others)


@pytest.mark.parametrize("options", [{}, {"table": "t", "query": "SELECT 1"}])
def test_a_table_or_a_query(options: dict[str, str]) -> None:
    """Neither or both is refused."""
    with pytest.raises(DefinitionError, match=r"'s' needs either a table or a query"):
        DuckDBSource(name="s", database="a", **options)


def refusal(url: str) -> str:
    """What is said of a URL that is refused; never what may be secret in it."""
    with pytest.raises(DefinitionError) as caught:
        SQLSource(name="s", url=url, table="t")
    told = str(caught.value)
    assert "geheim" not in told
    return told


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:geheim@db/shop",
        "postgresql+psycopg://anna:geheim@db:5432/shop",
        "postgresql://anna:geheim@${HOST}/shop",
        "${SHOP_URL:-postgresql://anna:geheim@db/shop}",
        "postgresql://anna:${PASSWORD:-geheim}@db/shop",
        "postgresql://anna:${PASSWORD}geheim@db/shop",
        "postgresql://anna:48151@db/shop",
        "${SCHEME}://anna:geheim@db/shop",
        "${BEGINNING}anna:geheim@db/shop",
    ],
)
def test_passwords_are_refused(url: str) -> None:
    """A password anywhere in a URL, a reference's default too, never gets into a declaration or a message."""
    assert re.search(r"'s' has a password.*environment variable", refusal(url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna@db/shop?password=geheim",
        "postgresql://anna@db/shop?sslpassword=geheim",
        "postgresql://anna@db/shop?sslmode=require&options=-c%20x.key%3Dgeheim",
        "mysql+pymysql://bob@h/db?passwd=geheim",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dbob%3BPWD%3Dgeheim",
        "mssql+pyodbc://bob@h/db?driver=x%3BPWD%3Dgeheim",
        "postgresql:///shop?host=anna:geheim@db",
        "snowflake://bob@account/db?token=geheim&authenticator=oauth",
        "databricks://h?access_token=geheim",
        "databricks://h?geheim",
        "databricks://h?token%3Dgeheim",
        "${WAREHOUSE}?access_token=geheim",
        "${WAREHOUSE}/db?access_token=geheim",
        "databricks://h?access_token=${TOKEN:-geheim}",
        "databricks://h?access_token=${TOKEN}geheim",
        "${URL:-databricks://h?access_token=geheim}",
    ],
)
def test_options_that_may_be_secrets_are_refused(url: str) -> None:
    """Whatever an option is called: one that isn't known to be harmless is refused, and its value not repeated."""
    assert re.search(r"'s' has an option.*'sslmode'.*environment variable", refusal(url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna@db/shop?sslmode=require&connect_timeout=5&application_name=shop",
        "postgresql:///shop?host=/var/run/postgresql",
        "mysql+pymysql://anna@db/shop?charset=utf8mb4&read_timeout=10",
        "mssql+pyodbc://anna@db/shop?driver=ODBC+Driver+18+for+SQL+Server&Encrypt=yes&TrustServerCertificate=yes",
        "snowflake://anna@account/shop/public?warehouse=small&role=reader",
        "databricks://h?http_path=/sql/1.0/warehouses/abc&catalog=main&schema=shop&access_token=${TOKEN}",
        "sqlite:///file:data/shop.db?mode=ro&uri=true",
        "mssql+pyodbc:///?odbc_connect=${CONNECTION}",
        "${WAREHOUSE}?sslmode=require",
        "${WAREHOUSE}/shop",
    ],
)
def test_harmless_options_are_kept(url: str) -> None:
    """Names, numbers, switches and paths may be spelled out; anything else as a reference."""
    assert SQLSource(name="s", url=url, table="t").location == url


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///data/shop.db",
        "postgresql://anna@db/shop",
        "postgresql://anna:${PASSWORD}@db/shop",
        "postgresql://anna:${PASSWORD}@${HOST}:${PORT}/shop",
        "postgresql://${USER}:${PASSWORD}@db/shop",
        "${SHOP_URL}",
        "${SHOP_URL:-sqlite:///data/shop.db}",
        "postgresql://anna@db/shop?password=${PASSWORD}",
    ],
)
def test_references_are_kept(url: str) -> None:
    """References stay references."""
    assert SQLSource(name="s", url=url, table="t").location == url


@pytest.mark.parametrize("url", ["shop.db", "", "not a url at all", "geheim:"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """The message shows what would be one, and not what came."""
    assert "'s' needs a SQLAlchemy URL such as 'sqlite:///" in refusal(url)


@pytest.mark.parametrize(
    ("arrow", "value_type"),
    [
        ("int64", ValueType.INT64), ("int32", ValueType.INT32), ("int16", ValueType.INT32),
        ("double", ValueType.DOUBLE), ("float", ValueType.FLOAT), ("bool", ValueType.BOOL),
        ("string", ValueType.STRING), ("large_string", ValueType.STRING),
        ("timestamp[us, tz=UTC]", ValueType.UNIX_TIMESTAMP),
        ("timestamp[us]", ValueType.UNIX_TIMESTAMP), ("date32[day]", ValueType.UNIX_TIMESTAMP),
        ("binary", ValueType.BYTES),
    ],
)  # fmt: skip
def test_arrow_types_in_feasts_words(arrow: str, value_type: ValueType) -> None:
    """Feast infers the types of undeclared columns from these."""
    assert arrow_to_value_type(arrow) == value_type
