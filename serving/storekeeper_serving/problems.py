"""What may be wrong with a request, in one form: what was expected, what came, what exists, what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storekeeper.errors import StorekeeperError, UsageError, listing


@dataclass(frozen=True)
class Problem:
    """An error as a client sees it.

    Attributes
    ----------
    status
        HTTP status.
    code
        For machines: a word that does not change.
    summary
        One sentence.
    expected, received
        What should have come, and what did; empty where that says nothing.
    exists
        Names that would have been right.
    do
        What to do about it.
    """

    status: int
    code: str
    summary: str
    expected: str = ""
    received: str = ""
    exists: Sequence[str] | None = None
    do: str = ""

    @property
    def message(self) -> str:
        """All of it as text."""
        exists = "" if self.exists is None else listing(self.exists)
        parts = (("Expected", self.expected), ("Received", self.received), ("There is", exists))
        told = [self.summary, *(f"{label}: {text}." for label, text in parts if text), self.do]
        return " ".join(part for part in told if part)

    def as_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        exists = None if self.exists is None else sorted(self.exists)
        parts = {"expected": self.expected, "received": self.received, "exists": exists, "do": self.do}
        told = {name: value for name, value in parts.items() if value not in ("", None)}
        return {"error": {"code": self.code, "message": self.message, **told}}


class RequestError(UsageError):
    """A request that can't be answered as asked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class RefusedError(StorekeeperError, RuntimeError):
    """A model that is on disk but must not be served."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def malformed(summary: str, *, expected: str = "", received: str = "", do: str = "") -> RequestError:
    """A body that can't be read."""
    return RequestError(Problem(422, "malformed_request", summary, expected, received, None, do))


def shown(value: object, limit: int = 60) -> str:
    """A value of a client as it came, cut where it is long.

    >>> shown("x" * 100, limit=10)
    "'xxxxxxxxx..."
    """
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
