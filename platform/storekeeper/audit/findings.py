"""What was found, added up batch by batch: no vector is kept but a few examples."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storekeeper.audit.advice import action_for
from storekeeper.audit.assumption import CAUSES, UNEXPLAINED
from storekeeper.online.view_state import from_us

HOUR_US = 3_600_000_000
_MOST_EXAMPLES = 20
_MOST_ENTITIES = 100_000


@dataclass(frozen=True)
class Example:
    """One value that differs.

    Attributes
    ----------
    row
        Its vector's position among those of the service, from 0.
    served_at
        When it was served.
    owner, feature
        The view, and which of its features.
    entity
        Whom it is about: key -> value.
    online, offline
        What was served, and what the replay gave.
    why
        What the evidence says.
    """

    row: int
    served_at: datetime
    owner: str
    feature: str
    entity: Mapping[str, Any]
    online: object
    offline: object
    why: str

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "row": self.row,
            "served_at": self.served_at.isoformat(),
            "view": self.owner,
            "feature": self.feature,
            "entity": dict(self.entity),
            "served": str(self.online),
            "replayed": str(self.offline),
            "why": self.why,
        }


@dataclass(frozen=True)
class Finding:
    """All differences with the same causes.

    Attributes
    ----------
    causes
        One class, or several that only together explain the values.
    values, vectors, entities
        How many values, in how many vectors, about how many entities; entities are counted up to about 100,000.
    first, last
        When the first and the last of them was served.
    examples
        The first of each of up to 20 features.
    hours
        (view, hour since the epoch) -> number of values.
    """

    causes: tuple[str, ...]
    values: int
    vectors: int
    entities: int
    first: datetime
    last: datetime
    examples: tuple[Example, ...]
    hours: Mapping[tuple[str, int], int]

    @property
    def label(self) -> str:
        """The classes in one text."""
        return " + ".join(self.causes)

    @property
    def is_explained(self) -> bool:
        """Whether something explains the values."""
        return UNEXPLAINED not in self.causes

    @property
    def action(self) -> str:
        """What to do."""
        return action_for(self.causes)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "causes": list(self.causes),
            "explained": self.is_explained,
            "values": self.values,
            "vectors": self.vectors,
            "entities": self.entities,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "views": dict(sorted(self.by_view().items())),
            "do": self.action,
            "examples": [example.as_dict() for example in self.examples],
        }

    def by_view(self) -> dict[str, int]:
        """Number of values of each view."""
        counts: Counter[str] = Counter()
        for (view, _), count in self.hours.items():
            counts[view] += count
        return dict(counts)


@dataclass
class Sum:
    """A finding while it grows."""

    values: int = 0
    vectors: int = 0
    entities: set[tuple[Any, ...]] = field(default_factory=set)
    span_us: tuple[int, int] | None = None
    examples: list[Example] = field(default_factory=list)
    hours: Counter[tuple[str, int]] = field(default_factory=Counter)

    def wants_example_of(self, feature: str) -> bool:
        """Whether a value of a feature would show something that no example shows yet."""
        return len(self.examples) < _MOST_EXAMPLES and all(one.feature != feature for one in self.examples)

    def add_entities(self, entities: Iterable[tuple[Any, ...]]) -> None:
        """Count entities once each."""
        if len(self.entities) < _MOST_ENTITIES:
            self.entities.update(entities)

    def add_span(self, first_us: int, last_us: int) -> None:
        """Stretch the time from the first to the last."""
        first, last = self.span_us or (first_us, last_us)
        self.span_us = min(first, first_us), max(last, last_us)


def closed(sums: Mapping[tuple[str, ...], Sum]) -> tuple[Finding, ...]:
    """The findings, in the classes' order, combinations after single classes."""
    order = sorted(sums, key=lambda causes: (len(causes), [CAUSES.index(cause) for cause in causes]))
    return tuple(_closed(causes, sums[causes]) for causes in order)


def _closed(causes: tuple[str, ...], one: Sum) -> Finding:
    first, last = one.span_us or (0, 0)
    entities, examples = len(one.entities), tuple(one.examples)
    return Finding(causes, one.values, one.vectors, entities, from_us(first), from_us(last), examples, dict(one.hours))
