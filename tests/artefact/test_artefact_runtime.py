"""The runtime: an artefact's folder to probabilities."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storekeeper.artefact import Encoder, Manifest, NumericColumn, load_predictor, write_artefact
from storekeeper.artefact.formulas import LinearFormula, RuleFormula, read_linear, sigmoid
from storekeeper.errors import DataError, NotFoundError

Fill = Callable[[Path], None]


def test_logistic_by_hand(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """A logistic artefact predicts `sigmoid(2 x - 1)`, null as the fill, in row order and float64."""
    predictor = load_predictor(write_artefact(tmp_path, manifest, fill_logistic).path)
    probabilities = predictor.predict({"x": [0.5, None, 3.0], "not needed": [1, 2, 3]})
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities, [0.5, 1 / (1 + np.e), 1 / (1 + np.exp(-5.0))])
    assert predictor.manifest.model == "logistic"


def test_rule_by_hand(manifest: Manifest, tmp_path: Path) -> None:
    """A rule is a broken line: between corners straight, beyond them level, null apart."""

    def fill(folder: Path) -> None:
        Encoder((NumericColumn("x"),)).write(folder)
        RuleFormula((1.0, 3.0), (0.2, 0.6), 0.05).write(folder)

    predictor = load_predictor(write_artefact(tmp_path, replace(manifest, runtime="rule"), fill).path)
    np.testing.assert_allclose(predictor.predict({"x": [0, 1, 2, 3, 9, None]}), [0.2, 0.2, 0.4, 0.6, 0.6, 0.05])


def test_no_rows_no_probabilities(manifest: Manifest, fill_logistic: Fill, tmp_path: Path) -> None:
    """No rows give an empty answer."""
    predictor = load_predictor(write_artefact(tmp_path, manifest, fill_logistic).path)
    assert predictor.predict({"x": []}).shape == (0,)


def test_sigmoid_never_overflows() -> None:
    """Huge logits of either sign give 0 and 1 without a warning."""
    np.testing.assert_array_equal(sigmoid(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])


@pytest.mark.parametrize(("runtime", "name"), [("xgboost", "model.ubj"), ("onnx", "model.onnx")])
def test_damaged_weights_are_refused(
    manifest: Manifest, tmp_path: Path, runtime: str, name: str, fill_logistic: Fill
) -> None:
    """Weights that are missing or no weights at all give an error that names the file."""
    folder = write_artefact(tmp_path, replace(manifest, runtime=runtime), fill_logistic).path  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match=rf"No {name}.*'encoder.json'"):
        load_predictor(folder)
    (folder / name).write_bytes(b"not weights")
    with pytest.raises(DataError, match=name):
        load_predictor(folder)


def test_rule_refuses_a_line_that_goes_back() -> None:
    """A rule whose corners don't ascend is refused."""
    with pytest.raises(DataError, match="ascend"):
        RuleFormula((2.0, 1.0), (0.1, 0.2), 0.0)


def test_importing_the_room_is_light() -> None:
    """Importing the artefact room loads no model library at all."""
    heavy = ("tensorflow", "keras", "xgboost", "onnxruntime", "sklearn", "feast", "pandas")
    code = f"import sys, storekeeper.artefact; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_coefficients_survive_to_the_last_bit(tmp_path: Path) -> None:
    """A formula read from its JSON is the formula that was written."""
    formula = LinearFormula(tuple(np.random.default_rng(0).normal(size=50).tolist()), 0.1 + 0.2)
    formula.write(tmp_path)
    assert read_linear(tmp_path) == formula
