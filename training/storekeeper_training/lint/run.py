"""All lints over one dataset."""

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType

from storekeeper.errors import CheckFailedError, NotFoundError, listing
from storekeeper_training.lint import columns, rows, sources, spines, times
from storekeeper_training.lint.evidence import Evidence
from storekeeper_training.lint.finding import Finding, LintReport
from storekeeper_training.problems import PROBLEMS

Lint = Callable[[Evidence], Iterator[Finding]]

#: Name -> lint; its docstring says what it looks for.
LINTS: Mapping[str, Lint] = MappingProxyType(
    {
        "future-features": times.future_features,
        "inclusive-edge": times.inclusive_edge,
        "label-among-features": columns.label_among_features,
        "implausible-feature": columns.implausible_feature,
        "time-encoding-id": columns.time_encoding_id,
        "back-dated-source": sources.back_dated_source,
        "true-chances": sources.true_chances,
        "no-knowledge-cutoff": sources.no_knowledge_cutoff,
        "stale-dataset": sources.stale_dataset,
        "unread-declarations": sources.unread_declarations,
        "split-overlap": rows.split_overlap,
        "duplicate-rows": rows.duplicate_rows,
        "immature-labels": rows.immature_labels,
        "label-known-early": spines.label_known_early,
        "label-changes-later": spines.label_changes_later,
        "future-spine": spines.future_spine,
    }
)


def run_lints(evidence: Evidence) -> LintReport:
    """Look for everything that looks like a leak, but for what the task's kind of label leaves out by name."""
    problem = PROBLEMS.get(evidence.dataset.task.kind)
    idle = problem.idle_lints if problem else ()
    lints = {name: lint for name, lint in LINTS.items() if name not in idle}
    findings = [finding for lint in lints.values() for finding in lint(evidence)]
    return LintReport(
        task=evidence.dataset.task.name,
        dataset_hash=str(evidence.dataset.manifest["dataset_hash"]),
        rows=evidence.dataset.table.num_rows,
        lints=tuple(lints),
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
    )


def check_names(names: Collection[str]) -> None:
    """Refuse names of lints that don't exist.

    Raises
    ------
    NotFoundError
        Naming them, and those that exist.
    """
    if unknown := [name for name in names if name not in LINTS]:
        raise NotFoundError(f"There is no lint {listing(unknown)}. Lints: {listing(LINTS)}.")


def refuse(report: LintReport, allowed: Collection[str]) -> None:
    """Stop where there are errors that aren't allowed by name.

    Raises
    ------
    CheckFailedError
        With every error, and how to go on.
    """
    refused = report.refused(allowed)
    if not refused:
        return
    told = "\n".join(f"  {f.lint}: {f.subject}. {f.seen}\n    {f.advice}" for f in refused)
    names = " ".join(f"--allow {name}" for name in dict.fromkeys(finding.lint for finding in refused))
    raise CheckFailedError(
        f"The training set of '{report.task}' looks as if it leaks the future; nothing was trained.\n{told}\n"
        f"Mend it, or train it as it is: storekeeper train {report.task} {names}."
    )
