"""Lints of declarations: sources that can't say when they knew, datasets built without asking."""

import re
from collections.abc import Iterator

from storekeeper_training.lint.evidence import Evidence, SourceFacts
from storekeeper_training.lint.finding import Finding, Severity

# How columns that say when a row was recorded are called.
_RECORDED = re.compile(r"known|learn|record|creat|insert|load|ingest|receiv|updat|modif|report|arriv|sync|import")


def back_dated_source(evidence: Evidence) -> Iterator[Finding]:
    """A source without knowledge time whose rows were written later than they say they happened."""
    for name, facts in (evidence.declared.sources if evidence.declared else {}).items():
        yield from _recorded_later(name, facts)
        yield from _out_of_order(evidence, name, facts)
        if facts.rows > 1 and facts.instants == 1:
            yield Finding(
                "back-dated-source", "warning", name,
                f"All of its {facts.rows:,} rows stand under one instant: a picture of today under an old date.",
                "Keep one row a change with its own time, and declare when it became known (created_timestamp_column).",
            )  # fmt: skip


def true_chances(evidence: Evidence) -> Iterator[Finding]:
    """A source or a spine that reads the true chances of a simulated shop: the answer itself."""
    for subject in evidence.declared.knowing if evidence.declared else ():
        yield Finding(
            "true-chances", "error", subject,
            "It reads the chances by which the simulator decided what comes (table 'truth' of a simulated shop, or a "
            "copy): no live shop knows them.",
            "Leave that table out. To know the best possible AUC, see storekeeper.shop.simulator.truth.best_auc.",
        )  # fmt: skip


def no_knowledge_cutoff(evidence: Evidence) -> Iterator[Finding]:
    """A dataset into which rows came that were known only later."""
    if evidence.dataset.manifest.get("knowledge_cutoff") is not False:
        return
    yield Finding(
        "no-knowledge-cutoff", "error", evidence.dataset.manifest["feature_service"],
        "The dataset was built without the knowledge cut-off: rows reported late count as if known at once.",
        "Build it with filter_by_created_timestamp=True, as storekeeper dataset build does.",
    )  # fmt: skip


def stale_dataset(evidence: Evidence) -> Iterator[Finding]:
    """A dataset made from other declarations than those in force."""
    declared = evidence.declared
    if declared is None or declared.definition_hash == evidence.dataset.manifest["definition_hash"]:
        return
    yield Finding(
        "stale-dataset", "warning", evidence.dataset.manifest["feature_service"],
        "The feature service means something else now than when the dataset was built; its values were not computed "
        "anew to compare.",
        f"Build it again: storekeeper dataset build {evidence.dataset.task.name}.",
    )  # fmt: skip


def unread_declarations(evidence: Evidence) -> Iterator[Finding]:
    """A feature store or a shop that can't be read: only the dataset itself was looked at."""
    if evidence.unread:
        yield Finding(
            "unread-declarations", "warning", evidence.dataset.manifest["feature_service"],
            f"The declarations and the shop's data could not be read, so only the dataset was looked at. "
            f"{evidence.unread}",
            "Run where the dataset was built, after storekeeper apply.",
        )  # fmt: skip


def _recorded_later(name: str, facts: SourceFacts) -> Iterator[Finding]:
    for column, share in facts.later.items():
        if share <= 0:
            continue
        severity: Severity = "error" if _RECORDED.search(column.lower()) else "warning"
        yield Finding(
            "back-dated-source", severity, name,
            f"It declares no knowledge time, and in {share:.1%} of its rows '{column}' is later than the event time: "
            f"rows count before they were known.",
            f"If '{column}' is when a row was recorded, declare created_timestamp_column='{column}'.",
        )  # fmt: skip


def _out_of_order(evidence: Evidence, name: str, facts: SourceFacts) -> Iterator[Finding]:
    share = facts.out_of_order
    if share is None or not 0 < share <= evidence.limits.out_of_order_share:
        return
    yield Finding(
        "back-dated-source", "error", name,
        f"It declares no knowledge time, and {share:.1%} of its rows were appended after rows that happened more than "
        f"{evidence.limits.lateness} later: they were known only then.",
        "Record when each row arrives, and declare that column as created_timestamp_column.",
    )  # fmt: skip
