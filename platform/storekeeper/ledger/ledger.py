"""Writing and reading the ledger, each call in a transaction of its own."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from storekeeper.database import database_errors, open_engine, refuse_missing_file
from storekeeper.ledger.models import DatasetRow, LedgerBase, LoadRow, MaterialisationRow, ModelRunRow
from storekeeper.ledger.records import DatasetRecord, LoadRecord, MaterialisationRecord, ModelRunRecord

Record = TypeVar("Record", LoadRecord, DatasetRecord, MaterialisationRecord, ModelRunRecord)


class Ledger:
    """The record of what the platform did; needs the tables that `storekeeper.database.upgrade` creates.

    Lists are newest first. Every method raises `SourceError` if the database can't be reached or lacks the tables.

    Parameters
    ----------
    url
        SQLAlchemy URL of the platform's database.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = open_engine(url)

    def record_load(self, record: LoadRecord) -> None:
        """Add a run of a loader."""
        self._write(LoadRow(**_values(record)))

    def find_load(self, loader: str, source_fingerprint: str | None = None) -> LoadRecord | None:
        """The newest run of a loader, of one source if named; None if there is none."""
        query = select(LoadRow).where(LoadRow.loader == loader).order_by(LoadRow.id.desc())
        if source_fingerprint is not None:
            query = query.where(LoadRow.source_fingerprint == source_fingerprint)
        return self._first(query, LoadRecord)

    def list_loads(self) -> list[LoadRecord]:
        """All runs of loaders."""
        return self._all(select(LoadRow).order_by(LoadRow.id.desc()), LoadRecord)

    def record_dataset(self, record: DatasetRecord) -> None:
        """Add a training set, or replace the row of the one with the same task and hash."""
        self._write(DatasetRow(**_values(record)))

    def find_dataset(self, task: str, dataset_hash: str | None = None) -> DatasetRecord | None:
        """The newest training set of a task, or the one with this hash; None if there is none."""
        query = _newest_datasets().where(DatasetRow.task == task)
        if dataset_hash is not None:
            query = query.where(DatasetRow.dataset_hash == dataset_hash)
        return self._first(query, DatasetRecord)

    def list_datasets(self, task: str | None = None) -> list[DatasetRecord]:
        """All training sets, of one task if named."""
        query = _newest_datasets()
        return self._all(query if task is None else query.where(DatasetRow.task == task), DatasetRecord)

    def record_materialisation(self, record: MaterialisationRecord) -> None:
        """Add a materialisation."""
        self._write(MaterialisationRow(**_values(record)))

    def find_materialisation(self, view: str) -> MaterialisationRecord | None:
        """The materialisation of a view that was recorded last; None if there is none."""
        return self._first(_newest_materialisations().where(MaterialisationRow.view == view), MaterialisationRecord)

    def list_materialisations(self, view: str | None = None) -> list[MaterialisationRecord]:
        """All materialisations, of one view if named."""
        query = _newest_materialisations()
        return self._all(query if view is None else query.where(MaterialisationRow.view == view), MaterialisationRecord)

    def record_model_run(self, record: ModelRunRecord) -> None:
        """Add a trained model, or replace the row of the same task, model and version."""
        self._write(ModelRunRow(**_values(record)))

    def find_model_run(self, task: str, model: str, version: str | None = None) -> ModelRunRecord | None:
        """The newest run of a model, or the one of this version; None if there is none."""
        query = _newest_model_runs().where(ModelRunRow.task == task, ModelRunRow.model == model)
        if version is not None:
            query = query.where(ModelRunRow.version == version)
        return self._first(query, ModelRunRecord)

    def list_model_runs(self, task: str | None = None) -> list[ModelRunRecord]:
        """All trained models, of one task if named."""
        query = _newest_model_runs()
        return self._all(query if task is None else query.where(ModelRunRow.task == task), ModelRunRecord)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        refuse_missing_file(self._url)
        with database_errors(self._url), Session(self._engine) as session, session.begin():
            yield session

    def _write(self, row: LedgerBase) -> None:
        with self._session() as session:
            session.merge(row)

    def _first(self, query: Select[Any], kind: type[Record]) -> Record | None:
        with self._session() as session:
            row = session.scalars(query.limit(1)).first()
            return None if row is None else _record(row, kind)

    def _all(self, query: Select[Any], kind: type[Record]) -> list[Record]:
        with self._session() as session:
            return [_record(row, kind) for row in session.scalars(query)]


def _newest_datasets() -> Select[Any]:
    return select(DatasetRow).order_by(DatasetRow.created_at.desc(), DatasetRow.task, DatasetRow.dataset_hash)


def _newest_materialisations() -> Select[Any]:
    return select(MaterialisationRow).order_by(MaterialisationRow.id.desc())


def _newest_model_runs() -> Select[Any]:
    return select(ModelRunRow).order_by(
        ModelRunRow.created_at.desc(), ModelRunRow.task, ModelRunRow.model, ModelRunRow.version.desc()
    )


def _values(record: LoadRecord | DatasetRecord | MaterialisationRecord | ModelRunRecord) -> dict[str, Any]:
    """A record's columns, fit for JSON."""
    return {name: _plain(value) for name, value in asdict(record).items()}


def _plain(value: Any) -> Any:
    """The value with what JSON can't hold (NaN and the infinities) as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _record(row: LedgerBase, kind: type[Record]) -> Record:
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})
