"""What was used last is kept, within a bound, and shared between threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """A cache that drops what was not used for longest; safe to share between threads.

    Args:
        limit: How large all values together may be. The last one is kept even when it alone is larger.
        size: Of a value, in the unit of `limit`; by default each counts as 1.
        on_drop: Told each value that makes room for others.
    """

    def __init__(
        self, limit: int, size: Callable[[Value], int] = lambda _: 1, on_drop: Callable[[Value], object] | None = None
    ) -> None:
        limit = max(1, limit)
        self._entries: _Dropping[Key, Value] = _Dropping(limit, lambda value: max(1, min(size(value), limit)))
        self._on_drop = on_drop
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of this key, made if it is not there.

        Args:
            key: What the value depends on.
            make: Called without the lock, so that one who waits for a new value keeps nobody from an old one. Where two
                make the same one at once, the first that is ready stays.
        """
        with self._lock:
            if key in self._entries:
                return self._entries[key]
        made = make()
        with self._lock:
            kept = self._entries.setdefault(key, made)
            dropped, self._entries.dropped = self._entries.dropped, []
        if self._on_drop is not None:
            for value in dropped:
                self._on_drop(value)
        return kept

    def pop(self, key: Key) -> Value | None:
        """Take a value out; None for an unknown key."""
        with self._lock:
            return self._entries.pop(key, None)

    def pop_all(self) -> list[Value]:
        """Take every value out."""
        with self._lock:
            values = list(self._entries.values())
            self._entries.clear()
        return values

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries


class _Dropping(LRUCache[Key, Value]):
    """Notes what it drops."""

    def __init__(self, limit: int, size: Callable[[Value], int]) -> None:
        super().__init__(limit, size)
        self.dropped: list[Value] = []

    def popitem(self) -> tuple[Key, Value]:
        key, value = super().popitem()
        self.dropped.append(value)
        return key, value
