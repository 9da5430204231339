"""The loaders that exist, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from storekeeper.errors import NotFoundError, listing
from storekeeper.settings import Settings
from storekeeper.shop.report import LoadReport, Progress, no_progress


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
        Loads it.
    """

    name: str
    summary: str
    load: LoadFunction


def _complete_journey(settings: Settings, progress: Progress = no_progress, *, force: bool = False) -> LoadReport:
    # pandas and DuckDB take a while to import: a list of names should not.
    from storekeeper.shop.complete_journey import load_complete_journey

    return load_complete_journey(settings, progress, force=force)


LOADERS: Mapping[str, Loader] = {
    loader.name: loader
    for loader in (
        Loader(
            name="complete-journey",
            summary="The Complete Journey (dunnhumby / 84.51°): a grocery chain's year 2017, 2,469 households, CC0",
            load=_complete_journey,
        ),
    )
}


def find_loader(name: str) -> Loader:
    """The loader of this name.

    Raises
    ------
    NotFoundError
        If there is none; the message lists those that exist.
    """
    if name not in LOADERS:
        raise NotFoundError(f"There is no loader '{name}'. There are {listing(LOADERS)}.")
    return LOADERS[name]
