"""Training refuses a set that leaks, and what the report of the lints says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storekeeper.artefact import list_artefacts
from storekeeper.errors import CheckFailedError, NotFoundError
from storekeeper_training.lint import LINTS, Finding, LintReport, check_names
from storekeeper_training.lint.codes import rank_correlation, separation, value_codes
from storekeeper_training.tasks import Task
from storekeeper_training.train import train


def test_a_leak_stops_the_run(
    small_task: Task, dataset_table: pa.Table, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """A planted label stops the run before anything is trained; allowed by name, it is trained on."""
    folder = make_dataset(tmp_path / "set", dataset_table.append_column("bought", dataset_table["label"]))
    places = (folder, tmp_path / "models", tmp_path / "reports", ["rule"])
    with pytest.raises(CheckFailedError, match=r"(?s)label-among-features: bought.*--allow label-among-features"):
        train(small_task, *places)
    assert list_artefacts(tmp_path / "models") == ()
    told: list[str] = []
    train(small_task, *places, allow=["label-among-features"], progress=lambda *step: told.append(step[-1]))
    assert len(list_artefacts(tmp_path / "models")) == 1
    assert f"{len(LINTS)} lints: label-among-features (allowed)" in told
    with pytest.raises(NotFoundError, match="There is no lint 'label'"):
        train(small_task, *places, allow=["label"])


def test_a_report() -> None:
    """Errors that aren't allowed are refused, warnings never are, and both are in the machine's record."""
    findings = tuple(
        Finding(lint, severity, "x", "seen", "do")  # type: ignore[arg-type]
        for lint, severity in (("future-spine", "error"), ("split-overlap", "error"), ("stale-dataset", "warning"))
    )
    report = LintReport("t", "h", 3, tuple(LINTS), findings)
    assert [finding.lint for finding in report.refused(["future-spine"])] == ["split-overlap"]
    record = report.as_dict(["future-spine", "split-overlap"])
    assert (record["refused"], [entry["allowed"] for entry in record["findings"]]) == (0, [True, True, False])
    assert report.summary() == "16 lints: future-spine (error), split-overlap (error), stale-dataset (warning)"
    check_names(list(LINTS))


def test_every_lint_says_what_it_looks_for() -> None:
    """Each lint has a docstring of its own, and gives findings of its own name only."""
    assert len({lint.__doc__ for lint in LINTS.values()}) == len(LINTS)
    assert all(lint.__doc__ for lint in LINTS.values())


def test_codes_of_every_type() -> None:
    """Numbers, times, flags and text are coded with null last; lists are not."""
    columns = {
        "int": pa.chunked_array([[5, None, 7, 5]]),
        "float": pa.chunked_array([pa.array([0.5, float("nan"), 1.5, 0.5])]),
        "bool": pa.chunked_array([[False, None, True, False]]),
        "text": pa.chunked_array([["a", None, "b", "a"]]),
        "time": pa.chunked_array([pa.array([1, None, 9, 1], pa.timestamp("us", tz="UTC"))]),
    }
    for name, column in columns.items():
        coded = value_codes(column)
        assert coded is not None
        assert (coded[0].tolist(), coded[1]) == ([0, 2, 1, 0], 2), name
    assert value_codes(pa.chunked_array([[[1], [2]]])) is None
    assert value_codes(pa.chunked_array([pa.nulls(3, pa.float64())])) is not None


def test_separation_is_an_auc() -> None:
    """It is near the AUC of the values, half for noise, and as high where high values mean no."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    labels = (rng.random(20_000) < 0.2).astype(np.int8)
    score = labels + rng.normal(0, 1, 20_000)
    for sign in (1, -1):
        coded = value_codes(pa.chunked_array([pa.array(sign * score)]))
        assert coded is not None
        assert separation(*coded, labels) == pytest.approx(roc_auc_score(labels, score), abs=0.01)
    noise = value_codes(pa.chunked_array([pa.array(rng.random(20_000))]))
    assert noise is not None
    assert separation(*noise, labels) == pytest.approx(0.5, abs=0.02)


def test_rank_correlation() -> None:
    """One for any rising relation, minus one for a falling one, nothing for a constant."""
    values = np.array([1.0, 2.0, 2.0, 5.0])
    assert rank_correlation(values, values**3) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    assert rank_correlation(values, np.ones(4)) == 0.0
