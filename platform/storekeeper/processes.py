"""Whether a process of this machine lives: what dead ones left half done may be removed."""

import os
from contextlib import suppress


def is_running(pid: int) -> bool:
    """Whether a process lives; in doubt, yes."""
    if os.name != "posix":
        return True
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
