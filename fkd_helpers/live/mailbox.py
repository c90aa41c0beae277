"""Hand frames from one thread to another without a queue that grows."""

import threading


class Mailbox:
    """One slot between two threads: a newer item replaces the one that waits.

    Every item that was put in comes out exactly once: by `take`, by `put` (displaced, or refused once the box is
    closed), or by `close`.
    """

    def __init__(self):
        self._waiting, self._closed, self._changed = [], False, threading.Condition()

    def put(self, item: object) -> list:
        """Put an item in; return what will therefore not be taken: nothing, a displaced item, or this one."""
        with self._changed:
            if self._closed:
                return [item]
            displaced, self._waiting = self._waiting, [item]
            self._changed.notify()
            return displaced

    def take(self) -> object | None:
        """Wait for an item and return it; None once the box is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.pop() if self._waiting else None

    def close(self, *, keep: bool = False) -> list:
        """Accept no more items; return the one that waits, unless it is kept to be taken."""
        with self._changed:
            left, self._waiting = ([], self._waiting) if keep else (self._waiting, [])
            self._closed = True
            self._changed.notify()
            return left
