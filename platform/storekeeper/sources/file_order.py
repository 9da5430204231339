"""The order of a folder's files, which is that of their rows (rule 4): one for who reads and who appends.

First those that were there, by their paths, folder by folder; then those that were appended, in the order of that.
"""

import re
from collections.abc import Iterable
from pathlib import Path

PARQUET = (".parquet",)
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_APPENDED = re.compile(r"(?P<stem>.*)~(?P<number>\d{9})-[0-9a-f]{8}\.[^.]+", re.DOTALL)


def is_named(path: str | Path, endings: tuple[str, ...]) -> bool:
    """Whether a file's name has one of the endings, in whatever case.

    >>> is_named("data/E.CSV", CSV)
    True
    """
    return str(path).lower().endswith(endings)


def in_order(paths: Iterable[str]) -> list[str]:
    """Paths in the order in which their rows come.

    >>> in_order(["b/1.parquet", "a/z~000000001-0badcafe.parquet", "a/z/1.parquet", "a/y.parquet"])
    ['a/y.parquet', 'a/z/1.parquet', 'b/1.parquet', 'a/z~000000001-0badcafe.parquet']
    """
    return sorted(paths, key=lambda path: (append_number(path), Path(path).parts))


def files_below(folder: str | Path, endings: tuple[str, ...]) -> list[str]:
    """A folder's files, and those of the folders in it, that have one of the endings; in order."""
    return in_order(str(path) for path in Path(folder).rglob("*") if is_named(path, endings) and path.is_file())


def append_number(path: str | Path) -> int:
    """Which append a file comes from, counted from 1; 0 where from none."""
    found = _APPENDED.fullmatch(Path(path).name)
    return int(found["number"]) if found else 0


def appended_name(number: int, token: str, before: str | None) -> str:
    """The name of a part of an append, which also sorts behind the name `before`: other readers know names alone.

    >>> appended_name(2, "0badcafe", "part-0~000000001-12345678.parquet")
    'part-0~000000002-0badcafe.parquet'
    """
    found = _APPENDED.fullmatch(before) if before else None
    stem = found["stem"] if found else Path(before).stem if before else "part"
    return f"{stem}~{number:09}-{token}.parquet"
