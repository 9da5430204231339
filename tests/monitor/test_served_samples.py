"""Served vectors are put together by what their models were trained on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storekeeper.artefact import FORMAT_VERSION, InputColumn, Manifest, write_artefact
from storekeeper.audit.log import MODEL, TASK, VERSION, ServedLog
from storekeeper.errors import DataError, NotFoundError, UsageError
from storekeeper.monitor.served import ServedSample, served_samples
from storekeeper.monitor.training_set import DATA_FILE, MANIFEST_FILE, find_training_set

AT = datetime(2020, 3, 1, tzinfo=UTC)
FIRST, SECOND = "1" * 64, "2" * 64


def write_model(models_dir: Path, model: str, dataset_hash: str, inputs: tuple[str, ...]) -> None:
    manifest = Manifest(
        format_version=FORMAT_VERSION, task="purchase", model=model, version=1, runtime="rule",
        feature_service="purchase", definition_hash="d" * 64, dataset_hash=dataset_hash, code_hash="c" * 64,
        inputs=tuple(InputColumn(name, "double", "feature") for name in inputs), entity_keys=(), request_columns=(),
        threshold=0.5, selection_metric="auc", metrics={}, created_at=AT, seed=7, fit_seconds=0.1, peak_memory_mb=1.0,
    )  # fmt: skip
    write_artefact(models_dir, manifest, lambda _: None)


def vectors(model: str, version: int, *values: float) -> pa.Table:
    rows = len(values)
    return pa.table({"lines": values, TASK: ["purchase"] * rows, MODEL: [model] * rows, VERSION: [version] * rows})


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A served log of several models, and the models."""
    served, models = tmp_path / "served", tmp_path / "models"
    write_model(models, "rule", FIRST, ("lines",))
    write_model(models, "rule", SECOND, ("lines", "spend"))
    write_model(models, "trees", SECOND, ("spend", "lines", "age"))
    with ServedLog(served, flush_seconds=3600) as log:
        log.append("purchase", "d" * 64, AT, vectors("rule", 1, 1.0, 2.0))
        log.append("purchase", "d" * 64, AT + timedelta(days=1), vectors("rule", 2, 3.0))
        log.append("purchase", "d" * 64, AT + timedelta(days=2), vectors("trees", 1, 4.0))
        log.append("purchase", "d" * 64, AT + timedelta(days=3), vectors("gone", 1, 5.0))
        log.append("click", "e" * 64, AT, pa.table({"clicks": [9.0]}))
    return served, models


def samples(folders: tuple[Path, Path], **asked: Any) -> list[ServedSample]:
    return list(served_samples(*folders, **asked))


def values(sample: ServedSample, column: str = "lines") -> list[float]:
    return sorted(sample.table.column(column).to_pylist())


def test_each_training_set_has_its_vectors(folders: tuple[Path, Path]) -> None:
    """Models that were trained on one set are one sample, with all that any of them reads; lost ones are another."""
    unknown, first, second = samples(folders, service="purchase")
    assert (unknown.dataset_hash, values(unknown), unknown.inputs) == ("", [5.0], ())
    assert (first.dataset_hash, values(first), first.models) == (FIRST, [1.0, 2.0], ("purchase/rule 1",))
    assert (second.dataset_hash, values(second)) == (SECOND, [3.0, 4.0])
    assert second.models == ("purchase/rule 2", "purchase/trees 1")
    assert second.inputs == ("lines", "spend", "age")


def test_vectors_without_a_model(folders: tuple[Path, Path]) -> None:
    """A log that names no model is a sample of its own."""
    (click,) = samples(folders, service="click")
    assert (click.dataset_hash, click.models, values(click, "clicks")) == ("", (), [9.0])


def test_against_one_training_set(folders: tuple[Path, Path]) -> None:
    """With a training set named, all vectors of a service are one sample."""
    (everything,) = samples(folders, service="purchase", against=FIRST)
    assert (everything.dataset_hash, values(everything)) == (FIRST, [1.0, 2.0, 3.0, 4.0, 5.0])


