"""Rankers are trained from a task's training set as every other model is: measured, checked, kept, shown."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storekeeper.artefact import load_predictor, read_manifest
from storekeeper.errors import CheckFailedError, DataError, NotFoundError, UsageError
from storekeeper_training.next_item import load_ranker, pipeline
from storekeeper_training.result import TrainResult
from storekeeper_training.tasks import NEXT_ITEM
from storekeeper_training.train import evaluate_trained, train

ITEMS = np.arange(100, 112)
MODELS = ("popularity", "markov", "own-frequency")
TASK = replace(NEXT_ITEM, horizon=timedelta(hours=1))


def write_set(folder: Path, rows: int = 600, history: str = "last_products", **changed: object) -> Path:
    """A training set in which the item after the history's last one comes next, most of the time."""
    rng = np.random.default_rng(3)
    start = datetime(2017, 3, 1, tzinfo=UTC)
    histories = [rng.choice(len(ITEMS), rng.integers(1, 6)).tolist() for _ in range(rows)]
    follows = [(past[-1] + 1) % len(ITEMS) if rng.random() < 0.8 else int(rng.integers(12)) for past in histories]
    table = pa.table(
        {
            "customer_id": pa.array(rng.integers(0, 60, rows), pa.int64()),
            "event_timestamp": pa.array(
                [start + timedelta(hours=at) for at in range(rows)], pa.timestamp("us", tz="UTC")
            ),
            "label": pa.array([[int(ITEMS[item])] for item in follows], pa.list_(pa.int64())),
            history: pa.array([ITEMS[past].tolist() for past in histories], pa.list_(pa.int64())),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data.parquet")
    record = {
        "task": "next_item",
        "dataset_hash": "d" * 64,
        "definition_hash": "e" * 64,
        "feature_service": "next_item",
    }
    (folder / "manifest.json").write_text(json.dumps(record | changed))
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., TrainResult]:
    """Trains on a small set of its own; a second call finds what the first one made."""
    folder = write_set(tmp_path / "set")

    def run(*models: str, **options: bool) -> TrainResult:
        return train(TASK, folder, tmp_path / "models", tmp_path / "reports", models or MODELS, **options)

    return run


def test_the_model_that_knows_the_rule_wins(trained: Callable[..., TrainResult]) -> None:
    """One item follows the other: Markov ranks it first, counts don't; intervals part them."""
    result = trained()
    assert result.best.name == "markov"
    assert result.best.test.hr_at_10 >= 0.8 > result.models[-1].test.ndcg_at_10
    (title, lead), *_ = result.comparisons[-1].parts
    assert title == "NDCG@10"
    assert lead.low > 0
    assert result.best.test.reachable == 1.0


def test_an_artefact_ranks_as_the_trained_model_did(trained: Callable[..., TrainResult]) -> None:
    """What lies on disk has the figures that the manifest says, and `evaluate` finds them again."""
    result = trained()
    manifest = read_manifest(result.best.artefact.path)
    assert (manifest.kind, manifest.runtime, [column.name for column in manifest.inputs]) == (
        "ranking",
        "ranker",
        ["last_products"],
    )
    assert load_ranker(result.best.artefact.path).kind == "markov"
    folders = (result.best.artefact.path.parents[3] / name for name in ("set", "models", "reports"))
    again = evaluate_trained(TASK, *folders)
    assert {one.name: one.test for one in again.models} == {one.name: one.test for one in result.models}


def test_the_same_data_and_code_keep_the_model(trained: Callable[..., TrainResult]) -> None:
    """A second run keeps every version; forced, it makes the next one with the same figures."""
    first = trained()
    kept = trained()
    assert all(one.reused and one.artefact.version == 1 for one in kept.models)
    forced = trained("markov", reuse=False)
    assert (forced.best.artefact.version, forced.best.test) == (2, first.best.test)


def test_the_report_stands_alone(trained: Callable[..., TrainResult]) -> None:
    """One page with the leaderboard and both pictures, and nothing from elsewhere."""
    page = trained().report.read_text()
    assert all(f">{name}<" in page for name in MODELS)
    assert page.count("data:image/png;base64,") == 2
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_only_the_most_frequent_items_are_ranked(tmp_path: Path) -> None:
    """A smaller catalogue leaves out rare items, which count as misses."""
    small = replace(TASK, catalogue_size=6)
    folders = (write_set(tmp_path / "set"), tmp_path / "models", tmp_path / "reports")
    result = train(small, *folders, ["popularity"])
    assert len(load_ranker(result.best.artefact.path).catalogue) == 6
    assert 0.3 < result.best.test.reachable < 0.8


def test_a_ranker_that_changes_on_disk_is_not_kept(
    trained: Callable[..., TrainResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what is read back scores otherwise, nothing is left under the model's name."""
    honest = pipeline.load_ranker

    def other(folder: Path) -> object:
        ranker = honest(folder)
        return replace(ranker, shares=ranker.shares + 1)  # type: ignore[type-var, attr-defined]

    monkeypatch.setattr(pipeline, "load_ranker", other)
    with pytest.raises(CheckFailedError, match="read back, differs"):
        trained("popularity")


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        (["telepathy"], NotFoundError, "no model 'telepathy'.*'popularity'"),
        (["rule"], NotFoundError, "no model 'rule'"),
    ],
)
def test_a_model_of_another_kind_is_refused(
    trained: Callable[..., TrainResult], models: list[str], error: type[Exception], message: str
) -> None:
    """The message lists the models that rank."""
    with pytest.raises(error, match=message):
        trained(*models)


def test_a_set_without_the_history_names_what_there_is(tmp_path: Path) -> None:
    """The missing feature is named, with those that the set has."""
    folder = write_set(tmp_path / "set", history="other_list")
    with pytest.raises(DataError, match=r"'last_products', which the dataset lacks. It has: 'other_list'"):
        train(TASK, folder, tmp_path / "models", tmp_path / "reports", ["popularity"])


def test_a_ranker_is_refused_as_a_predictor_of_numbers(trained: Callable[..., TrainResult]) -> None:
    """Serving and explaining say that it can't be done, and what can."""
    with pytest.raises(UsageError, match=r"orders items and gives no number a row.*storekeeper evaluate next_item"):
        load_predictor(trained("popularity").best.artefact.path)
