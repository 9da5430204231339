"""Run the contenders of a case, each in a process of its own, in turns."""

import json
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.answers import difference
from benchmarks.cases import CONTENDERS, TOY, Case, Contender, Kind
from benchmarks.data import files_of

ROOT = Path(__file__).parent.parent


@dataclass
class Result:
    """What one contender did.

    Attributes
    ----------
    status
        `ok`, `timeout`, `failed`, or `differs` where the answer isn't the others'.
    runs_seconds
        Seconds of each run.
    peak_mb, start_mb
        Peak resident memory of the process while it worked, and as it was when the work began; medians.
    note
        What went wrong, or how much of the whole answer was given.
    """

    contender: str
    what: str
    status: str = "ok"
    runs_seconds: list[float] = field(default_factory=list)
    peaks_mb: list[float] = field(default_factory=list)
    starts_mb: list[float] = field(default_factory=list)
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """With the medians."""
        medians = {
            "seconds": statistics.median(self.runs_seconds) if self.runs_seconds else None,
            "peak_mb": statistics.median(self.peaks_mb) if self.peaks_mb else None,
            "start_mb": statistics.median(self.starts_mb) if self.starts_mb else None,
        }
        return asdict(self) | medians


@dataclass(frozen=True)
class Plan:
    """How to run: repetitions, patience in seconds, where data is kept, and whom to run (empty: everybody)."""

    runs: int
    timeout_seconds: float
    data: Path
    only: tuple[str, ...] = ()


def run_case(case: Case, plan: Plan, tell: Callable[[str], None]) -> dict[str, object]:
    """All contenders of a case, as JSON.

    Everybody runs once before anybody runs again, so that a busy moment of the machine doesn't fall on one alone.
    """
    tell(f"{case.title}: writing data")
    files, toy = files_of(case, plan.data), files_of(TOY[case.kind], plan.data)
    answers = plan.data / "answers" / case.slug
    answers.mkdir(parents=True, exist_ok=True)
    contenders = [each for each in CONTENDERS[case.kind] if not plan.only or each.name in plan.only]
    results = {each.name: Result(each.name, each.what) for each in contenders}
    for turn in range(plan.runs):
        for contender in contenders:
            result = results[contender.name]
            if result.status == "ok":
                tell(f"{case.title}: {contender.name}, run {turn + 1} of {plan.runs}")
                # Whoever comes first shall not be the one who waits for the disk.
                _read_all(files)
                answer = answers / f"{contender.name}.parquet"
                run_once(result, case.kind, files, toy, answer, plan.timeout_seconds)
    _check(contenders, results, answers)
    facts = {"title": case.title, "slug": case.slug} | asdict(case)
    return facts | {"results": [results[each.name].as_json() for each in contenders]}


def run_once(result: Result, kind: Kind, files: Path, toy: Path, answer: Path, timeout_seconds: float) -> None:
    """Run the result's contender in a process of its own, and note in the result how that went."""
    arguments = [kind, result.contender, str(files), str(toy), str(answer)]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.worker", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired:
        result.status, result.note = "timeout", f"stopped after {timeout_seconds:g} s"
        return
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        result.status, result.note = "failed", f"exit code {done.returncode}: {last[:200]}"
        return
    measured = json.loads(done.stdout.strip().splitlines()[-1])
    result.runs_seconds.append(measured["seconds"])
    result.peaks_mb.append(measured["peak_mb"])
    result.starts_mb.append(measured["start_mb"])


def _check(contenders: Sequence[Contender], results: dict[str, Result], answers: Path) -> None:
    """Compare every answer with that of the first contender that gave a whole one."""
    gave = [each for each in contenders if each.gives and results[each.name].runs_seconds]
    if not gave:
        return
    reference = max(gave, key=lambda each: len(each.gives))
    for contender in gave:
        columns = tuple(name for name in contender.gives if name in reference.gives)
        if len(columns) < len(reference.gives):
            results[contender.name].note = f"({len(columns)} of {len(reference.gives)} columns)"
        differs = difference(answers / f"{contender.name}.parquet", answers / f"{reference.name}.parquet", columns)
        if differs:
            result = results[contender.name]
            result.status, result.note = "differs", f"{differs} (compared with {reference.name})"


def _read_all(files: Path) -> None:
    for path in files.glob("*.parquet"):
        with path.open("rb") as stream:
            while stream.read(1 << 24):
                pass


def unknown_contenders(names: Sequence[str]) -> list[str]:
    """Names that no case has."""
    known = {each.name for contenders in CONTENDERS.values() for each in contenders}
    return [name for name in names if name not in known]


def repeatable(module: str, arguments: list[str]) -> str:
    """The command for somebody else's machine: without this one's paths.

    >>> repeatable("benchmarks.point_in_time", ["--large", "--json", "out.json", "--only", "windows"])
    'python -m benchmarks.point_in_time --large --only windows'
    """
    kept: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        name, *value = argument.split("=", 1)
        if name not in ("--json", "--data"):
            kept.append(argument)
        elif not value:
            next(pending, None)
    return shlex.join(["python", "-m", module, *kept])
