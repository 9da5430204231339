"""What became of pushed rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reject:
    """A pushed row that went nowhere.

    Attributes
    ----------
    row
        Its place among the rows, from 0.
    reason
        Which column, what was expected and what came.
    """

    row: int
    reason: str


@dataclass(frozen=True)
class PushReport:
    """What became of a batch; every row is counted once.

    Attributes
    ----------
    accepted
        How many rows went in; of a push into history alone, how many it got.
    duplicates
        How many were there already; of a source with latest-value views alone, how many were no newer than what was
        there.
    rejected
        The others, in the order of the rows.
    appended
        How many rows history got, where it was to have them: beside the accepted ones those that online was told of
        before, but history wasn't, as by a push that failed half-way.
    """

    accepted: int
    duplicates: int
    rejected: tuple[Reject, ...] = ()
    appended: int = 0
