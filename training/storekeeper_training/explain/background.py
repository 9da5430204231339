"""What a model is explained by, kept beside its weights when it is saved."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from storekeeper.artefact import Columns, Encoder
from storekeeper.artefact.blend import logits_of, member_folder, read_blend
from storekeeper.artefact.columns import as_arrow
from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.formulas import read_rule, read_weighted_sum
from storekeeper.artefact.manifest import Runtime
from storekeeper.artefact.runtime import LEVEL_FILE
from storekeeper.errors import DataError
from storekeeper.explain import Background
from storekeeper_training.explain.gradient_graph import write_gradient

# A mean needs no more rows.
BACKGROUND_ROWS = 20_000


def write_background(folder: Path, encoder: Encoder, runtime: Runtime, columns: Columns) -> Background:
    """Write `background.json` into a folder that a fitted model was saved in, and a network's `explain.onnx`.

    Parameters
    ----------
    encoder, runtime
        The model's.
    columns
        Inputs of the training rows by name; of many, a part is taken evenly.

    Returns
    -------
    Background
        What was written. A network that has no gradient is told in it, and is kept all the same.
    """
    background = _measure(folder, encoder, runtime, encoder.transform(_thinned(columns, encoder)))
    background.write(folder)
    return background


def _measure(folder: Path, encoder: Encoder, runtime: Runtime, matrix: Matrix) -> Background:
    rows = len(matrix)
    if runtime == "blend":
        members = read_blend(folder).members
        blocks = np.split(matrix, np.cumsum([len(part.output_names) for part in encoder.parts])[:-1], axis=1)
        parts = [
            _measure(member_folder(folder, member.model), part, member.runtime, np.ascontiguousarray(block))
            for member, part, block in zip(members, encoder.parts, blocks, strict=True)
        ]
        return Background(rows, parts=tuple(parts))
    if runtime == "onnx":
        return _explain_network(folder, encoder, matrix)
    if runtime == "rule":
        return Background(rows, margin=float(logits_of(read_rule(folder)(matrix)).mean()))
    if runtime == "xgboost-scaled":
        return Background(rows, margin=float(np.log(read_weighted_sum(folder, LEVEL_FILE)(matrix)).mean()))
    if runtime == "xgboost":
        return Background(rows)
    means = np.nan_to_num(matrix).mean(axis=0, dtype=np.float64)
    return Background(rows, tuple(means.tolist()))


def _explain_network(folder: Path, encoder: Encoder, matrix: Matrix) -> Background:
    """Write the network's gradient, or say why there is none."""
    slotted = {column.name for column in encoder.categorical if column.kind != "one_hot"}
    slots = [at for at, name in enumerate(encoder.sources) if name in slotted]
    try:
        return Background(len(matrix), steps=write_gradient(folder, matrix, slots))
    except DataError as error:
        return Background(len(matrix), unexplained=str(error))


def _thinned(columns: Columns, encoder: Encoder) -> Mapping[str, object]:
    """The encoder's inputs, of so many rows that their mean tells."""
    names = encoder.input_names
    rows = len(columns[names[0]])
    chosen = np.linspace(0, rows - 1, min(rows, BACKGROUND_ROWS)).astype(np.int64)
    return {name: as_arrow(columns[name], name).take(chosen) for name in names}
