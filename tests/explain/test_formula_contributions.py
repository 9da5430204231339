"""Formulas: contributions by hand, and what they count from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storekeeper.artefact import CategoricalColumn, Encoder, NumericColumn, load_predictor
from storekeeper.artefact.blend import Blend, BlendMember, member_folder
from storekeeper.artefact.formulas import LinearFormula, LogLinearFormula, RuleFormula, WeightedSum, sigmoid
from storekeeper.errors import DataError, UsageError
from storekeeper.explain import Background, Contribution, Explanations, load_explainer

Write = Callable[..., Path]

ENCODER = Encoder(
    (NumericColumn("x", "standard", center=2.0, scale=2.0, fill=0.0, indicator=True),),
    (CategoricalColumn("colour", ("red", "blue")),),
)
# Of x, of its null, of no colour, of red and of blue.
FORMULA = LinearFormula((2.0, -0.5, 0.25, 1.0, -1.0), 0.1)
MEANS = (0.0, 0.2, 0.1, 0.6, 0.3)


def test_logistic_by_hand(write_model: Write) -> None:
    """A weight counts from its column's mean; the null's own column and all of a category count as one input."""
    folder = write_model("logistic", ENCODER, FORMULA.write, background=Background(10, MEANS))
    columns = {"x": [4.0, None], "colour": ["blue", "never met"]}
    found = load_explainer(folder).explain(columns)
    base = 0.1 - 0.5 * 0.2 + 0.25 * 0.1 + 0.6 - 0.3
    np.testing.assert_allclose(found.base, base)
    of_x = [2.0 + 0.5 * 0.2, -0.5 * 0.8]
    of_colour = [-1.0 - (0.025 + 0.6 - 0.3), 0.25 - (0.025 + 0.6 - 0.3)]
    np.testing.assert_allclose(found.contributions, np.transpose([of_x, of_colour]), atol=1e-12)
    np.testing.assert_allclose(sigmoid(found.margin), load_predictor(folder).predict(columns))
    assert found.residual.max() < 1e-12
    assert (found.scale, found.reference) == ("logit", "the mean margin of the training rows")
    assert found.top(0, 1) == (Contribution("x", pytest.approx(2.1)),)


def test_without_means_it_counts_from_zeros(write_model: Write) -> None:
    """A model that was trained before means were kept is explained from a row of zeros, and says so."""
    found = load_explainer(write_model("logistic", ENCODER, FORMULA.write)).explain({"x": [4.0], "colour": ["red"]})
    assert found.base.tolist() == [0.1]
    np.testing.assert_allclose(found.contributions, [[2.0, 1.0]])
    assert found.reference == "a row whose encoded values are all 0"


def test_a_rule_has_one_input(write_model: Write) -> None:
    """All that sets a rule's logit apart from the mean logit is its input's, also of a null."""
    rule = RuleFormula((0.0, 10.0), (0.1, 0.8), 0.3)
    folder = write_model("rule", Encoder((NumericColumn("x"),)), rule.write, background=Background(10, margin=-1.5))
    found = load_explainer(folder).explain({"x": [5.0, None]})
    logits = np.log(np.array([0.45, 0.3]) / np.array([0.55, 0.7]))
    np.testing.assert_allclose(found.contributions[:, 0], logits + 1.5)
    np.testing.assert_allclose(found.margin, logits)


def test_quantities_by_hand(write_model: Write) -> None:
    """A log-linear quantity is told as a logarithm; a weighted sum as units, a null as 0, both before their bounds."""
    number = Encoder((NumericColumn("x"), NumericColumn("y")))
    formula = LogLinearFormula((1.0, 0.5), 0.2, greatest=3.0)
    rates = load_explainer(write_model("log-linear", number, formula.write, background=Background(5, (1.0, 2.0))))
    found = rates.explain({"x": [4.0], "y": [0.0]})
    assert (found.scale, found.base[0], found.margin[0]) == ("log", pytest.approx(2.2), pytest.approx(4.2))
    np.testing.assert_allclose(found.contributions, [[3.0, -1.0]])
    units = load_explainer(
        write_model("weighted-sum", number, WeightedSum((1,), (0.5,)).write, background=Background(5, (1.0, 4.0)))
    ).explain({"x": [9.0, 9.0], "y": [10.0, None]})
    assert units.scale == "units"
    np.testing.assert_allclose(units.contributions, [[0.0, 3.0], [0.0, -2.0]])
    np.testing.assert_allclose(units.margin, [5.0, 0.0])


def test_a_blend_weighs_its_members(write_model: Write) -> None:
    """A blend's contributions are its members' by weight and calibration; an input of two members counts once."""
    blend = Blend((BlendMember("a", "logistic", 0.75), BlendMember("b", "rule", 0.25)), 1.2, -0.3)
    rule = RuleFormula((0.0, 10.0), (0.1, 0.8), 0.3)

    def members(folder: Path) -> None:
        for member, formula in zip(blend.members, (FORMULA, rule), strict=True):
            member_folder(folder, member.model).mkdir(parents=True)
            formula.write(member_folder(folder, member.model))

    folder = write_model(
        "blend",
        Encoder(parts=(ENCODER, Encoder((NumericColumn("x"),)))),
        blend.write,
        members,
        background=Background(10, parts=(Background(10, MEANS), Background(10, margin=-1.0))),
    )
    columns = {"x": [4.0, None], "colour": ["blue", None]}
    found = load_explainer(folder).explain(columns)
    assert found.inputs == ("x", "colour")
    np.testing.assert_allclose(sigmoid(found.margin), load_predictor(folder).predict(columns), atol=1e-9)
    assert found.residual.max() < 1e-12
    of_rule = np.log(0.38 / 0.62) + 1.0
    assert found.contributions[0, 0] == pytest.approx(1.2 * (0.75 * 2.1 + 0.25 * of_rule))


def test_no_rows(write_model: Write) -> None:
    """No rows have no contributions."""
    found = load_explainer(write_model("logistic", ENCODER, FORMULA.write)).explain({"x": [], "colour": []})
    assert found.contributions.shape == (0, 2)
    assert set(found.importance().values()) == {0.0}


def test_ranks() -> None:
    """The greatest come first whatever their sign, equal ones by name, and those of nothing not at all."""
    values = np.array([[0.5, -2.0, 0.0, -0.5], [1.5, 0.0, 0.0, 0.0]])
    zeros = np.zeros(2)
    found = Explanations(("b", "c", "d", "a"), zeros, values, values.sum(axis=1), "logit", "", "")
    assert [c.name for c in found.top(0, 9)] == ["c", "a", "b"]
    assert found.top(0, 1) == (Contribution("c", -2.0),)
    assert found.importance() == {"b": 1.0, "c": 1.0, "a": 0.25, "d": 0.0}


def test_what_is_no_number_is_refused(write_model: Write) -> None:
    """Weights that make no number of a row are an error, not a silent null."""
    broken = LinearFormula((float("inf"), 0.0, 0.0, 0.0, 0.0), 0.0)
    with pytest.raises(DataError):
        load_explainer(write_model("logistic", ENCODER, broken.write)).explain({"x": [4.0], "colour": ["red"]})


def test_models_that_order_items_are_refused(write_model: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a kind that gives no number a row can't be explained; the message lists those that can."""
    from storekeeper.explain import explainer

    folder = write_model("logistic", ENCODER, FORMULA.write)
    monkeypatch.setattr(explainer, "_OPENERS", {"rule": explainer._OPENERS["rule"]})
    with pytest.raises(UsageError, match=r"kind 'logistic' can't be explained.*'rule'"):
        load_explainer(folder)
