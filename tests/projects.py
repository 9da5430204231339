"""A small project on disk: a feature repo, its data, and a feature store over them."""

import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

NOW = datetime(2020, 3, 1, tzinfo=UTC)

CONFIG = """
project: {name}
provider: storekeeper.provider.StorekeeperProvider
registry:
  registry_type: sql
  path: sqlite:///data/registry.db?plugin=storekeeper
  cache_ttl_seconds: 60
offline_store:
  type: storekeeper.offline.store.HistoryOfflineStore{offline}
online_store:
  type: storekeeper.online.store.StateOnlineStore
  path: data/online.db
  clock: "{clock}"
entity_key_serialization_version: 3
"""

HEADER = """
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RequestSource
from feast import StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

from storekeeper.sources import DuckDBSource, SQLSource

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
"""


@dataclass(frozen=True)
class Project:
    """A project's root folder, and ways to fill it."""

    root: Path

    @property
    def repo(self) -> Path:
        """The feature repo."""
        return self.root / "feature_repo"

    @property
    def registry(self) -> Path:
        """The SQL registry's file."""
        return self.root / "data" / "registry.db"

    def configure(self, *, name: str = "small", clock: str = NOW.isoformat(), offline: str = "") -> None:
        """Write feature_store.yaml."""
        self.repo.mkdir(parents=True, exist_ok=True)
        (self.root / "data").mkdir(exist_ok=True)
        text = CONFIG.format(name=name, clock=clock, offline=offline)
        (self.repo / "feature_store.yaml").write_text(text, encoding="utf-8")

    def declare(self, code: str, *, header: str = HEADER) -> None:
        """Write the repo's declarations, below the usual imports and the entity `user`."""
        (self.repo / "definitions.py").write_text(header + code, encoding="utf-8")

    def add_duckdb(self, table: str, content: Any, database: str = "data/behaviour.duckdb") -> None:
        """Write a DuckDB table."""
        with duckdb.connect(str(self.root / database)) as connection:
            connection.register("content", as_arrow(content))
            connection.execute(f'CREATE OR REPLACE TABLE "{table}" AS SELECT * FROM content')

    def add_sqlite(self, statements: str, rows: Any = (), insert: str = "", database: str = "data/shop.db") -> None:
        """Run statements in a SQLite file."""
        connection = sqlite3.connect(self.root / database)
        with connection:
            connection.executescript(statements)
            if insert:
                connection.executemany(insert, rows)
        connection.close()

    def add_parquet(self, path: str, content: Any) -> None:
        """Write a Parquet file."""
        pq.write_table(as_arrow(content), self.root / path)

    def add_csv(self, path: str, content: Any) -> None:
        """Write a CSV file."""
        pc.write_csv(as_arrow(content), self.root / path)

    def open(self) -> Any:
        """The project's `storekeeper.store.FeatureStore`."""
        from storekeeper.store import FeatureStore

        return FeatureStore(self.repo)

    def apply(self, code: str = "") -> Any:
        """Declare, apply and open."""
        if code:
            self.declare(code)
        store = self.open()
        store.apply_repo()
        return store

    def run(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of this Python's environment at the project's root."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("STOREKEEPER_")}
        program = str(Path(sys.executable).with_name(command[0]))
        return subprocess.run(
            [program, *command[1:]], cwd=self.root, env={**clean, **env}, capture_output=True, text=True, check=False
        )


def as_arrow(content: Any) -> pa.Table:
    """A table from rows, a dict of columns, or a DataFrame."""
    if isinstance(content, pa.Table):
        return content
    if isinstance(content, pd.DataFrame):
        return pa.Table.from_pandas(content, preserve_index=False)
    return pa.table(content) if isinstance(content, dict) else pa.Table.from_pylist(content)


def at(text: str) -> datetime:
    """An instant in UTC, from `2020-02-01` or `2020-02-01T10:00:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
