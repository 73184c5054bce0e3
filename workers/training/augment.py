"""Random shear, zoom, rotation and flip of training pictures, crops, and changes of brightness and contrast.

One affine map per picture does all that moves pixels (`workers.training.affine`). The source of these
formulas, but that of the crop, is Keras' ImageDataGenerator: `keras/src/legacy/preprocessing/image.py`,
`get_random_transform` and `apply_affine_transform`. Brightness and contrast (`workers.training.colour`) are
those of Keras' layers RandomBrightness and RandomContrast.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jobyard.shared.kinds.train import Augment
from jobyard.workers.training.affine import transform
from jobyard.workers.training.colour import adjust

WHITE = 255


def changes_anything(augment: Augment) -> bool:
    """Whether there is anything to change."""
    return _moves(augment) or _recolours(augment)


def draw(random: np.random.Generator, count: int, augment: Augment, size: int) -> NDArray[np.float32]:
    """Changes (count, 8) for `change`: six numbers of a map for `transform`, then a shift and a factor.

    There is one for each of `count` pictures of `size` pixels. Shear is uniform in ± `augment.shear` degrees,
    rotation in ± `augment.rotation`; the zooms along x and y are uniform in 1 ± `augment.zoom`, each on its
    own; half of the pictures are flipped. Of that, a crop shows a square of a side uniform in
    1 - `augment.crop` … 1, at a place uniform in the picture. The shift of all pixels is uniform in
    ± 255 · `augment.brightness`, the factor of the contrast in 1 ± `augment.contrast`.

    What is drawn for one of these does not depend on the others: `random` yields the same numbers whatever
    their ranges are.
    """
    shear = random.uniform(-augment.shear, augment.shear, count)
    zoom_x, zoom_y = random.uniform(1 - augment.zoom, 1 + augment.zoom, (2, count))
    flip = (random.random(count) < 0.5) & augment.flip
    side = random.uniform(1 - augment.crop, 1, count)
    aside = random.uniform(-1, 1, (2, count)) * (1 - side) * (size - 1) / 2
    rotation = random.uniform(-augment.rotation, augment.rotation, count)
    shift = random.uniform(-augment.brightness, augment.brightness, count) * WHITE
    factor = random.uniform(1 - augment.contrast, 1 + augment.contrast, count)
    affine = maps(shear, zoom_x * side, zoom_y * side, flip, size, rotation)
    affine[:, [2, 5]] += aside.T.astype(np.float32)
    return np.column_stack([affine, shift.astype(np.float32), factor.astype(np.float32)])


def change(pixels: NDArray[np.uint8], augment: Augment, changes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels (n, size, size, 3) with the `changes` (n, 8) that were drawn for them."""
    changed = transform(pixels, changes[:, :6]) if _moves(augment) else pixels.astype(np.float32)
    if _recolours(augment):
        adjust(changed, changes[:, 6], changes[:, 7])
    return changed


def maps(
    shear: ArrayLike,
    zoom_x: ArrayLike,
    zoom_y: ArrayLike,
    flip: ArrayLike,
    size: int,
    rotation: ArrayLike = 0,
) -> NDArray[np.float32]:
    """Maps (n, 6) that say for each pixel of the new picture where in the old one to look.

    Keras multiplies rotation, shear and zoom around the centre c = (size - 1) / 2 and flips the outcome:

        u = zoom_x · (x - c) - sin(shear) · zoom_y · (y - c),  where a flip turns x into 2c - x
        v = cos(shear) · zoom_y · (y - c)
        x' - c = cos(rotation) · u - sin(rotation) · v
        y' - c = sin(rotation) · u + cos(rotation) · v

    Each of the first four has the shape (n,), and so has the rotation, if there is one; shear and rotation
    are in degrees, flip is boolean.
    """
    angle, zoom_x, zoom_y = np.deg2rad(shear), np.asarray(zoom_x), np.asarray(zoom_y)
    turn = np.deg2rad(rotation)
    cos, sin = np.cos(turn), np.sin(turn)
    centre = (size - 1) / 2
    u_from_x = np.where(flip, -zoom_x, zoom_x)
    u_from_y = -np.sin(angle) * zoom_y
    v_from_y = np.cos(angle) * zoom_y
    x_from_x, x_from_y = cos * u_from_x, cos * u_from_y - sin * v_from_y
    y_from_x, y_from_y = sin * u_from_x, sin * u_from_y + cos * v_from_y
    return np.stack(
        [
            *(x_from_x, x_from_y, centre * (1 - x_from_x - x_from_y)),
            *(y_from_x, y_from_y, centre * (1 - y_from_x - y_from_y)),
        ],
        axis=-1,
    ).astype(np.float32)


def _moves(augment: Augment) -> bool:
    return bool(augment.shear or augment.zoom or augment.crop or augment.flip or augment.rotation)


def _recolours(augment: Augment) -> bool:
    return bool(augment.brightness or augment.contrast)
