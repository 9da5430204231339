"""What was true when a vector was served, beside the vector itself: what an audit needs to say why it differs."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from storekeeper.errors import DataError


@dataclass(frozen=True)
class ViewSeen:
    """How far a view's state reached.

    Attributes
    ----------
    until_us
        The instant up to which it was materialised; None for never.
    made_from
        What it was made from, as the online store keeps it.
    """

    until_us: int | None
    made_from: str = ""


@dataclass(frozen=True)
class Evidence:
    """The circumstances of one request.

    Attributes
    ----------
    code
        Version of the code that read the features.
    clock
        The clock in force, as its setting.
    views
        Each view of the service with how far its state reached, by name.
    definition
        What the feature service meant, as JSON; empty where that isn't known. Kept once a definition, not once a row.
    """

    code: str
    clock: str
    views: tuple[tuple[str, ViewSeen], ...] = ()
    definition: str = ""

    def seen(self, view: str) -> ViewSeen | None:
        """How far a view's state reached; None where that wasn't recorded."""
        return dict(self.views).get(view)

    def as_text(self) -> str:
        """One line of JSON, without the definition."""
        views = {name: [seen.until_us, seen.made_from] for name, seen in self.views}
        return json.dumps({"code": self.code, "clock": self.clock, "views": views}, separators=(",", ":"))


@lru_cache(maxsize=4096)
def parse_evidence(text: str) -> Evidence:
    """The evidence that `Evidence.as_text` wrote.

    Raises
    ------
    DataError
        If it is something else.
    """
    try:
        read: dict[str, Any] = json.loads(text)
        views = tuple((name, ViewSeen(*seen)) for name, seen in read["views"].items())
        return Evidence(read["code"], read["clock"], views)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"The evidence of a served vector can't be read: {error!r}. Received: {text[:200]!r}."
        raise DataError(problem) from error
