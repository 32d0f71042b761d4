"""The newest request wins. No gradio in here."""

from __future__ import annotations

import threading


class Newest:
    """Numbers the requests of one kind, so that each can tell whether a newer one, or nobody, waits for its answer.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._last = 0
        self._current: int | None = None
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether the newest request is neither finished nor cancelled."""
        return self._current is not None

    def start(self) -> int:
        """Number a new request; the one before it gives up."""
        with self._lock:
            self._last += 1
            self._current = self._last
            return self._last

    def is_newest(self, number: int) -> bool:
        """Whether somebody waits for the answer to a request: nothing newer was started, and it was not cancelled."""
        return self._current == number

    def finish(self, number: int) -> bool:
        """Note that a request is answered; gives whether somebody waited for it."""
        with self._lock:
            waited = self._current == number
            if waited:
                self._current = None
            return waited

    def cancel(self) -> None:
        """Make the request that is being answered, if any, give up."""
        with self._lock:
            self._current = None
