import numpy as np
import pytest
from numpy.typing import NDArray

from jobyard.shared.kinds.networks import PRESETS
from jobyard.shared.kinds.train import Augment, TrainSpec
from jobyard.workers.training import augment
from jobyard.workers.training.affine import transform
from jobyard.workers.training.colour import adjust

Pixels = NDArray[np.uint8]


def keras_affine(
    picture: Pixels, shear: float, zoom_x: float, zoom_y: float, flip: bool, rotation: float = 0
) -> NDArray[np.float32]:
    """Keras' `apply_affine_transform` (order 1, fill mode nearest), then `flip_axis`, pixel by pixel.

    Written after keras/src/legacy/preprocessing/image.py, whose matrices are about (x, y), and after
    scipy.ndimage.affine_transform, which it calls: new[o] = old[matrix · o + offset].
    """
    angle, turn, size = np.deg2rad(shear), np.deg2rad(rotation), len(picture)
    rotating = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    shearing = np.array([[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]])
    matrix = rotating @ shearing @ np.diag([zoom_x, zoom_y, 1])
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


@pytest.mark.parametrize(
    ("rotation", "shear", "zoom_x", "zoom_y", "flip"),
    [
        (20.0, 0.0, 1.0, 1.0, False),
        (-35.0, 0.0, 1.0, 1.0, True),
        (90.0, 0.0, 1.0, 1.0, False),
        (180.0, 0.0, 1.0, 1.0, False),
        (15.0, 10.0, 0.8, 1.2, False),
        (-170.0, -30.0, 1.1, 0.7, True),
    ],
)
def test_pictures_rotate_as_image_data_generator_would_rotate_them(
    picture: Pixels, rotation: float, shear: float, zoom_x: float, zoom_y: float, flip: bool
) -> None:
    affine = augment.maps([shear], [zoom_x], [zoom_y], [flip], 24, [rotation])
    changed = transform(picture[None], affine)[0]

    expected = keras_affine(picture, shear, zoom_x, zoom_y, flip, rotation)
    np.testing.assert_allclose(changed, expected, atol=0.01)


def test_a_quarter_turn_and_a_half_turn_are_exact(picture: Pixels) -> None:
    quarter, half = transform(
        np.stack([picture, picture]), augment.maps([0, 0], [1, 1], [1, 1], [False, False], 24, [90, 180])
    )
    np.testing.assert_allclose(half, picture[::-1, ::-1], atol=0.01)
    np.testing.assert_allclose(quarter, np.rot90(picture), atol=0.01)


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
    shear = np.rad2deg(np.arctan(-drawn[:, 1] / drawn[:, 4]))
    zoom_y = drawn[:, 4] / np.cos(np.deg2rad(shear))

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
    side, left, top = drawn[:, 0], drawn[:, 2], drawn[:, 5]
    share_of_room = np.stack([left, top]) / (24 * (1 - side))

    np.testing.assert_array_equal(drawn[:, 4], side)
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
    side, left, top = changes[0, [0, 2, 5]]
    places = np.arange(24)
    columns, rows = left + side * places, top + side * places

    cropped = transform(picture[None], changes[:, :6])[0]
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
    np.testing.assert_array_equal(drawn, np.tile(np.float32([1, 0, 0, 0, 1, 0, 0, 1]), (5, 1)))
    pictures = np.random.default_rng(1).integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(augment.change(pictures, nothing, drawn), pictures)


def drawn_before(random: np.random.Generator, count: int, changes: Augment, size: int) -> NDArray[np.float32]:
    """Maps of five numbers, as they were drawn before pictures could be rotated."""
    shear = random.uniform(-changes.shear, changes.shear, count)
    zoom_x, zoom_y = random.uniform(1 - changes.zoom, 1 + changes.zoom, (2, count))
    flip = (random.random(count) < 0.5) & changes.flip
    side = random.uniform(1 - changes.crop, 1, count)
    aside = random.uniform(-1, 1, (2, count)) * (1 - side) * (size - 1) / 2
    zoom_x, zoom_y = zoom_x * side, zoom_y * side
    angle, centre = np.deg2rad(shear), (size - 1) / 2
    x_from_x, x_from_y = np.where(flip, -zoom_x, zoom_x), -np.sin(angle) * zoom_y
    y_from_y = np.cos(angle) * zoom_y
    rows = (x_from_x, x_from_y, centre * (1 - x_from_x - x_from_y), y_from_y, centre * (1 - y_from_y))
    drawn = np.stack(rows, axis=-1).astype(np.float32)
    drawn[:, [2, 4]] += aside.T.astype(np.float32)
    return drawn


