"""The page at `/`: what is served, in one look."""

import json
from collections.abc import Sequence

from storekeeper.pages import render_page
from storekeeper_serving.schemas import Health, TaskInfo


def render_front_page(health: Health, tasks: Sequence[TaskInfo], url: str) -> str:
    """The page as HTML; `url` is where the server answers, ending in a slash."""
    # A quote inside the shell's own quotes.
    examples = {task.task: json.dumps(task.example).replace("'", "'\\''") for task in tasks if task.example}
    content = {"health": health, "tasks": tasks, "examples": examples, "url": url}
    return render_page("storekeeper_serving", "front.html", content)
