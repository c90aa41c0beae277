"""Hand frames from one thread to another without a queue that grows."""

import threading
from collections import deque


class Mailbox:
    """A few slots between two threads; when they are full, the newest item replaces the oldest.

    A patient mailbox lets the giver wait instead. Every item that was put in comes out exactly once: by `take`, by
    `put` (displaced, or refused once the box is closed), or by `close`.
    """

    def __init__(self, slots: int = 1, *, patient: bool = False):
        self._items, self._slots, self._patient = deque(), slots, patient
        self._changed, self._closed = threading.Condition(), False

    def put(self, item: object) -> list:
        """Put an item in; return what will therefore not be taken: nothing, a displaced item, or this one."""
        with self._changed:
            if self._patient:
                self._changed.wait_for(lambda: len(self._items) < self._slots or self._closed)
            if self._closed:
                return [item]
            displaced = [] if len(self._items) < self._slots else [self._items.popleft()]
            self._items.append(item)
            self._changed.notify_all()
            return displaced

    def take(self) -> object | None:
        """Wait for the oldest item and return it; None once the box is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self._changed.notify_all()
            return self._items.popleft() if self._items else None

    def finish(self) -> None:
        """Accept no more items; those that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> list:
        """Accept no more items, and return those that wait: nobody will take them."""
        with self._changed:
            self.finish()
            left, self._items = list(self._items), deque()
            return left
