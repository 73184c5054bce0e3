import numpy as np
import pytest
from numpy.typing import NDArray

from jobyard.shared.kinds.train import Augment
from jobyard.workers.training import augment
from jobyard.workers.training.affine import transform

Pixels = NDArray[np.uint8]


def keras_affine(
    picture: Pixels, shear: float, zoom_x: float, zoom_y: float, flip: bool
) -> NDArray[np.float32]:
    """Keras' `apply_affine_transform` (order 1, fill mode nearest), then `flip_axis`, pixel by pixel.

    Written after keras/src/legacy/preprocessing/image.py, whose matrices are about (x, y), and after
    scipy.ndimage.affine_transform, which it calls: new[o] = old[matrix · o + offset].
    """
    angle, size = np.deg2rad(shear), len(picture)
    shearing = np.array([[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]])
    matrix = shearing @ np.diag([zoom_x, zoom_y, 1])
    centre = size / 2 - 0.5
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2], back[:2, 2] = centre, -centre
    matrix = to_centre @ matrix @ back

    new = np.empty(picture.shape, np.float32)
    for row in range(size):
        for column in range(size):
            x, y, _ = np.clip(matrix @ [column, row, 1], 0, size - 1)
            left, top = min(int(x), size - 2), min(int(y), size - 2)
            over, down = x - left, y - top
            upper = (1 - over) * picture[top, left] + over * picture[top, left + 1]
            lower = (1 - over) * picture[top + 1, left] + over * picture[top + 1, left + 1]
            new[row, column] = (1 - down) * upper + down * lower
    return new[:, ::-1] if flip else new


@pytest.fixture
def picture() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("shear", "zoom_x", "zoom_y", "flip"),
    [
        (0.0, 1.0, 1.0, False),
        (0.0, 1.0, 1.0, True),
        (0.2, 1.0, 1.0, False),
        (20.0, 1.0, 1.0, False),
        (-35.0, 1.0, 1.0, True),
        (0.0, 0.8, 1.2, False),
        (0.0, 1.2, 0.8, True),
        (15.0, 1.1, 0.7, True),
    ],
)
def test_pictures_change_as_image_data_generator_would_change_them(
    picture: Pixels, shear: float, zoom_x: float, zoom_y: float, flip: bool
) -> None:
    changed = transform(picture[None], augment.maps([shear], [zoom_x], [zoom_y], [flip], size=24))[0]

    np.testing.assert_allclose(changed, keras_affine(picture, shear, zoom_x, zoom_y, flip), atol=0.01)


def test_every_picture_of_a_batch_has_a_change_of_its_own(picture: Pixels) -> None:
    maps = augment.maps([0, 10], [1, 1], [1, 1], [False, True], size=24)
    unchanged, changed = transform(np.stack([picture, picture]), maps)

    np.testing.assert_allclose(unchanged, picture, atol=0.01)
    np.testing.assert_allclose(changed, keras_affine(picture, 10, 1, 1, True), atol=0.01)


def test_changes_are_drawn_uniformly_from_the_ranges() -> None:
    changes = Augment(shear=30, zoom=0.2, crop=0, flip=True)
    drawn = augment.draw(np.random.default_rng(0), 20_000, changes, size=24)
    flipped = drawn[:, 0] < 0
    zoom_x = np.abs(drawn[:, 0])
    shear = np.rad2deg(np.arctan(-drawn[:, 1] / drawn[:, 3]))
    zoom_y = drawn[:, 3] / np.cos(np.deg2rad(shear))

    assert np.mean(flipped) == pytest.approx(0.5, abs=0.02)
    for values, low, high in [(zoom_x, 0.8, 1.2), (zoom_y, 0.8, 1.2), (shear, -30, 30)]:
        width = high - low
        assert low - 0.001 * width <= values.min() <= values.max() <= high + 0.001 * width
        expected = low + width * np.array([0.25, 0.5, 0.75])
        np.testing.assert_allclose(np.quantile(values, [0.25, 0.5, 0.75]), expected, atol=0.02 * width)
    assert abs(np.corrcoef(zoom_x, zoom_y)[0, 1]) < 0.03


def test_crops_are_uniform_in_size_and_place_and_lie_within_the_picture() -> None:
    crop = Augment(shear=0, zoom=0, crop=0.4, flip=False)
    drawn = augment.draw(np.random.default_rng(0), 20_000, crop, size=25).astype(np.float64)
    side, left, top = drawn[:, 0], drawn[:, 2], drawn[:, 4]
    share_of_room = np.stack([left, top]) / (24 * (1 - side))

    np.testing.assert_array_equal(drawn[:, 3], side)
    assert 0.6 <= side.min() <= side.max() <= 1
    np.testing.assert_allclose(np.quantile(side, [0.25, 0.5, 0.75]), [0.7, 0.8, 0.9], atol=0.01)
    assert np.stack([left, top]).min() >= -1e-5
    assert (np.stack([left, top]) + 24 * side).max() <= 24 + 1e-5
    for share in share_of_room:
        np.testing.assert_allclose(np.quantile(share, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02)
    assert abs(np.corrcoef(share_of_room)[0, 1]) < 0.03


def test_a_crop_is_the_part_of_the_picture_that_it_names(picture: Pixels) -> None:
    changes = augment.draw(
        np.random.default_rng(3), 1, Augment(shear=0, zoom=0, crop=0.5, flip=False), size=24
    )
    side, left, top = changes[0, [0, 2, 4]]
    places = np.arange(24)
    columns, rows = left + side * places, top + side * places

    cropped = transform(picture[None], changes)[0]
    for row, column in [(0, 0), (0, 23), (23, 0), (23, 23), (11, 7)]:
        y, x = int(rows[row]), int(columns[column])
        down, over = rows[row] - y, columns[column] - x
        corners = picture[y : y + 2, x : x + 2].astype(np.float32)
        weights = np.outer([1 - down, down], [1 - over, over])[: len(corners), : corners.shape[1], None]
        np.testing.assert_allclose(cropped[row, column], (corners * weights).sum(axis=(0, 1)), atol=0.1)


def test_nothing_is_changed_without_shear_zoom_crop_and_flip() -> None:
    nothing = Augment(shear=0, zoom=0, crop=0, flip=False)
    drawn = augment.draw(np.random.default_rng(0), 5, nothing, size=24)

    assert not augment.changes_anything(nothing)
    np.testing.assert_array_equal(drawn, np.tile(np.float32([1, 0, 0, 1, 0]), (5, 1)))
