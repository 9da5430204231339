"""A package's own template, within the look that all pages share."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from storekeeper import __version__
from storekeeper.pages import spoken

_FILTERS = {
    "chance": spoken.chance,
    "figure": spoken.figure,
    "moment": spoken.moment,
    "number": spoken.number,
    "second": spoken.second,
    "share": spoken.share,
    "span": spoken.span,
}


def write_page(path: Path, package: str, template: str, content: Mapping[str, Any]) -> None:
    """Write what `render_page` gives to a file that is there whole or not at all; its folder is made.

    Raises
    ------
    OSError
        If the file can't be written; one that was there stays as it was.
    """
    page = render_page(package, template, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def render_page(package: str, template: str, content: Mapping[str, Any]) -> str:
    """A page as HTML.

    Parameters
    ----------
    package
        The package in whose folder `pages` the template lies. It extends `base.html` of this room, whose parts it can
        import from `parts.html`.
    template
        The template's name.
    content
        What the template shows; text in it never becomes markup.

    Raises
    ------
    jinja2.TemplateNotFound
        If the package has no such template.
    jinja2.UndefinedError
        If the template asks for what the content doesn't have.
    """
    return _environment(package).get_template(template).render(content)


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "pages"), PackageLoader("storekeeper.pages", "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.globals["version"] = __version__
    return environment
