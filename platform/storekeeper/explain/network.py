"""Networks taken apart by integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365).

Training writes them as a second graph, which ONNX Runtime runs: it holds the network, its gradient, and the steps on
the way from the mean of the training rows to a row.
"""

from pathlib import Path

import numpy as np

from storekeeper.artefact.encoder import Matrix
from storekeeper.artefact.runtime import open_session
from storekeeper.errors import UsageError
from storekeeper.explain.background import Background
from storekeeper.explain.explanations import Attributed, Attribution

GRADIENT_FILE = "explain.onnx"

#: Outputs of the graph: `(n_rows, n_encoded)`, then `(n_rows,)` each.
OUTPUTS = ("contributions", "base", "margin")

# Each row has all its steps in memory at once.
_ROWS_AT_ONCE = 16


def open_network(folder: Path, background: Background) -> Attribution:
    """Logits of a network. Safe in threads, on one thread each.

    Raises
    ------
    UsageError
        If training left no gradient; the message says why.
    """
    if not (folder / GRADIENT_FILE).is_file():
        why = background.unexplained or "it was trained before gradients were kept"
        raise UsageError(
            f"The network in '{folder}' can't be explained: {why}. Train it again, or explain another model."
        )
    session = open_session(folder, GRADIENT_FILE)
    name = session.get_inputs()[0].name

    def attribute(matrix: Matrix) -> Attributed:
        starts = range(0, len(matrix), _ROWS_AT_ONCE)
        runs = [session.run(list(OUTPUTS), {name: matrix[at : at + _ROWS_AT_ONCE]}) for at in starts]
        parts, base, margin = (np.concatenate(output).astype(np.float64) for output in zip(*runs, strict=True))
        return Attributed(base, parts, margin)

    return attribute
