"""Pictures that are decoded while the network computes: only two batches of them are in memory."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.shared.pictures import WHITE, NotAPicture, prepared
from jobyard.workers.runtime.progress import Progress

Pixels = NDArray[np.uint8]


class StreamedPictures:
    """Pictures of a data set with their labels (n,), read once and in order: see `evaluate.Labelled`."""

    def __init__(
        self,
        names: Sequence[str],
        labels: NDArray[np.int32],
        open_picture: Callable[[str], IO[bytes]],
        size: int,
        progress: Progress,
        background: str | None = WHITE,
    ) -> None:
        """`open_picture` opens the file of a name; each is laid on `background`, and resized to `size`."""
        self.names = list(names)
        self.labels = labels
        self._open = open_picture
        self._size = size
        self._progress = progress
        self._background = background
        self._pool = ThreadPoolExecutor(os.cpu_count())  # Pillow decodes without the GIL
        self._ahead: dict[int, list[Future[Pixels]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Work that is interrupted does not decode what is still queued.
        self._pool.shutdown(cancel_futures=True)

    @property
    def pixels(self) -> "StreamedPictures":
        """Itself: an index of slices."""
        return self

    def __getitem__(self, index: slice) -> Pixels:
        """The pixels (n, size, size, 3) uint8 of a slice; the next slice is decoded meanwhile.

        Raises WorkError for a file that is not a picture, and what `progress` does.
        """
        start, stop, _ = index.indices(len(self.names))
        coming = self._ahead.pop(start, None) or self._submit(start, stop)
        if stop < len(self.names):
            self._ahead[stop] = self._submit(stop, 2 * stop - start)
        decoded = []
        for future in coming:
            self._progress.check()
            decoded.append(future.result())
        self._progress.update(stop, len(self.names), "pictures")
        return np.stack(decoded)

    def _submit(self, start: int, stop: int) -> "list[Future[Pixels]]":
        return [self._pool.submit(self._decode, name) for name in self.names[start:stop]]

    def _decode(self, name: str) -> Pixels:
        try:
            with self._open(name) as file:
                return prepared(file, self._size, self._background)
        except (NotAPicture, OSError) as error:
            raise WorkError(f"{name} {error}") from None
