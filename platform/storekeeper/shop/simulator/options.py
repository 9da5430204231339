"""What is asked of the simulator."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, time, timedelta

from storekeeper.errors import UsageError, listing

# Part of the fingerprint: raise it when the same options would give another shop.
REVISION = 1

FEWEST_PRODUCTS = 100
_LIMITS = {
    "customers": (1, 10_000_000),
    "days": (1, 3_660),
    "seed": (0, 2**53),
    "products": (FEWEST_PRODUCTS, 50_000),
}
_FIRST_YEAR, _LAST_YEAR = 1980, 2200


@dataclass(frozen=True)
class SimulationOptions:
    """A shop, fully described: the same options give the same shop, event for event.

    Attributes
    ----------
    customers
        How many people ever have an account. Some join while the shop runs.
    days
        How long the shop is watched.
    seed
        Which of the shops of that size.
    start
        The first day, UTC.
    products
        How many articles.
    """

    customers: int = 1_000
    days: int = 180
    seed: int = 1
    start: date = date(2024, 1, 1)
    products: int = 1_200

    def __post_init__(self) -> None:
        """Refuse what no shop can be made of.

        Raises
        ------
        UsageError
            If a number is out of its range; the message names the option and the range.
        """
        for name, (least, most) in _LIMITS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise UsageError(f"--{name} of a simulated shop must be {least:,} to {most:,}. Received: {value:,}.")
        if not _FIRST_YEAR <= self.start.year <= _LAST_YEAR:
            raise UsageError(
                f"--start of a simulated shop must be in the years {_FIRST_YEAR} to {_LAST_YEAR}. "
                f"Received: {self.start.isoformat()}."
            )

    @classmethod
    def parse(cls, given: Mapping[str, str | int]) -> "SimulationOptions":
        """Options by name, as a command line gives them; those left out have their defaults.

        Raises
        ------
        UsageError
            If a name is unknown, a number out of range, or the start no date.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(given) - known:
            raise UsageError(f"A simulated shop has no options {listing(unknown)}. It has {listing(known)}.")
        numbers = {name: int(value) for name, value in given.items() if name != "start"}
        start = _parse_date(str(given["start"])) if "start" in given else cls.start
        return cls(**numbers, start=start)

    @property
    def fingerprint(self) -> str:
        """What identifies the shop: the options and the simulator's revision."""
        parts = ", ".join(f"{name} {value}" for name, value in asdict(self).items())
        return f"simulated, revision {REVISION}: {parts}"

    @property
    def starts_at(self) -> datetime:
        """The shop's first instant, naive UTC."""
        return datetime.combine(self.start, time())

    @property
    def ends_at(self) -> datetime:
        """The first instant that isn't watched any more, naive UTC."""
        return self.starts_at + timedelta(days=self.days)


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--start of a simulated shop must be a date such as 2024-01-01. Received: '{text}'."
        ) from None
