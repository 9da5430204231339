"""The ledger's tables as SQLAlchemy models: what the platform did, in the shop's database, on metadata of its own."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storekeeper.database import NAMING, UtcDateTime

# Some databases index only text of a bounded length.
Key = String(200)


class LedgerBase(DeclarativeBase):
    """Root of the ledger's models."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {str: Text, datetime: UtcDateTime, dict[str, Any]: JSON}


class LoadRow(LedgerBase):
    """One run of a loader."""

    __tablename__ = "ledger_loads"

    id: Mapped[int] = mapped_column(primary_key=True)
    loader: Mapped[str] = mapped_column(Key, index=True)
    source_fingerprint: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    counts: Mapped[dict[str, Any]]


class DatasetRow(LedgerBase):
    """One built training set; building it again replaces the row."""

    __tablename__ = "ledger_datasets"

    task: Mapped[str] = mapped_column(Key, primary_key=True)
    dataset_hash: Mapped[str] = mapped_column(Key, primary_key=True)
    spine_hash: Mapped[str]
    definition_hash: Mapped[str]
    rows: Mapped[int] = mapped_column(BigInteger)
    path: Mapped[str]
    created_at: Mapped[datetime]


class MaterialisationRow(LedgerBase):
    """One materialisation of a view over `[start, end)`."""

    __tablename__ = "ledger_materialisations"

    id: Mapped[int] = mapped_column(primary_key=True)
    view: Mapped[str] = mapped_column(Key, index=True)
    start: Mapped[datetime | None]
    end: Mapped[datetime]
    rows: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[datetime]
    rows_read: Mapped[int | None] = mapped_column(BigInteger)
    settled: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[float | None]
    kind: Mapped[str] = mapped_column(server_default="full")


class ModelRunRow(LedgerBase):
    """One trained model; training the same version again replaces the row."""

    __tablename__ = "ledger_model_runs"

    task: Mapped[str] = mapped_column(Key, primary_key=True)
    model: Mapped[str] = mapped_column(Key, primary_key=True)
    version: Mapped[str] = mapped_column(Key, primary_key=True)
    dataset_hash: Mapped[str]
    definition_hash: Mapped[str]
    metrics: Mapped[dict[str, Any]]
    path: Mapped[str]
    created_at: Mapped[datetime]
