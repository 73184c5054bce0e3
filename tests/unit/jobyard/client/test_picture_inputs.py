"""Pictures are sent as they are, without a change of a pixel, or refused with their place."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from jobyard.client import BadRequest
from jobyard.client.picture_inputs import pictures

SHAPES = st.tuples(st.integers(2, 6), st.integers(2, 6), st.sampled_from([1, 3, 4]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pictures in memory are written; those on disk lie in this process's folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    for name in ("a.jpg", "b.png", "pets/c.png"):
        Image.fromarray(pixels).save(name)
    (tmp_path / "written").mkdir()
    return tmp_path / "written"


def sent(images: Any, folder: Path) -> list[npt.NDArray[Any]]:
    """The pixels of what is uploaded."""
    return [np.asarray(Image.open(file)) for file in pictures(images, folder).files]


@given(arrays.arrays(np.uint8, SHAPES))
def test_no_pixel_of_an_array_changes(
    tmp_path_factory: pytest.TempPathFactory, pixels: npt.NDArray[Any]
) -> None:
    folder = tmp_path_factory.mktemp("written")
    shown = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    np.testing.assert_array_equal(sent(pixels, folder), [shown])
    np.testing.assert_array_equal(sent(np.stack([pixels, 255 - pixels]), folder), [shown, 255 - shown])
    np.testing.assert_array_equal(sent([pixels.astype(np.int64), shown], folder), [shown, shown])
    if pixels.max() >= 2:
        np.testing.assert_array_equal(sent(pixels.astype(np.float32), folder), [shown])
    if ((pixels > 0) & (pixels < 255)).any():
        np.testing.assert_array_equal(sent(pixels / np.float32(255), folder), [shown])


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 8, 9)), "images: is an array of 3 × 8 × 9; should be a picture (height × width"),
        (np.zeros((3, 8, 9)), "; numpy.moveaxis(array, -3, -1) puts the channels last"),
        (np.zeros((9, 28, 28)), "; a batch of gray pictures is array[..., None]"),
        (np.zeros((0, 8, 3)), "which has no pixels"),
        (np.arange(5), "images: is an array of 5; should be a picture"),
        (
            np.zeros((8, 8), bool),
            "is an array of bool; should be uint8, or numbers from 0 to 255, or floats from",
        ),
        (np.full((8, 8), np.nan), "has values that are not finite"),
        (np.array([[-1.0, 1.0]]), "has values from -1 to 1; should be uint8"),
        (np.array([[0, 256]]), "has values from 0 to 256; should be uint8"),
        (np.array([[0.0, 1.0]]), "has floats from 0 to 1, which may be of a scale to 1 or to 255"),
        (np.array([[0.5, 1.5]]), "has floats from 0.5 to 1.5, which may be of a scale to 1 or to 255"),
        (Image.new("F", (2, 2)), 'is a picture of mode F; should be of 8 bits, as image.convert("RGB") is'),
        ([], "images: there are none; should be at least one picture"),
        (["a.jpg", None], "images[1]: there is none; should be a path, bytes, an open file"),
        (["a.jpg", 5], "images[1]: is 5; should be a path"),
        ({"a": "a.jpg"}, "images: is a dict; should be one or several of a path"),
        (b"", "images: is empty; should be the bytes of a picture"),
        (io.StringIO("x"), 'images: is open as text; should be open in binary mode, as open(path, "rb")'),
        (io.BytesIO(), "images: there is nothing to read in the BytesIO"),
        ("no*.jpg", "images: no file matches 'no*.jpg'"),
        ("https://example.org/a.jpg", "images: is an address; should be a path"),
        (pd.Series(["a.jpg", "*.*"]), "images[1]: is 2 pictures; in a series, each should be one"),
    ],
)
def test_what_is_no_picture_is_named(folder: Path, array: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        pictures(array, folder)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "La", "PA", "I;16"]
)
def test_a_picture_of_any_mode_loses_nothing(folder: Path, mode: str) -> None:
    image = Image.new("RGB", (4, 4), (200, 30, 60)).convert("L" if mode == "I;16" else "RGB")
    image = {"La": image.convert("LA"), "PA": image.convert("P")}.get(mode, image).convert(mode)
    (pixels,) = (np.asarray(Image.open(file).convert("RGB")) for file in pictures(image, folder).files)
    expected = image.convert("LA") if mode == "La" else image.convert("RGBA") if mode == "PA" else image
    np.testing.assert_array_equal(pixels, np.asarray(expected.convert("RGB")))


def test_a_file_that_was_only_opened_is_sent_as_it_is(folder: Path) -> None:
    original = Path("a.jpg").read_bytes()
    with Image.open("a.jpg") as image:
        assert Path(pictures(image, folder).files[0]).read_bytes() == original
        image.putpixel((0, 0), (0, 0, 0))
        changed = sent(image, folder)[0]
        np.testing.assert_array_equal(changed, np.asarray(image))
        assert changed[0, 0].tolist() == [0, 0, 0]
    with Image.open(io.BytesIO(original)) as image, Path("a.jpg").open("rb") as file:
        found = pictures([image, file, original, io.BytesIO(original)], folder)
        assert [Path(one).read_bytes() for one in found.files] == [original] * 4
        assert found.called == [0, "a.jpg", 2, 3]


def test_a_file_of_a_format_that_no_server_reads_becomes_a_png(folder: Path) -> None:
    Image.open("a.jpg").save("a.ppm")
    with Image.open("a.ppm") as image:
        (file,) = pictures(image, folder).files
        assert Path(file).suffix == ".png"
        np.testing.assert_array_equal(np.asarray(Image.open(file)), np.asarray(image))


def test_the_orientation_of_a_photo_is_kept(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (2, 4)).save("turned.jpg", exif=exif)
    with Image.open("turned.jpg") as image:
        image.load()
        (file,) = pictures(image, folder).files
    with Image.open(file) as sent_picture:
        assert sent_picture.getexif()[0x0112] == 6


def test_each_picture_keeps_the_name_that_it_was_given_by(folder: Path) -> None:
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    found = pictures((one for one in ["a.jpg", Path("pets"), pixels, "pets/../*.png"]), folder)
    assert found.called == ["a.jpg", "pets/c.png", 2, 3, "pets/../b.png"]
    assert found.names() == {
        "a.jpg": "a.jpg",
        "c.png": "pets/c.png",
        "2.png": "2",
        "3.png": "3",
        "b.png": "pets/../b.png",
    }
    series = pd.Series(["a.jpg", "b.png"], index=["x", "y"])
    assert pictures(series, folder).given.equals(series)
    assert pictures(np.array(["a.jpg"], dtype=object), folder).called == ["a.jpg"]
