"""Pages for people: one look for all of them, and HTML files that need nothing beside themselves."""

from storekeeper.pages.render import render_page, write_page

__all__ = ["render_page", "write_page"]
