"""A declared query as it may stand in parentheses: without the semicolons and comments at its end."""

import re

# What a database reads as one, quotes in which nothing is a comment first. `E'...'` and `$tag$...$tag$` are
# PostgreSQL's and DuckDB's, a backquoted name MySQL's and SQLite's.
_PIECE = re.compile(
    r"""
      (?P<blank> [\s;]+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*`
    | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | ['"`].* # an unfinished one, about which the database shall speak
    | \w+ | .
    """,
    re.DOTALL | re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def statement(query: str) -> str:
    """The query up to its last word; what it has inside, comments too, stays as it is.

    >>> statement("SELECT '--' AS a; -- all of it")
    "SELECT '--' AS a"
    """
    place = end = 0
    while piece := _PIECE.match(query, place):
        place = _comment_end(query, place) if piece["comment"] else piece.end()
        if not piece["comment"] and piece["blank"] is None:
            end = place
    return query[:end].lstrip()


def _comment_end(query: str, start: int) -> int:
    """Where a comment ends: with the last one inside it as in PostgreSQL, or else at the first mark, as in SQLite."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(query, start):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    first = query.find("*/", start + 2)
    return len(query) if first < 0 else first + 2
