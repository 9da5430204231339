"""Artefact folders: whole or not at all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storekeeper.artefact import Manifest, best_artefact, find_artefact, list_artefacts, read_manifest, write_artefact
from storekeeper.errors import CheckFailedError, NotFoundError, UsageError

Fill = Callable[[Path], None]


def everything_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_versions_count_up(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """Each write is the next version, and its manifest says so."""
    first = write_artefact(tmp_path, manifest, fill_logistic)
    second = write_artefact(tmp_path, manifest, fill_logistic)
    assert (first.version, second.version) == (1, 2)
    assert second.path == tmp_path / "purchase" / "logistic" / "2"
    assert read_manifest(second.path).version == 2
    assert list_artefacts(tmp_path) == (first, second)


def test_a_failed_fill_leaves_nothing(manifest: Manifest, tmp_path: Path) -> None:
    """An error while the files are written leaves no artefact and no debris."""

    def fail(folder: Path) -> None:
        (folder / "model.json").write_text("half", encoding="utf-8")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_artefact(tmp_path, manifest, fail)
    assert list_artefacts(tmp_path) == ()
    assert everything_under(tmp_path) == []


def test_a_failed_check_leaves_nothing(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """The check sees the finished folder, and what it refuses is not kept."""
    seen: list[str] = []

    def refuse(folder: Path) -> None:
        seen.extend(everything_under(folder))
        raise CheckFailedError("differs")

    with pytest.raises(CheckFailedError, match="differs"):
        write_artefact(tmp_path, manifest, fill_logistic, refuse)
    assert seen == ["encoder.json", "manifest.json", "model.json"]
    assert everything_under(tmp_path) == []


def test_an_unfinished_folder_is_not_listed(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """While an artefact is being written, nobody finds it."""

    def peek(folder: Path) -> None:
        fill_logistic(folder)
        assert list_artefacts(tmp_path) == ()

    write_artefact(tmp_path, manifest, peek)
    assert len(list_artefacts(tmp_path)) == 1


def test_writers_do_not_collide(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """Several writers at once each get a version of their own."""
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda _: write_artefact(tmp_path, manifest, fill_logistic), range(16)))
    assert sorted(artefact.version for artefact in written) == list(range(1, 17))
    assert all(read_manifest(artefact.path).version == artefact.version for artefact in written)


def test_versions_are_numbers(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """Version 10 is later than version 9, and foreign folders are ignored."""
    for _ in range(10):
        write_artefact(tmp_path, manifest, fill_logistic)
    (tmp_path / "purchase" / "logistic" / "notes").mkdir()
    assert find_artefact(tmp_path, "purchase", "logistic").version == 10
    assert find_artefact(tmp_path, "purchase", "logistic", 9).version == 9


def test_what_is_missing_lists_what_exists(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """An unknown task, model or version is a NotFoundError that lists those that exist."""
    write_artefact(tmp_path, manifest, fill_logistic)
    with pytest.raises(NotFoundError, match=r"Tasks that have: 'purchase'"):
        find_artefact(tmp_path, "churn", "logistic")
    with pytest.raises(NotFoundError, match=r"no model 'xgboost'. It has: 'logistic 1'"):
        find_artefact(tmp_path, "purchase", "xgboost")
    with pytest.raises(NotFoundError, match=r"no model version 7 of 'logistic'"):
        find_artefact(tmp_path, "purchase", "logistic", 7)
    with pytest.raises(NotFoundError, match=r"Tasks that have: nothing"):
        best_artefact(tmp_path / "empty", "purchase")


@pytest.mark.parametrize("name", ["../secrets", "a/b", "", ".hidden", "*"])
def test_names_are_one_folder(manifest: Manifest, fill_logistic: Fill, tmp_path: Path, name: str) -> None:
    """A name that would leave its folder or match others is refused, for writing and for reading."""
    with pytest.raises(UsageError, match="name holds letters"):
        write_artefact(tmp_path, replace(manifest, task=name), fill_logistic)
    with pytest.raises(UsageError, match="name holds letters"):
        find_artefact(tmp_path, name, "logistic")


def test_best_is_by_validation_on_the_newest_data(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """The best model has the greatest validation figure among those of the newest dataset; the test has no say."""

    def save(model: str, dataset: str, validation: float, test: float, day: int) -> None:
        metrics = {"validation": {"auc": validation}, "test": {"auc": test}}
        created = manifest.created_at + timedelta(days=day)
        write_artefact(
            tmp_path,
            replace(manifest, model=model, dataset_hash=dataset, metrics=metrics, created_at=created),
            fill_logistic,
        )

    save("old", "first", 0.99, 0.99, 0)
    save("good", "second", 0.80, 0.70, 1)
    save("lucky", "second", 0.75, 0.95, 2)
    assert best_artefact(tmp_path, "purchase").model == "good"
