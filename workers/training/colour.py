"""Lighter and darker pictures, with more contrast and less: the loop over their pixels, compiled by numba."""

import numpy as np
from numpy.typing import NDArray

from jobyard.workers.compiled import compiled


def adjust(pixels: NDArray[np.float32], shifts: NDArray[np.float32], factors: NDArray[np.float32]) -> None:
    """Change the brightness and then the contrast of pixels (n, size, size, 3), 0…255, where they are.

    Of picture i, to every pixel `shifts[i]` is added, as in Keras' RandomBrightness; then its distance from
    the mean of its channel is multiplied by `factors[i]`, as in Keras' RandomContrast. Both end at 0 and 255.
    A shift of 0 and a factor of 1 leave a picture as it is.
    """
    _adjust(pixels.reshape(len(pixels), -1), shifts, factors)


@compiled
def _adjust(pixels, shifts, factors):  # type: ignore[no-untyped-def]
    least, most = np.float32(0), np.float32(255)
    for picture in range(len(pixels)):
        values, shift, factor = pixels[picture], shifts[picture], factors[picture]
        if shift != 0:
            for place in range(len(values)):
                values[place] = min(max(values[place] + shift, least), most)
        if factor == 1:
            continue
        for channel in range(3):
            total = 0.0
            for place in range(channel, len(values), 3):
                total += values[place]
            mean = np.float32(total / (len(values) // 3))
            for place in range(channel, len(values), 3):
                values[place] = min(max((values[place] - mean) * factor + mean, least), most)
