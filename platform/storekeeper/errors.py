"""Everything that Storekeeper raises on purpose.

A message says what was expected, what came, what exists, and what to do. Each class is also the builtin that
fits, so that callers who know nothing of Storekeeper catch it where they would look for it.
"""

from collections.abc import Iterable


class StorekeeperError(Exception):
    """Root of all errors that a user can mend; the command line prints it and exits with `exit_code`."""

    exit_code = 2


class UsageError(StorekeeperError, ValueError):
    """A command, request or argument that can't be carried out as given."""


class SettingError(StorekeeperError, ValueError):
    """A missing or malformed setting; the message names its key."""


class DefinitionError(StorekeeperError, ValueError):
    """A feature repo that declares something impossible: a missing column, an unknown function, a wrong type."""


class SourceError(StorekeeperError, OSError):
    """A source of data that is missing, unreachable or broken."""


class DataError(StorekeeperError, ValueError):
    """Data that break a rule: an unparsable timestamp, an integer overflow, a key of another type."""


class NotFoundError(StorekeeperError, LookupError):
    """A task, model, view or dataset that doesn't exist; the message lists those that do."""


class CheckFailedError(StorekeeperError, AssertionError):
    """Work was done and a check on it did not hold, such as the proof that served equals trained."""

    exit_code = 1


def listing(names: Iterable[object]) -> str:
    """Names for the end of a message: sorted, quoted, comma-separated; `nothing` when empty.

    >>> listing(["b", "a"])
    "'a', 'b'"
    """
    return ", ".join(f"'{name}'" for name in sorted(map(str, names))) or "nothing"
