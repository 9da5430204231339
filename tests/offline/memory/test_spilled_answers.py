"""A history beyond the memory limit is looked at in parts on disk, and nobody can tell by the answer."""

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from offline.memory.every_source import SOURCES, ask, assert_same, random_spine
from projects import Project
from storekeeper.errors import SettingError
from storekeeper.offline.memory import MemoryBudget

VIEWS = [*(f"{kind}_{source}" for source in SOURCES for kind in ("latest", "windows")),
         "latest_pairs", "windows_pairs", "latest_all", "windows_all"]  # fmt: skip


# One history for all under the cut-off would take seconds: each row looks at all events by itself.
@pytest.mark.parametrize(("view", "cutoff"), [*product(VIEWS, [False]), *product(VIEWS[:-1], [True])])
def test_parts_on_disk_change_no_answer(view: str, cutoff: bool, store: Any, request: pytest.FixtureRequest) -> None:
    """Every kind of view over every kind of source gives the same bits in parts as whole, and leaves nothing behind."""
    expected = ask(store, view, cutoff=cutoff)
    budget: MemoryBudget = request.getfixturevalue("tiny")
    assert_same(ask(store, view, cutoff=cutoff), expected)
    if not view.endswith("none"):
        assert list(budget.folder.iterdir()) == []
        known = expected.select([name for name in expected.column_names if name.startswith(view)])
        assert all(column.null_count < len(column) for column in known.columns)


def test_views_side_by_side_share_a_limit(store: Any, request: pytest.FixtureRequest) -> None:
    """Several views at once, each in parts of its own, over one spine."""
    views = ("latest_table", "windows_parquet", "latest_pairs", "windows_table", "latest_csv")
    expected = ask(store, *views)
    budget: MemoryBudget = request.getfixturevalue("tiny")
    assert_same(ask(store, *views), expected)
    assert list(budget.folder.iterdir()) == []


def test_the_answer_is_computed_once(store: Any, tiny: MemoryBudget, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is asked twice gives the same table, from one reading."""
    made: list[int] = []
    monkeypatch.setattr(MemoryBudget, "scratch", _counted(MemoryBudget.scratch, made))
    job = store.get_historical_features(entity_df=random_spine(), features=["windows_table:cents_sum"])
    assert job.to_arrow().equals(job.to_arrow())
    assert (len(made), list(tiny.folder.iterdir())) == (1, [])


def _counted(function: Callable[..., Any], made: list[int]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        made.append(1)
        return function(*arguments)

    return counted


@pytest.mark.parametrize("limit", ["'8GB'", "2GB", "'900000000'", "999999999TB"])
def test_a_limit_in_the_configuration(limit: str, shared: Project, tmp_path: Path) -> None:
    """feature_store.yaml takes a limit, with which everything is answered as before."""
    store = _limited(shared, tmp_path, limit)
    assert_same(ask(store, "windows_table", "latest_parquet"), ask(shared.open(), "windows_table", "latest_parquet"))


def _limited(shared: Project, folder: Path, limit: str) -> Any:
    project = Project(folder / "limited")
    shutil.copytree(shared.root, project.root)
    project.configure(offline=f"\n  memory_limit: {limit}")
    return project.open()


def test_a_bad_limit_is_refused(shared: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is none is an error of the retrieval, in the file as in the variable."""
    with pytest.raises(SettingError, match=r"memory_limit.*'plenty'.*feature_store\.yaml"):
        ask(_limited(shared, tmp_path, "plenty"), "latest_table")
    monkeypatch.setenv("STOREKEEPER_MEMORY_LIMIT", "lots")
    with pytest.raises(SettingError, match=r"'lots'.*STOREKEEPER_MEMORY_LIMIT"):
        ask(shared.open(), "latest_table")


def test_a_spine_without_views_has_nothing_to_share(shared: Project) -> None:
    """Where only transformations of the request are asked for, no view is read, however long the spine."""
    code = """
request = RequestSource(name="request", schema=[Field(name="label", dtype=Int64)])


@on_demand_feature_view(sources=[request], schema=[Field(name="twice", dtype=Int64)])
def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": inputs["label"] * 2})
"""
    project = Project(shared.root.with_name("memory_on_demand"))
    project.configure()
    found = project.apply(code).get_historical_features(entity_df=random_spine(), features=["doubled:twice"]).to_df()
    assert found["twice"].tolist() == (found["label"] * 2).tolist()
