"""The report's section on why the best model predicts as it does."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from storekeeper.artefact.columns import as_arrow, is_numeric
from storekeeper.errors import UsageError
from storekeeper.explain import Explanations, load_explainer
from storekeeper_training.explain.pictures import draw_contributions, draw_dependence
from storekeeper_training.figures import draw_bars
from storekeeper_training.models import Sample
from storekeeper_training.problems import Picture
from storekeeper_training.result import TrainResult

# Trees take half a millisecond a row.
EXPLAINED_ROWS = 1000

_DEPENDENCES = 3
_EXAMPLE_BARS = 10

#: What a scale is called.
SCALES = {"logit": "log-odds", "log": "logarithm", "units": "units"}


@dataclass(frozen=True)
class Section:
    """What the report says.

    Attributes
    ----------
    pictures
        Mean contributions, those of three inputs by value, and an example.
    note
        How the contributions were found and how well they add up; or why there are none.
    """

    pictures: list[Picture]
    note: str


def explain_best(result: TrainResult, test: Sample, colour: str) -> Section:
    """Take the best model's predictions of test rows apart, at most a thousand, evenly taken."""
    best = result.best
    try:
        explainer = load_explainer(best.artefact.path)
    except UsageError as error:
        return Section([], str(error))
    rows = len(test.labels)
    chosen = np.linspace(0, rows - 1, min(rows, EXPLAINED_ROWS)).astype(np.int64)
    columns = {name: as_arrow(test.columns[name], name).take(chosen) for name in explainer.encoder.input_names}
    found = explainer.explain(columns)
    importance, scale = found.importance(), SCALES[found.scale]
    pictures = [
        Picture(
            f"Mean contributions, {best.name}",
            "How far each input moves a prediction in the mean, up or down. Inputs that say the same share it.",
            draw_bars(importance, colour, f"mean |contribution| ({scale})"),
        )
    ]
    for name in list(importance)[:_DEPENDENCES]:
        if importance[name]:
            values, contributions = columns[name], found.contributions[:, found.inputs.index(name)]
            pictures.append(
                Picture(
                    f"Contributions of {name}",
                    _dependence_caption(bool(is_numeric(values.type))),
                    draw_dependence(name, values, contributions, colour, scale),
                )
            )
    return Section([*pictures, _example(result, columns, found, chosen, colour)], _note(found))


def _dependence_caption(is_number: bool) -> str:
    if is_number:
        return "Each dot a row of the test period: its value, and what that adds. The spread is other inputs' doing."
    return "The most frequent categories of the test period, and what each adds in the mean."


def _example(
    result: TrainResult, columns: dict[str, Any], found: Explanations, chosen: np.ndarray, colour: str
) -> Picture:
    """The row with the highest prediction among the explained."""
    row = int(found.margin.argmax())
    told = found.top(row, _EXAMPLE_BARS)
    bars = [(f"{c.name} = {_shown(columns[c.name][row].as_py())}", c.value) for c in told]
    if rest := found.contributions[row].sum() - sum(value for _, value in bars):
        bars.append((f"{len(found.inputs) - len(told)} others", float(rest)))
    place = int(result.split.test[chosen[row]])
    keys = ", ".join(
        f"{key.name} {result.dataset.table[key.name][place].as_py()}" for key in result.dataset.task.entity_keys
    )
    when = str(result.dataset.timestamps[place].astype("datetime64[m]")).replace("T", " ")
    predicted, label = float(result.best.probabilities[chosen[row]]), result.dataset.labels[place]
    caption = (
        f"The highest prediction of these rows, {predicted:.3g}: {keys}, {when} UTC; what came was {label:g}. "
        f"From the base {found.base[row]:.3f} to {found.margin[row]:.3f}."
    )
    return Picture("One prediction, taken apart", caption, draw_contributions(bars, colour, SCALES[found.scale]))


def _note(found: Explanations) -> str:
    return (
        f"{found.method}, on {len(found.margin):,} rows of the test period. Base: {found.reference}. Base and "
        f"contributions add up to the model's margin ({SCALES[found.scale]}); the largest residual is "
        f"{found.residual.max():.2g}, where margins span {np.ptp(found.margin):.2f}."
    )


def _shown(value: object) -> str:
    """A value in a few characters, without what Matplotlib takes for a formula."""
    if value is None:
        return "null"
    return f"{value:,.6g}" if isinstance(value, float) else str(value).replace("$", "")[:24]
