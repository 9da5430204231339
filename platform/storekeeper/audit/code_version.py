"""Which code reads features: its release, and a hash of the sources that decide what a value is."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import storekeeper

_DIGITS = 12
#: What stands between a source and a served value. Commands, reports and loaders can't change one.
_DECIDES = {
    "storekeeper": (
        "clock.py", "provider.py", "push.py", "store.py",
        "definitions/**/*.py", "history/**/*.py", "offline/**/*.py", "online/**/*.py", "sources/**/*.py",
    ),
    "storekeeper_serving": ("engine.py", "inputs.py", "predictor.py"),
}  # fmt: skip


@lru_cache(maxsize=1)
def code_version() -> str:
    """Release and hash, such as `0.1.0+3f2a91c05d7e`; the same for the same sources, wherever they are installed."""
    digest = hashlib.sha256()
    for package, name, path in _sources():
        digest.update(f"{package}/{name}\n".encode())
        digest.update(path.read_bytes())
    return f"{storekeeper.__version__}+{digest.hexdigest()[:_DIGITS]}"


def _sources() -> Iterator[tuple[str, str, Path]]:
    for package, patterns in _DECIDES.items():
        found = find_spec(package)
        for place in found.submodule_search_locations or () if found else ():
            root = Path(place)
            names = {path.relative_to(root).as_posix() for pattern in patterns for path in root.glob(pattern)}
            yield from ((package, name, root / name) for name in sorted(names))