@pytest.mark.parametrize("network", PRESETS)
def test_without_what_is_new_the_same_is_drawn_to_the_last_bit_as_ever(network: str) -> None:
    """So that checkpoints of trainings that were begun before go on exactly."""
    changes = TrainSpec.model_validate({"dataset": "d", "network": network}).augment
    drawn = augment.draw(np.random.default_rng((7, 3)), 999, changes, 150)

    assert (drawn[:, 3] == 0).all()  # so that `transform` goes row by row
    np.testing.assert_array_equal(drawn[:, [6, 7]], np.tile(np.float32([0, 1]), (999, 1)))
    before = drawn_before(np.random.default_rng((7, 3)), 999, changes, 150)
    assert np.ascontiguousarray(drawn[:, [0, 1, 2, 4, 5]]).tobytes() == before.tobytes()


def test_what_is_new_leaves_the_draws_of_all_else_as_they_were() -> None:
    old, new = Augment(), Augment(rotation=30, brightness=0.25, contrast=0.5)
    plain, rotated = (
        augment.draw(np.random.default_rng(0), 5_000, one, 25).astype(float) for one in (old, new)
    )
    turn = np.arctan2(rotated[:, 3], rotated[:, 0])
    turn = np.where(plain[:, 0] < 0, np.arctan2(-rotated[:, 3], -rotated[:, 0]), turn)
    undone = np.stack([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1)

    np.testing.assert_allclose(
        undone @ rotated[:, [0, 1, 3, 4]].reshape(-1, 2, 2),
        plain[:, [0, 1, 3, 4]].reshape(-1, 2, 2),
        atol=1e-5,
    )
    ranges = [(np.rad2deg(turn), -30, 30), (rotated[:, 6], -63.75, 63.75), (rotated[:, 7], 0.5, 1.5)]
    for values, low, high in ranges:
        assert low - 1e-4 <= values.min() <= values.max() <= high + 1e-4
        expected = low + (high - low) * np.array([0.25, 0.5, 0.75])
        np.testing.assert_allclose(np.quantile(values, [0.25, 0.5, 0.75]), expected, atol=0.03 * (high - low))
    independent = np.corrcoef([values for values, _, _ in ranges])
    np.testing.assert_allclose(independent, np.eye(3), atol=0.06)


def test_brightness_and_contrast_are_those_of_keras_layers() -> None:
    """After `transform_images` of RandomBrightness and RandomContrast, with both factors given."""
    pictures = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3), dtype=np.uint8).astype(np.float32)
    shifts = np.float32([0, 40, -200, 25.5, 0])
    factors = np.float32([1, 1, 0.5, 1.75, 0])
    expected = np.clip(pictures + shifts[:, None, None, None], 0, 255)
    means = expected.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    expected = np.clip((expected - means) * factors[:, None, None, None] + means, 0, 255)

    changed = pictures.copy()
    adjust(changed, shifts, factors)
    np.testing.assert_allclose(changed, expected, atol=1e-3)
    np.testing.assert_array_equal(changed[0], pictures[0])
    assert (changed.min(), changed.max()) == (0, 255)
    assert np.ptp(changed[4], axis=(0, 1)).max() == 0  # no contrast: one colour


def test_all_changes_of_a_batch_are_those_of_each_picture_alone(picture: Pixels) -> None:
    changes = Augment(rotation=40, brightness=0.3, contrast=0.4)
    pictures = np.stack([picture, picture[::-1], picture.transpose(1, 0, 2)])
    drawn = augment.draw(np.random.default_rng(1), 3, changes, 24)
    alone = [augment.change(pictures[i : i + 1], changes, drawn[i : i + 1])[0] for i in range(3)]

    np.testing.assert_array_equal(augment.change(pictures, changes, drawn), alone)
