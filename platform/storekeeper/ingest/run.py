"""All batches of a door into a push source, and what became of them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from storekeeper.ingest.batch import Batch, Refused
from storekeeper.ingest.pusher import EventPusher, Pushed
from storekeeper.ingest.rejects import RejectWriter
from storekeeper.ingest.stopping import Stop

_MOST_REASONS, _MOST_EXAMPLES = 100, 5
_OTHER = "other reasons"
# What differs from event to event in a reason would make each a reason of its own.
_KINDS = (
    (re.compile(r"^(Column '[^']*' must be [^:]+): .*\((\w[^()]*)\) ([^()]*)\.$", re.DOTALL), r"\1: \2 \3."),
    (re.compile(r"^(Column '[^']*') is \S+, later than .*$", re.DOTALL), r"\1 is later than the clock's now."),
    (re.compile(r"^(The line is not valid JSON): .*$", re.DOTALL), r"\1."),
)


@dataclass
class Summary:
    """What became of the events so far; bounded, however many there are.

    Attributes
    ----------
    accepted, duplicates, rejected
        How many events.
    reasons
        Kind of reason -> how many events.
    examples
        The first rejects.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Refused] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many events there were."""
        return self.accepted + self.duplicates + self.rejected

    def add(self, pushed: Pushed) -> None:
        """Count a batch."""
        self.accepted += pushed.accepted
        self.duplicates += pushed.duplicates
        self.rejected += len(pushed.refused)
        self.examples += pushed.refused[: _MOST_EXAMPLES - len(self.examples)]
        for one in pushed.refused:
            kind = kind_of(one.reason)
            self.reasons[kind if kind in self.reasons or len(self.reasons) < _MOST_REASONS else _OTHER] += 1

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        rejected = [{"reason": reason, "events": count} for reason, count in self.reasons.most_common()]
        return {
            "events": self.events,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "reasons": rejected,
        }


def kind_of(reason: str) -> str:
    """A reason without what is the event's own.

    Examples
    --------
    >>> kind_of("Column 'n' must be int64: 'seven' (string) is of another kind.")
    "Column 'n' must be int64: string is of another kind."
    """
    for pattern, kind in _KINDS:
        reason = pattern.sub(kind, reason)
    return reason


def ingest(
    batches: Iterable[Batch],
    pusher: EventPusher,
    keep: RejectWriter,
    stop: Stop,
    tell: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Push batch after batch until there are no more or a stop is wanted; a batch in hand is finished.

    A batch is done once its events are committed and its rejects are handed over, never before.

    Parameters
    ----------
    tell
        Called after each batch.

    Raises
    ------
    SourceError
        If state can't be written; what was pushed before stays, and counts as duplicates when it is pushed again.
    """
    summary = Summary()
    for batch in batches:
        pushed = pusher.push_batch(batch)
        keep(pushed.refused)
        batch.done()
        summary.add(pushed)
        tell(summary)
        if stop.wanted:
            break
    return summary
