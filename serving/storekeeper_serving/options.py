"""What an operator may set about serving."""

from dataclasses import dataclass, fields

from storekeeper.errors import SettingError


@dataclass(frozen=True)
class ServingOptions:
    """Limits and intervals.

    Attributes
    ----------
    max_rows
        Rows that one request may ask for.
    max_explained_rows
        Rows that one request may have explained.
    max_body_bytes
        Bytes that a request's body may have.
    max_pending_rows
        Served vectors that may wait for the log; more are dropped and counted.
    flush_seconds
        How long a served vector waits for the log at most.
    refresh_seconds
        How often new models and changed definitions are looked for, in the background.
    """

    max_rows: int = 1000
    max_explained_rows: int = 100
    max_body_bytes: int = 4 * 1024 * 1024
    max_pending_rows: int = 100_000
    flush_seconds: float = 5.0
    refresh_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Refuse limits under which nothing works."""
        for field in fields(self):
            if not (value := getattr(self, field.name)) > 0:
                raise SettingError(f"{field.name} must be positive. Received: {value}.")
