"""Something that is looked at again and again beside the requests that use it."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any


class Watch:
    """Calls a method of an object every so many seconds, in a thread of its own, for as long as the object lives.

    Parameters
    ----------
    owner
        Held weakly: when nobody else holds it, the thread ends.
    look
        What to call with it.
    seconds
        Between two calls, and before the first.
    """

    def __init__(self, owner: Any, look: Callable[[Any], object], seconds: float) -> None:
        self._owner, self._look, self._seconds = weakref.ref(owner), look, seconds
        self._woken, self._closing = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._process: int | None = None
        weakref.finalize(owner, self.close).atexit = False

    def ensure(self) -> None:
        """Start the thread where it doesn't run: the first time, and in a forked process."""
        if self._process == os.getpid():
            return
        with self._starting:
            if self._process != os.getpid() and not self._closing.is_set():
                threading.Thread(target=self._run, name="registry-watch", daemon=True).start()
                self._process = os.getpid()

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    def close(self) -> None:
        """End the thread soon; it isn't waited for."""
        self._closing.set()
        self._woken.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._woken.wait(self._seconds)
            self._woken.clear()
            owner = self._owner()
            if owner is None or self._closing.is_set():
                return
            self._look(owner)
            del owner
