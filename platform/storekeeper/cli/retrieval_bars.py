"""How far a retrieval has come, on the terminal: a bar a view, with the rate of rows and the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


class _RowsColumn(ProgressColumn):
    """Rows read so far, of how many, and how many a second."""

    def render(self, task: Task) -> Text:
        of = f" of {int(task.total):,}" if task.total else ""
        rate = f", {int(task.speed):,} rows/s" if task.speed else ""
        return Text(f"{int(task.completed):,}{of} rows{rate}", style="progress.download")


@contextmanager
def retrieval_bars(console: Console) -> Iterator[None]:
    """Show the retrievals that run within this context; nothing where the console is no terminal."""
    from storekeeper.offline.progress import listening

    columns = (TextColumn("{task.description}"), BarColumn(), _RowsColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    shown: dict[str, TaskID] = {}

    def listener(view: str, rows: int, total: int | None) -> None:
        if view not in shown:
            shown[view] = bars.add_task(view, total=total)
        bars.update(shown[view], completed=rows, total=total)

    with bars, listening(listener):
        yield
