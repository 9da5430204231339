"""Ctrl-C while state is built."""

from pathlib import Path
from typing import Any

import pytest

from command_line import run_here
from projects import Project, at
from storekeeper.database import upgrade

VIEWS = """
log = DuckDBSource(name="log", database="data/behaviour.duckdb", table="log", timestamp_field="at")
def counted(name, source=log):
    return StreamFeatureView(
        name=name, entities=[user], source=PushSource(name=f"{name}_push", batch_source=source), timestamp_field="at",
        schema=[Field(name=f"{name}_n", dtype=Int64)], aggregations=[Aggregation(function="count", name=f"{name}_n")],
    )
first, second, third = counted("first"), counted("second"), counted("third")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three views whose state stands, and a source that has more by now."""
    project = Project(tmp_path)
    project.configure()
    upgrade(f"sqlite:///{project.root}/data/shop.db")
    rows = [{"user_id": 1, "at": at(f"2020-02-0{day}")} for day in (1, 2)]
    project.add_duckdb("log", rows[:1])
    store = project.apply(VIEWS)
    for view in store.all_feature_views():
        store.materialise_view(view)
    project.add_duckdb("log", rows)
    return project


def _counts(project: Project) -> dict[str, Any]:
    views = ("first", "second", "third")
    found = project.open().get_online_features(
        features=[f"{view}:{view}_n" for view in views], entity_rows=[{"user_id": 1}]
    )
    return {view: found.to_dict()[f"{view}_n"][0] for view in views}


@pytest.mark.parametrize("options", [(), ("--json",), ("--incremental", "--lookback", "90d")], ids=" ".join)
def test_ctrl_c_leaves_the_old_state(
    project: Project, capfd: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """Code 130 and one line: the views that are done, that the others are as they were, and how to go on."""

    def interrupt(view: str, rows: int, total: int | None) -> None:
        if view == "second" and rows:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storekeeper.materialise.source_parts.tell", interrupt)
        assert run_here(project.root, ("materialize", *options), patch) == 130
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == (
        "Interrupted: 1 of 3 views are done, and the others keep the state that they had. Run it again for them: "
        "storekeeper materialize --view second --view third\n"
    )
    assert _counts(project) == {"first": 2, "second": 1, "third": 1}
    with pytest.MonkeyPatch.context() as patch:
        assert run_here(project.root, ("materialize", "--view", "second", "--view", "third", *options), patch) == 0
    assert _counts(project) == {"first": 2, "second": 2, "third": 2}
