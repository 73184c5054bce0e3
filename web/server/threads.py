"""The threads that handle requests: as few as possible, for each more makes all of them slower.

Python runs one thread at a time, and a short request gives its turn up at each statement and each system
call; to hand it to another thread and back takes longer than the work in between. So one thread handles
requests that read, one after another, and others help only where it is held up. Those that write have
threads of their own: they wait for the disk, and for each other, to be committed together.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

log = logging.getLogger(__name__)

# A request that takes longer holds up no other: it waits for something, or has much to do.
SHORT_SECONDS: Final = 0.001


class Threads:
    """In the place of a pool. One thread, the loop's, calls `at_once`, `in_turn` and `relieve`."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=count)
        self._waiting: deque[Callable[[], object]] = deque()
        # Held to change whose turn it is, and by that thread to see whether anything waits.
        self._lock = threading.Lock()
        self._turn: object = None
        # When the call began for which others wait; infinite before a thread is free for the turn.
        self._began = math.inf

    @property
    def has_waiting(self) -> bool:
        """Whether something waits for a call that may turn out to be long: `relieve` soon."""
        return bool(self._waiting)

    def at_once(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call it as soon as a thread is free."""
        self._pool.submit(_handle, partial(call, *arguments))

    def in_turn(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call it after what came in turn before it, or beside that if it is long."""
        with self._lock:
            self._waiting.append(partial(call, *arguments))
            if self._turn is None:
                self._begin()

    def relieve(self) -> None:
        """If a call is long, give all that wait for it to other threads."""
        if not self._waiting or time.monotonic() - self._began < SHORT_SECONDS:
            return
        with self._lock:
            # A thread for each of them, which may be long for the same reason; the last one has the turn.
            while len(self._waiting) > 1:
                self._pool.submit(_handle, self._waiting.popleft())
            if self._waiting:
                self._begin()

    def shutdown(self, wait: bool = True) -> None:
        """As of a pool."""
        self._pool.shutdown(wait=wait)

    def _begin(self) -> None:
        self._turn, self._began = object(), math.inf
        self._pool.submit(self._handle_all, self._turn)

    def _handle_all(self, turn: object) -> None:
        while True:
            with self._lock:
                if self._turn is not turn:
                    return
                if not self._waiting:
                    self._turn = None
                    return
                call = self._waiting.popleft()
                self._began = time.monotonic()
            _handle(call)


def _handle(call: Callable[[], object]) -> None:
    try:
        call()
    except BaseException:  # the thread has the next call to handle
        log.exception("a request failed unexpectedly")
