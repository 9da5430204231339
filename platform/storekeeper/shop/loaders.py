"""The loaders that exist, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from storekeeper.errors import NotFoundError, UsageError, listing
from storekeeper.settings import Settings
from storekeeper.shop.report import LoadReport, Progress, no_progress

Options = Mapping[str, str | int]
"""Options of a loader that were given, by name."""


class LoadFunction(Protocol):
    """Loads a shop into the project's database and behaviour log."""

    def __call__(self, settings: Settings, progress: Progress = ..., *, force: bool = ...) -> LoadReport:
        """Load, unless the same is in place and `force` is false."""


@dataclass(frozen=True)
class Loader:
    """A shop that can be loaded.

    Attributes
    ----------
    name
        What `storekeeper load` calls it.
    summary
        One line for a list.
    load
        Loads it, with the defaults of its options.
    options
        Names of the options that it takes.
    configure
        Gives what loads it with some of these options set; None if it takes none.
    """

    name: str
    summary: str
    load: LoadFunction
    options: tuple[str, ...] = ()
    configure: Callable[[Options], LoadFunction] | None = None


def _complete_journey(settings: Settings, progress: Progress = no_progress, *, force: bool = False) -> LoadReport:
    # pandas and DuckDB take a while to import: a list of names should not.
    from storekeeper.shop.complete_journey import load_complete_journey

    return load_complete_journey(settings, progress, force=force)


def _configure_simulated(options: Options) -> LoadFunction:
    from storekeeper.shop.simulator import SimulationOptions, load_simulated

    parsed = SimulationOptions.parse(options)

    def load(settings: Settings, progress: Progress = no_progress, *, force: bool = False) -> LoadReport:
        return load_simulated(settings, parsed, progress, force=force)

    return load


def _simulated(settings: Settings, progress: Progress = no_progress, *, force: bool = False) -> LoadReport:
    return _configure_simulated({})(settings, progress, force=force)


def _configure_online_retail(options: Options) -> LoadFunction:
    from storekeeper.shop.online_retail import FROM, load_online_retail

    path = str(options[FROM]) if FROM in options else None

    def load(settings: Settings, progress: Progress = no_progress, *, force: bool = False) -> LoadReport:
        return load_online_retail(settings, path, progress, force=force)

    return load


def _online_retail(settings: Settings, progress: Progress = no_progress, *, force: bool = False) -> LoadReport:
    return _configure_online_retail({})(settings, progress, force=force)


LOADERS: Mapping[str, Loader] = {
    loader.name: loader
    for loader in (
        Loader(
            name="complete-journey",
            summary="The Complete Journey (dunnhumby / 84.51°): a grocery chain's year 2017, 2,469 households, CC0",
            load=_complete_journey,
        ),
        Loader(
            name="online-retail",
            summary="Online Retail (UCI, id 352): a British gift wholesaler's year 2011 with cancellations, CC BY 4.0",
            load=_online_retail,
            options=("from",),
            configure=_configure_online_retail,
        ),
        Loader(
            name="simulated",
            summary="A made-up shop of any size with every event type, late and repeated events, and known chances",
            load=_simulated,
            options=("customers", "days", "seed", "start", "products"),
            configure=_configure_simulated,
        ),
    )
}


def find_loader(name: str, options: Options | None = None) -> Loader:
    """The loader of this name, with these options set.

    Raises
    ------
    NotFoundError
        If there is none; the message lists those that exist.
    UsageError
        If it doesn't take an option, or not this value.
    """
    if name not in LOADERS:
        raise NotFoundError(f"There is no loader '{name}'. There are {listing(LOADERS)}.")
    loader = LOADERS[name]
    if not options:
        return loader
    if loader.configure is None or set(options) - set(loader.options):
        unknown = listing(f"--{option}" for option in set(options) - set(loader.options))
        known = listing(f"--{option}" for option in loader.options)
        raise UsageError(f"The loader '{name}' doesn't take {unknown}. It takes {known}.")
    return replace(loader, load=loader.configure(options))
