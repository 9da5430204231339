"""The report's section on why the best model predicts as it does."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.artefact.columns import as_arrow
from storekeeper.explain import load_explainer
from storekeeper_training.explain import section
from storekeeper_training.explain.pictures import draw_contributions, draw_dependence
from storekeeper_training.explain.section import explain_best
from storekeeper_training.models import Sample
from storekeeper_training.result import TrainResult
from storekeeper_training.tasks import Task
from storekeeper_training.train import train


@pytest.fixture(scope="module")
def run(small_task: Task, dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One run of a model whose contributions are known."""
    root = tmp_path_factory.mktemp("reported")
    return train(small_task, dataset_folder, root / "models", root / "reports", ("logistic",), seed=1)


@pytest.fixture(scope="module")
def test_rows(run: TrainResult) -> Sample:
    """The test period."""
    return Sample(run.dataset.columns(run.split.test), run.dataset.labels[run.split.test])


def test_the_page_says_why(run: TrainResult) -> None:
    """The page has the mean contributions, three inputs by value, one prediction, and the largest residual."""
    page = run.report.read_text(encoding="utf-8")
    assert "Why logistic predicts as it does" in page
    titles = re.findall(r"<h3>(Mean contributions[^<]*|Contributions of [^<]*|One prediction[^<]*)</h3>", page)
    assert len(titles) == 5
    assert re.search(r"largest residual is [\d.e-]+, where margins span", page)


def test_the_example_is_the_highest_of_the_explained(
    run: TrainResult, test_rows: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of rows evenly taken, the one with the highest prediction is told by its keys, time, label and ends."""
    monkeypatch.setattr(section, "EXPLAINED_ROWS", 50)
    chosen = np.linspace(0, len(test_rows.labels) - 1, 50).astype(np.int64)
    at = int(chosen[run.best.probabilities[chosen].argmax()])
    place = int(run.split.test[at])
    found = explain_best(run, test_rows, "#000000")
    caption = found.pictures[-1].caption
    assert f"customer_id {run.dataset.table['customer_id'][place].as_py()}, category" in caption
    assert f"{run.best.probabilities[at]:.3g}" in caption
    assert f"what came was {run.dataset.labels[place]}" in caption
    assert "on 50 rows" in found.note
    columns = {name: as_arrow(values, name).take(chosen) for name, values in test_rows.columns.items()}
    importance = load_explainer(run.best.artefact.path).explain(columns).importance()
    titles = [picture.title.removeprefix("Contributions of ") for picture in found.pictures[1:-1]]
    assert titles == list(importance)[:3]


def test_a_model_that_cannot_be_explained_says_why(
    run: TrainResult, test_rows: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where contributions can't be found, the section has the reason and no pictures."""
    from storekeeper.errors import UsageError

    def refuse(_: Path) -> None:
        raise UsageError("the gradient of Tanh is not known")

    monkeypatch.setattr(section, "load_explainer", refuse)
    found = explain_best(run, test_rows, "#000000")
    assert (found.pictures, found.note) == ([], "the gradient of Tanh is not known")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5, None, -2.0, 1e9]),
        pa.array([None, None, None, None], pa.float64()),
        pa.array([True, False, None, True]),
        pa.array(["a $x^2$ b", None, "c", "c"]),
        pa.array([7, 7, 7, 7]),
    ],
)
def test_any_values_can_be_drawn(values: pa.Array) -> None:
    """Nulls, outliers, constants, flags and texts that look like formulas are drawn."""
    contributions = np.array([0.5, -0.25, 0.0, 1.0])
    assert draw_dependence("na$me", values, contributions, "#000000", "log-odds").startswith("iVBOR")
    assert draw_contributions([("x", 0.1), ("y", -0.2)], "#000000", "units").startswith("iVBOR")
