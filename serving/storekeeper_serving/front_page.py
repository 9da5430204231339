"""The page at `/`: what is served, in one look."""

import json
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader

from storekeeper_serving.schemas import Health, TaskInfo

_PAGES = Environment(loader=PackageLoader("storekeeper_serving", "pages"), autoescape=True, trim_blocks=True)


def render_front_page(health: Health, tasks: Sequence[TaskInfo], url: str) -> str:
    """The page as HTML; `url` is where the server answers, ending in a slash."""
    # A quote inside the shell's own quotes.
    examples = {task.task: json.dumps(task.example).replace("'", "'\\''") for task in tasks if task.example}
    return _PAGES.get_template("front.html").render(health=health, tasks=tasks, examples=examples, url=url)
