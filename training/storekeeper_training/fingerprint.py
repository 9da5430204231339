"""Fingerprint of what turns a dataset into a model, so that an unchanged model isn't trained twice."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import storekeeper.artefact
from storekeeper_training.tasks import Task

_ROOT = Path(__file__).parent
_EXPLAIN = ("explain/background.py", "explain/*_graph.py")
_MODELS = ("models/*.py", "next_item/*.py", "problems/*.py")
_SOURCES = ("encode*.py", "split.py", "evaluate.py", "dataset.py", *_MODELS, *_EXPLAIN)


def training_hash(task: Task) -> str:
    """SHA-256 over the task's declaration and the source of encoders, split, models and the artefact's format."""
    digest = hashlib.sha256(repr(task).encode())
    for path in _files():
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files() -> Iterable[Path]:
    """The source files, in a fixed order."""
    artefact = Path(str(storekeeper.artefact.__file__)).parent
    yield from sorted(artefact.glob("*.py"))
    for pattern in _SOURCES:
        yield from sorted(_ROOT.glob(pattern))
