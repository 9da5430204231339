"""Which protocols there are: the modules that declare them, in the order in which they are run and shown."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from storekeeper.errors import NotFoundError, listing
from storekeeper_training.benchmark.protocol import Protocol

# Each module has `PROTOCOLS`, a tuple. A module that isn't installed is passed over.
PROTOCOL_MODULES = (
    "storekeeper_training.benchmark.tabular_shoppers",
    "storekeeper_training.benchmark.tabular_clicks",
    "storekeeper_training.benchmark.tabular_cdnow",
    "storekeeper_training.benchmark.next_item",
)


def all_protocols(modules: Sequence[str] | None = None) -> tuple[Protocol, ...]:
    """Every protocol of the modules, of `PROTOCOL_MODULES` where none are named; in their order."""
    named = PROTOCOL_MODULES if modules is None else modules
    there = [import_module(name) for name in named if find_spec(name) is not None]
    return tuple(protocol for module in there for protocol in module.PROTOCOLS)


def find_protocols(names: Sequence[str], protocols: Sequence[Protocol]) -> tuple[Protocol, ...]:
    """The protocols of these names, in the order of the registry; all of them where no name is given.

    Raises
    ------
    NotFoundError
        If a name is unknown; the message lists those there are.
    """
    known = {protocol.name for protocol in protocols}
    if unknown := [name for name in names if name not in known]:
        raise NotFoundError(f"There is no benchmark {listing(unknown)}. There are: {listing(known)}.")
    return tuple(protocol for protocol in protocols if not names or protocol.name in names)