def test_since(folders: tuple[Path, Path]) -> None:
    """Vectors from an instant on, it included; nothing where nothing is left."""
    recent = samples(folders, since=AT + timedelta(days=2))
    assert [values(sample) for sample in recent] == [[5.0], [4.0]]
    assert samples(folders, since=AT + timedelta(days=4)) == []
    assert list(served_samples(folders[0] / "none", folders[1])) == []


def test_types_that_changed(folders: tuple[Path, Path]) -> None:
    """Where a feature's type has changed, old and new vectors can't be put together; the newer ones alone can."""
    text = vectors("rule", 1, 1.0)
    text = text.set_column(0, "lines", pa.array(["many"]))
    with ServedLog(folders[0], flush_seconds=3600) as log:
        log.append("purchase", "d" * 64, AT + timedelta(days=9), text)
    with pytest.raises(DataError, match=r"service 'purchase' differ in the types .* --since"):
        samples(folders, service="purchase")
    (newer,) = samples(folders, service="purchase", since=AT + timedelta(days=9))
    assert newer.table.column("lines").to_pylist() == ["many"]
    assert newer.values == ["lines"]


def write_set(folder: Path, digits: str, **record: str) -> Path:
    import json

    import pyarrow.parquet as pq

    path = folder / "purchase" / digits[:16]
    path.mkdir(parents=True)
    pq.write_table(pa.table({"lines": [1.0, None]}), path / DATA_FILE)
    content = {"task": "purchase", "dataset_hash": digits, "feature_service": "purchase", **record}
    (path / MANIFEST_FILE).write_text(json.dumps(content), encoding="utf-8")
    return path


def test_training_sets_are_found_by_their_digits(tmp_path: Path) -> None:
    """A hash, or digits that are one set's, find it; each column is read as it is wanted."""
    write_set(tmp_path, FIRST)
    write_set(tmp_path, SECOND)
    (tmp_path / "purchase" / ".1111.7.partial").mkdir()
    for digits in (FIRST, FIRST[:20], "1"):
        found = find_training_set(tmp_path, digits)
        assert (found.dataset_hash, found.rows, found.columns) == (FIRST, 2, ("lines",))
    column = found.column("lines")
    assert column is not None
    assert column.to_pylist() == [1.0, None]
    assert found.column("spend") is None


def test_training_sets_that_are_not_found(tmp_path: Path) -> None:
    """Unknown digits list the sets that exist; digits of several ask for more; no digits are no name."""
    with pytest.raises(NotFoundError, match="There are: nothing"):
        find_training_set(tmp_path, "1")
    write_set(tmp_path, FIRST)
    write_set(tmp_path, "12" * 32)
    with pytest.raises(UsageError, match="Give more digits"):
        find_training_set(tmp_path, "1")
    for digits in ("9", "", FIRST[:20] + "9"):
        with pytest.raises(NotFoundError, match="1111111111111111"):
            find_training_set(tmp_path, digits)


_DAMAGES = {
    "data": lambda folder: (folder / DATA_FILE).write_bytes(b"PAR1"),
    "no data": lambda folder: (folder / DATA_FILE).unlink(),
    "no manifest": lambda folder: (folder / MANIFEST_FILE).unlink(),
    "empty manifest": lambda folder: (folder / MANIFEST_FILE).write_text("{}"),
    "no record": lambda folder: (folder / MANIFEST_FILE).write_text("[1]"),
    "no JSON": lambda folder: (folder / MANIFEST_FILE).write_text("{"),
}


@pytest.mark.parametrize("damage", list(_DAMAGES.values()), ids=list(_DAMAGES))
def test_damaged_training_sets(tmp_path: Path, damage: Any) -> None:
    """A damaged set is an error that names the file and says how to mend it."""
    damage(write_set(tmp_path, FIRST))
    with pytest.raises(DataError, match="storekeeper dataset build"):
        find_training_set(tmp_path, FIRST)
