"""How much memory the pictures may take that a process decodes at the same time.

What one takes is known from its header: so many bytes a pixel, as `python -m benchmarks.pictures` measures
them, and copies of the file.
"""

import ctypes
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from jobyard.shared.errors import Busy
from jobyard.shared.pictures.formats import NotAPicture
from jobyard.shared.pictures.headers import Header

# The highest that was measured of any mode, and a tenth more. Pillow's RGB has 4 bytes a pixel; a conversion
# or a rotation holds two copies; a JPEG in scans keeps all its coefficients, WebP's decoder two canvases.
BYTES_PER_PIXEL: Final = {
    "JPEG": 9,
    "JPEG in scans": 13.5,
    "PNG": 9,
    "PNG of 16 bits": 11,
    "GIF": 6,
    "BMP": 6,
    "BMP with RLE": 6,
    "WEBP": 18.5,
    "AVIF": 16,
    "TIFF": 14,
    "TIFF of 16 bits": 18,
}
FILE_COPIES: Final = 2
FIXED_BYTES: Final = 1 << 20


# glibc keeps what a thread has freed, in an arena of the thread's own: forty thumbnails left 600 MB behind.
TRIM_BYTES: Final = 64 << 20
_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)

OTHERS: Final = "other pictures are being decoded; try again soon"


class Budget:
    """A semaphore of bytes, first come, first served.

    A picture that needs more than all of it is decoded alone, or refused where `alone` is False. `wait` is
    how many seconds may be waited for others, and `waiting` how many may wait; None: without an end.
    """

    def __init__(
        self, size: int, *, alone: bool = True, wait: float | None = None, waiting: int | None = None
    ) -> None:
        self.size = size
        self._alone = alone
        self._wait = wait
        self._waiting = waiting
        self._free = size
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: float) -> Iterator[None]:
        """Hold so many bytes. Raises Busy if others hold them for too long, NotAPicture for too many."""
        if size > self.size and not self._alone:
            raise NotAPicture(
                f"too large: decoding takes {size:,.0f} bytes, should take at most {self.size:,}"
            )
        size = min(int(size), self.size)
        ticket = object()
        with self._changed:
            if self._waiting is not None and len(self._queue) >= self._waiting:
                raise Busy(OTHERS)
            self._queue.append(ticket)
            is_there = self._changed.wait_for(
                lambda: self._queue[0] is ticket and self._free >= size, self._wait
            )
            self._queue.remove(ticket)
            if is_there:
                self._free -= size
            self._changed.notify_all()
        if not is_there:
            raise Busy(OTHERS)
        try:
            yield
        finally:
            if size >= TRIM_BYTES and _TRIM is not None:
                _TRIM(0)
            with self._changed:
                self._free += size
                self._changed.notify_all()


def cost(header: Header, file_bytes: int, *, scale: int = 1, resized: int = 0) -> float:
    """Bytes of memory that decoding takes at most.

    `scale` is by what a JPEG is made smaller while it is decoded (1, 2, 4, 8). `resized`: the side in
    pixels to which it is resized afterwards, first of all in width.
    """
    pixels = max(header.pixels, header.decoded) * BYTES_PER_PIXEL[header.variant]
    if scale > 1:
        kept = BYTES_PER_PIXEL[header.variant] - BYTES_PER_PIXEL["JPEG"]  # coefficients are not made fewer
        pixels = header.pixels * (kept + BYTES_PER_PIXEL["JPEG"] / scale**2)
    return FIXED_BYTES + FILE_COPIES * file_bytes + pixels + 4 * header.height * resized
