"""Random shear, zoom and flip of training pictures, as Keras' ImageDataGenerator defines them, and crops.

One affine map per picture does them all (`workers.training.affine`). The source of the formulas, but that
of the crop: `keras/src/legacy/preprocessing/image.py`, `get_random_transform` and `apply_affine_transform`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jobyard.shared.kinds.train import Augment


def changes_anything(augment: Augment) -> bool:
    """Whether there is anything to change."""
    return bool(augment.shear or augment.zoom or augment.crop or augment.flip)


def draw(random: np.random.Generator, count: int, augment: Augment, size: int) -> NDArray[np.float32]:
    """Maps (count, 5) for `transform`, one for each of `count` pictures of `size` pixels.

    Shear is uniform in ± `augment.shear` degrees; the zooms along x and y are uniform in
    1 ± `augment.zoom`, each on its own; half of the pictures are flipped. Of that, a crop shows a square
    of a side uniform in 1 - `augment.crop` … 1, at a place uniform in the picture.
    """
    shear = random.uniform(-augment.shear, augment.shear, count)
    zoom_x, zoom_y = random.uniform(1 - augment.zoom, 1 + augment.zoom, (2, count))
    flip = (random.random(count) < 0.5) & augment.flip
    side = random.uniform(1 - augment.crop, 1, count)
    aside = random.uniform(-1, 1, (2, count)) * (1 - side) * (size - 1) / 2
    changes = maps(shear, zoom_x * side, zoom_y * side, flip, size)
    changes[:, [2, 4]] += aside.T.astype(np.float32)
    return changes


def maps(
    shear: ArrayLike, zoom_x: ArrayLike, zoom_y: ArrayLike, flip: ArrayLike, size: int
) -> NDArray[np.float32]:
    """Maps (n, 5) that say for each pixel of the new picture where in the old one to look.

    Keras multiplies shear and zoom around the centre c = (size - 1) / 2 and flips the outcome:

        x' - c = zoom_x · (x - c) - sin(shear) · zoom_y · (y - c),  where a flip turns x into 2c - x
        y' - c = cos(shear) · zoom_y · (y - c)

    Each of the first four has the shape (n,); shear is in degrees, flip is boolean.
    """
    angle, zoom_x, zoom_y = np.deg2rad(shear), np.asarray(zoom_x), np.asarray(zoom_y)
    centre = (size - 1) / 2
    x_from_x = np.where(flip, -zoom_x, zoom_x)
    x_from_y = -np.sin(angle) * zoom_y
    y_from_y = np.cos(angle) * zoom_y
    return np.stack(
        [
            *(x_from_x, x_from_y, centre * (1 - x_from_x - x_from_y)),
            *(y_from_y, centre * (1 - y_from_y)),
        ],
        axis=-1,
    ).astype(np.float32)
