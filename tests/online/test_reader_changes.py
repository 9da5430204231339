"""What changes under a compiled reader: rows and events that are pushed, and definitions that are applied."""

import re
import threading
from typing import Any

import pyarrow as pa
import pytest

from online.reader_log import DAY, ROWS, SCHEMA, VIEWS, fill, log_row
from projects import NOW, Project
from storekeeper.errors import DataError
from storekeeper.history.state import encode_events
from storekeeper.online.backends import PushedRow
from storekeeper.online.entity_keys import key_bytes
from storekeeper.online.reader import FeatureReader


def test_pushed_rows_are_read(tmp_path: Any) -> None:
    """A newer pushed row takes the state's place in a latest-value view, an older doesn't; one to come isn't seen."""
    project = Project(tmp_path)
    project.configure()
    store = fill(project)
    state = _state(store, "latest")
    rows = [
        log_row(1, NOW - DAY / 2, word="new"),
        log_row(4, NOW - 3 * DAY, word="old"),
        log_row(77, NOW - DAY, word="first"),
    ]
    store.write_to_online_store("latest", pa.Table.from_pylist(rows, SCHEMA).to_pandas())
    reader = FeatureReader(store, "only")
    assert reader.read({"user_id": [77, 4, None, 1, 1]})["word"].tolist() == ["first", None, None, "new", "new"]
    earlier = reader.read({"user_id": [1, 77]}, now=NOW - DAY * 3 / 4)
    assert earlier["word"].tolist() == ["ä", "first"]
    assert state.backend.count(state.name) == 4


def test_pushed_events_are_read(tmp_path: Any) -> None:
    """Events beside a windowed view's state count as they would in it."""
    project = Project(tmp_path)
    project.configure()
    store = fill(project)
    state = _state(store, "plain")
    events = pa.Table.from_pylist([log_row(1, NOW - DAY / 3), log_row(77, NOW - DAY)], SCHEMA)
    blobs = encode_events(events, state.layout(), event_time="at", known_time="known")
    keys, times = key_bytes(events.select(["user_id"])), events.column("at").cast(pa.int64()).to_pylist()
    slots = [bytes([place]) * 16 for place in range(len(blobs))]
    pushed = zip(keys, slots, times, times, blobs, strict=True)
    state.backend.push(state.name, [PushedRow(key, *rest) for key, *rest in pushed if key is not None])
    found = FeatureReader(store, "service").read({"user_id": [None, 77, 1, 2]}, {"offer": [1.0] * 4, "asked": [1] * 4})
    assert found["plain_0"].tolist() == [0, 1, 3, 1]
    assert found["plain_10"].tolist() == [[], ["ä"], ["ä", "ä"], []]


def _state(store: Any, name: str) -> Any:
    view = next(view for view in store.all_feature_views() if view.name == name)
    return store._get_provider().online_store.view_state(store.config, view)


MORE = VIEWS.replace('latest[["big", "word"]]', 'latest[["big", "word", "price"]]')
#: The service's own features stay what they were, but state is of another layout.
WIDER = VIEWS.replace("names = [", 'names = ["more", ').replace("types = [", "types = [Float64, ")


class Noticing(FeatureReader):
    """A reader that tells when it has looked at the registry."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.looked = threading.Event()
        super().__init__(*arguments, **options)

    def refresh(self) -> bool:
        """As the reader's."""
        changed = super().refresh()
        self.looked.set()
        return changed


def test_a_changed_definition_is_taken_up(tmp_path: Any) -> None:
    """A reader reads by its old plan until it has looked; then by the new."""
    project = Project(tmp_path)
    project.configure()
    store = fill(project)
    reader = FeatureReader(store, "only", watch_seconds=None)
    before = reader.definition_hash
    project.apply(MORE)
    assert tuple(reader.read({"user_id": [1]})) == reader.features == ("big", "word")
    assert (reader.refresh(), reader.refresh()) == (True, False)
    assert tuple(reader.read({"user_id": [1]})) == reader.features == ("big", "word", "price")
    assert reader.definition_hash != before
    assert reader.stale_reason is None


def test_state_of_a_new_definition_is_news(tmp_path: Any) -> None:
    """State that the plan can't read makes the reader look at once, in the background, whatever its period."""
    project = Project(tmp_path)
    project.configure()
    reader = Noticing(fill(project), "only", watch_seconds=10**6)
    hashes = [reader.definition_hash]
    wider = SCHEMA.append(pa.field("more", pa.float64()))
    project.add_duckdb("log", pa.Table.from_pylist([{**row, "more": 1.0} for row in ROWS], wider))
    store = project.apply(WIDER)
    for view in store.all_feature_views():
        store.materialise_view(view)
    with pytest.raises(DataError, match="another definition"):
        reader.read({"user_id": [1]})
    assert reader.looked.wait(60)
    assert reader.read({"user_id": [1]})["word"].tolist() == ["ä"]
    assert hashes == [reader.definition_hash]
    reader.close()


def test_a_period_later_the_registry_is_looked_at(tmp_path: Any) -> None:
    """Nobody has to ask: a change is taken up when the period is over."""
    project = Project(tmp_path)
    project.configure()
    reader = Noticing(fill(project), "only", watch_seconds=0.01)
    project.apply(MORE)
    reader.read({"user_id": [1]})
    while reader.features != ("big", "word", "price"):
        assert reader.looked.wait(60)
        reader.looked.clear()
    reader.close()


def test_a_dropped_service_is_read_on(tmp_path: Any) -> None:
    """The old plan goes on, and the reader says why; once the service is there again, it says so too."""
    project = Project(tmp_path)
    project.configure()
    reader = FeatureReader(fill(project), "only", watch_seconds=None)
    project.apply(VIEWS.replace('only = FeatureService(name="only"', 'only = FeatureService(name="renamed"'))
    assert reader.refresh() is False
    assert "only" in str(reader.stale_reason)
    assert reader.read({"user_id": [1]})["word"].tolist() == ["ä"]
    project.apply(VIEWS)
    assert (reader.refresh(), reader.stale_reason) == (False, None)


def test_a_half_written_registry_file_is_looked_at_again(tmp_path: Any) -> None:
    """A registry file that is cut short leaves the old plan, says so, and is followed again once it is whole."""
    project = Project(tmp_path)
    project.configure()
    configuration = project.repo / "feature_store.yaml"
    lines = configuration.read_text(encoding="utf-8").replace("registry_type: sql", "registry_type: file")
    file = tmp_path / "registry.pb"
    configuration.write_text(re.sub(r"path: sqlite\S*", f"path: {file}", lines), encoding="utf-8")
    reader = Noticing(fill(project), "only", watch_seconds=0.01)
    project.apply(MORE)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    reader.read({"user_id": [1]})
    while "DecodeError" not in str(reader.stale_reason):
        assert reader.looked.wait(60)
        reader.looked.clear()
    assert tuple(reader.read({"user_id": [1]})) == ("big", "word")
    file.write_bytes(whole)
    while reader.features != ("big", "word", "price"):
        assert reader.looked.wait(60)
        reader.looked.clear()
    assert reader.stale_reason is None
    reader.close()
