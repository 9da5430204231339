"""The evidence on one value that differs, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from storekeeper.audit.assumption import CODE, DEFINITION, LATE, TTL, TYPE, UNEXPLAINED
from storekeeper.audit.casts import kind_of
from storekeeper.audit.counterfactual import Counterfactuals
from storekeeper.audit.former import told_change
from storekeeper.audit.histories import SourceRecords
from storekeeper.audit.service_plan import ServicePlan, ViewPart
from storekeeper.audit.verdicts import Verdict
from storekeeper.online.view_state import from_us


@dataclass(frozen=True)
class Explainer:
    """Puts evidence into words.

    Attributes
    ----------
    plan
        The feature service as it is now.
    recorded
        What it meant when the vectors were served, if that was recorded.
    records
        What is known of sources as they were.
    code
        The code that audits.
    """

    plan: ServicePlan
    recorded: Mapping[str, Any] | None
    records: SourceRecords
    code: str

    def why(self, verdict: Verdict, what_if: Counterfactuals, feature: str, row: int) -> str:
        """What is known of a value: one sentence for each cause."""
        return "; ".join(self._why(cause, verdict, what_if, feature, row) for cause in verdict.causes)

    def _why(self, cause: str, verdict: Verdict, what_if: Counterfactuals, feature: str, row: int) -> str:
        owner, evidence = self.plan.owners[feature], what_if.rows.evidence(row)
        if cause == LATE:
            told = verdict.assumption.told if verdict.assumption else ""
            return ", ".join([*self._states(owner, what_if, row), f"equal {told}"])
        if cause == TTL and verdict.assumption:
            return f"equal {verdict.assumption.told}"
        if cause == TYPE:
            return _told_type(what_if.rows.table.column(feature).type, self.plan.types[feature])
        if cause == DEFINITION:
            return told_change(self.plan, self.recorded, owner)
        if cause == CODE:
            return f"served by code {evidence.code if evidence else 'unknown'}, audited by {self.code}"
        assert cause == UNEXPLAINED  # noqa: S101  (all others are above)
        return self._history(owner, what_if, row)

    def _states(self, owner: str, what_if: Counterfactuals, row: int) -> list[str]:
        """How far the states behind a feature reached, and what they lacked."""
        evidence, told = what_if.rows.evidence(row), []
        for part in self.plan.behind(owner):
            seen = evidence.seen(part.plan.name) if evidence else None
            if seen is None or seen.until_us is None:
                continue
            lacking = what_if.unseen(part, row)
            more = f", {lacking:,} rows of this entity came later" if lacking else ""
            told.append(f"'{part.plan.name}' stood at {_spoken(seen.until_us)}{more}")
        return told

    def _history(self, owner: str, what_if: Counterfactuals, row: int) -> str:
        """Whether the sources are still what the states were made of: nothing else is known."""
        evidence = what_if.rows.evidence(row)
        if evidence is None:
            return "served before evidence was recorded"
        changes = {part.plan.source.name: self._change(part, what_if, row) for part in self.plan.behind(owner)}
        if rewritten := [name for name, change in changes.items() if change == "rewritten"]:
            return f"rows of source {', '.join(rewritten)} were changed or removed since the state was made"
        if set(changes.values()) <= {"same", "appended"} and changes:
            return "the source still holds the rows that the state was made of"
        return "nothing is recorded of what the source held"

    def _change(self, part: ViewPart, what_if: Counterfactuals, row: int) -> str:
        evidence = what_if.rows.evidence(row)
        return self.records.then(part.plan, evidence.seen(part.plan.name) if evidence else None).change


def _told_type(served: pa.DataType, declared: pa.DataType) -> str:
    if kind_of(served) != kind_of(declared) or served != declared:
        return f"served as {served}, declared {declared}"
    return f"served {declared}, rounded"


def _spoken(us: int) -> str:
    return f"{from_us(us):%Y-%m-%d %H:%M:%S}Z"
