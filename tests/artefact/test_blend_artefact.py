"""A blend's artefact: several models' weights in one folder, run as one model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storekeeper.artefact import Encoder, Manifest, NumericColumn, load_predictor, write_artefact
from storekeeper.artefact.blend import Blend, BlendMember, member_folder
from storekeeper.artefact.formulas import LinearFormula, RuleFormula
from storekeeper.errors import DataError, NotFoundError

BLEND = Blend(
    (BlendMember("logistic", "logistic", 0.25, 7), BlendMember("rule", "rule", 0.75)),
    scale=2.0,
    shift=-1.0,
)
PARTS = (Encoder((NumericColumn("x", "standard"), NumericColumn("y"))), Encoder((NumericColumn("x"),)))


def fill(folder: Path) -> None:
    """Writes a blend of `sigmoid(2 x - y)` and a rule that is even at any x."""
    Encoder(parts=PARTS).write(folder)
    BLEND.write(folder)
    for member in BLEND.members:
        member_folder(folder, member.model).mkdir(parents=True)
    LinearFormula((2.0, -1.0), 0.0).write(member_folder(folder, "logistic"))
    RuleFormula((0.0,), (0.5,), 0.5).write(member_folder(folder, "rule"))


def test_blend_by_hand(manifest: Manifest, tmp_path: Path) -> None:
    """A blend's logit is the scaled and shifted weighted mean of its members' logits, each on its own inputs."""
    predictor = load_predictor(write_artefact(tmp_path, replace(manifest, runtime="blend"), fill).path)
    logits = 2.0 * 0.25 * (2.0 * np.array([1.0, 3.0]) - np.array([4.0, -2.0])) - 1.0
    np.testing.assert_allclose(predictor.predict({"x": [1, 3], "y": [4, -2]}), 1 / (1 + np.exp(-logits)), rtol=1e-6)
    assert predictor.encoder.input_names == ("x", "y")
    assert predictor.encoder.sources == predictor.encoder.output_names == ("x", "y", "x")


def test_a_blend_names_the_member_that_is_missing(manifest: Manifest, tmp_path: Path) -> None:
    """A blend without one member's weights, or with another number of encoders, is refused."""
    folder = write_artefact(tmp_path, replace(manifest, runtime="blend"), fill).path
    (member_folder(folder, "rule") / "model.json").unlink()
    with pytest.raises(NotFoundError, match=r"members/rule"):
        load_predictor(folder)
    Encoder(parts=PARTS[:1]).write(folder)
    with pytest.raises(DataError, match="blends 2 models and encodes for 1"):
        load_predictor(folder)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ((), "sum to 1"),
        ((BlendMember("a", "rule", 0.5),), "sum to 1"),
        ((BlendMember("a", "rule", 1.5), BlendMember("b", "rule", -0.5)), "not negative"),
        ((BlendMember("a", "rule", 0.5), BlendMember("a", "onnx", 0.5)), "distinct"),
        ((BlendMember("a", "blend", 1.0),), "none is a blend"),
    ],
)
def test_blends_that_are_none_are_refused(members: tuple[BlendMember, ...], fault: str) -> None:
    """Weights that make no mean, members of one name and blends of blends are refused."""
    with pytest.raises(DataError, match=fault):
        Blend(members)


def test_certain_members_do_not_blind_the_others() -> None:
    """A member that says exactly 0 leaves the blend finite."""
    mixed = Blend((BlendMember("a", "rule", 0.5), BlendMember("b", "rule", 0.5)))([np.zeros(1), np.array([0.9])])
    assert 0 < mixed[0] < 0.1
