"""What an import says of its pictures: sizes, copies, leaks, labels that contradict, and words for them."""

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jobyard.shared.archives.layout import Place
from jobyard.workers.datasets import findings
from jobyard.workers.datasets.findings import Findings, Seen, find_out, pixel_digest
from jobyard.workers.datasets.importer import import_pictures
from tests.factories import encode
from tests.reports import NoMetrics
from tests.unit.workers.datasets.conftest import PETS, pack_zip, picture


def look(folder: Path, files: dict[str, bytes]) -> Findings:
    found = import_pictures(
        pack_zip(folder / "a.zip", files), folder / "out.zip", 10_000_000, NoMetrics()
    ).report
    assert json.loads(json.dumps(found)) == found
    return found


def drawn(shade: int, format: str = "PNG", size: tuple[int, int] = (4, 4), **options: object) -> bytes:  # noqa: A002
    return encode(Image.new("RGB", size, (shade, shade, shade)), format, **options)


def test_pictures_without_a_fault_have_no_warnings(tmp_path: Path) -> None:
    files = PETS | {"train/dogs/b.png": picture(6)}
    found = look(tmp_path, files)
    assert found["warnings"] == []
    assert (found["duplicates_count"], found["leaks_count"], found["conflicts_count"]) == (0, 0, 0)
    assert (found["noted"], found["noted_count"]) == ([], 0)
    assert found["imbalance"] == 1


def test_sizes_and_formats_are_counted_upright(tmp_path: Path) -> None:
    on_its_side = Image.Exif()
    on_its_side[0x0112] = 6
    found = look(
        tmp_path,
        {
            "cats/a.png": drawn(1, size=(40, 31)),
            "cats/b.jpg": drawn(2, "JPEG", size=(100, 300), exif=on_its_side),
            "dogs/a.webp": drawn(3, "WEBP", size=(32, 33)),
            "dogs/b.png": drawn(4, size=(64, 5000)),
        },
    )
    assert found["width"] == {"min": 32, "median": 52, "max": 300}
    assert found["height"] == {"min": 31, "median": 66.5, "max": 5000}
    assert found["shorter_side"] == {"edges": [1, 32, 64, 96, 128], "counts": [1, 1, 1, 1]}
    assert found["formats"] == {"PNG": 2, "JPEG": 1, "WEBP": 1}


def test_a_suffix_that_is_another_formats_is_noted_and_the_picture_is_taken(tmp_path: Path) -> None:
    files = {
        "cats/a.png": drawn(1, "JPEG"),
        "cats/b.JPG": drawn(2, "JPEG"),
        "cats/c.txt": drawn(3),
        "cats/d": drawn(4),
        "cats/e.jfif": drawn(5, "JPEG"),
        "dogs/a.gif": drawn(6, "GIF"),
    }
    found = look(tmp_path, files)
    assert found["noted"] == [
        {"file": "cats/a.png", "note": "is a JPEG, but is called .png"},
        {"file": "cats/c.txt", "note": "is a PNG, but is called .txt"},
    ]
    assert found["noted_count"] == 2
    assert found["formats"] == {"JPEG": 3, "PNG": 2, "GIF": 1}


def test_the_same_pixels_in_another_file_are_a_duplicate(tmp_path: Path) -> None:
    files = {
        "cats/a.png": drawn(1),
        "cats/b.png": drawn(1, pnginfo=None, compress_level=0),
        "cats/c.bmp": drawn(1, "BMP"),
        "dogs/a.png": drawn(2),
        "dogs/b.png": drawn(3),
    }
    assert len({files["cats/a.png"], files["cats/b.png"]}) == 2
    found = look(tmp_path, files)
    assert found["duplicates"] == [["train/cats/a.png", "train/cats/b.png", "train/cats/c.bmp"]]
    assert found["duplicates_count"] == 2
    assert found["leaks_count"] == found["conflicts_count"] == 0
    assert found["warnings"] == [
        "2 pictures duplicate another: copies stay together where pictures are held out"
    ]


def test_what_judges_and_was_seen_before_is_a_leak(tmp_path: Path) -> None:
    files = PETS | {
        "train/dogs/b.png": picture(9),
        "validation/cats/a.png": PETS["train/cats/a.png"],
        "test/cats/a.png": PETS["train/cats/a.png"],
        "test/cats/c.png": PETS["validation/cats/c.png"],
        "test/dogs/d.png": picture(7),
    }
    found = look(tmp_path, files)
    assert found["leaks"] == [
        {"picture": "validation/cats/a.png", "same_as": "train/cats/a.png"},
        {"picture": "test/cats/a.png", "same_as": "train/cats/a.png"},
        {"picture": "test/cats/c.png", "same_as": "validation/cats/c.png"},
    ]
    assert (found["leaks_count"], found["duplicates_count"]) == (3, 3)
    assert found["warnings"][0] == (
        "3 pictures of validation and test are in an earlier split too: "
        "a network should not be evaluated on pictures that it was trained on"
    )


def test_one_leak_into_validation_is_said_in_the_singular(tmp_path: Path) -> None:
    files = PETS | {"validation/cats/a.png": PETS["train/cats/a.png"]}
    assert look(tmp_path, files)["warnings"] == [
        "1 picture of validation is in train too: "
        "a network should not be evaluated on pictures that it was trained on",
        "1 picture duplicates another",
        "train has 2.0 times as many pictures of 'cats' (2) as of 'dogs' (1): "
        "compare the recall of the classes, not only the accuracy",
    ]


def drawing(size: int, ink: str, mode: str = "RGBA") -> bytes:
    """A square of so many pixels on nothing; black lies under all of it."""
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste(ink, (0, 0, size, size))
    return encode(image.convert(mode))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_drawings_on_nothing_are_told_apart_on_white(tmp_path: Path, mode: str) -> None:
    files = {
        f"{name}/{n}.png": drawing(n + at, "black", mode)
        for name, at in (("a", 1), ("b", 4))
        for n in range(3)
    }
    found = look(tmp_path, files)
    assert found["transparent_count"] == 6
    assert (found["conflicts_count"], found["duplicates_count"], found["warnings"]) == (0, 0, [])


def test_white_drawings_on_nothing_differ_too_and_are_warned_of(tmp_path: Path) -> None:
    files = {
        f"{name}/{n}.png": drawing(n + at, "white") for name, at in (("a", 1), ("b", 4)) for n in range(3)
    }
    found = look(tmp_path, files)
    assert (found["conflicts_count"], found["duplicates_count"]) == (0, 0)
    assert found["warnings"] == [
        "6 pictures are of one colour when laid on white, as training lays what is transparent: train with "
        "another background, as black"
    ]


def test_a_picture_of_full_opacity_is_the_same_without_its_alpha(tmp_path: Path) -> None:
    opaque = drawn(7)
    files = {
        "a/1.png": opaque,
        "a/2.png": encode(Image.open(io.BytesIO(opaque)).convert("RGBA")),
        "b/1.png": drawn(9),
    }
    found = look(tmp_path, files)
    assert (found["transparent_count"], found["duplicates_count"]) == (0, 1)


def test_a_picture_under_two_classes_is_a_conflict(tmp_path: Path) -> None:
    files = {"cats/a.png": picture(1), "cats/b.png": picture(2), "dogs/a.png": picture(1)}
    found = look(tmp_path, files | {"dogs/b.png": picture(3)})
    assert found["conflicts"] == [["train/cats/a.png", "train/dogs/a.png"]]
    assert found["conflicts_count"] == 1
    assert found["warnings"][0] == (
        "1 picture has more than one class: all but one of the labels of each are wrong"
    )


@pytest.mark.parametrize(("cats", "warned"), [(2, False), (3, False), (4, True)])
def test_classes_of_unequal_size_are_mentioned_above_one_and_a_half(
    tmp_path: Path, cats: int, warned: bool
) -> None:
    files = {f"cats/{n}.png": picture(n) for n in range(cats)}
    found = look(tmp_path, files | {f"dogs/{n}.png": picture(100 + n) for n in range(2)})
    assert found["imbalance"] == cats / 2
    assert [warning.startswith("train has 2.0 times") for warning in found["warnings"]] == [True] * warned


def test_lists_are_cut_but_counted() -> None:
    pictures = [
        Seen(Place(split, "cats", f"{n}.png"), 4, 4, "PNG", bytes([n]))
        for split in ("train", "validation")
        for n in range(120)
    ]
    pictures += [Seen(Place("train", "dogs", f"{n}.png"), 4, 4, "PNG", b"same") for n in range(120)]
    counts = {"train": {"cats": 120, "dogs": 120}, "validation": {"cats": 120}}
    found = find_out(pictures, counts, [("file", "note")] * 120)
    assert (len(found["leaks"]), found["leaks_count"]) == (100, 120)
    assert (len(found["duplicates"]), found["duplicates_count"]) == (100, 120 + 119)
    assert (len(found["noted"]), found["noted_count"]) == (100, 120)
    assert max(map(len, found["duplicates"])) == 2

    found = find_out(pictures[240:], counts, [])
    assert [len(names) for names in found["duplicates"]] == [10]
    assert found["duplicates_count"] == 119


@given(
    st.lists(
        st.builds(
            Seen,
            place=st.builds(
                Place,
                split=st.sampled_from(["train", "validation", "test"]),
                class_name=st.sampled_from(["cats", "dogs"]),
                file_name=st.text("ab", min_size=1, max_size=4),
            ),
            width=st.integers(1, 20_000),
            height=st.integers(1, 20_000),
            format=st.sampled_from(["PNG", "JPEG"]),
            pixels=st.binary(max_size=1),
        ),
        min_size=1,
        max_size=60,
        unique_by=lambda seen: seen.place,
    )
)
def test_counts_agree_with_a_slow_count(pictures: list[Seen]) -> None:
    order = ["train", "validation", "test"]
    found = find_out(pictures, {"train": {"cats": 1, "dogs": 1}, "validation": {}, "test": {}}, [])
    by_pixels = {
        seen.pixels: [other for other in pictures if other.pixels == seen.pixels] for seen in pictures
    }
    assert found["duplicates_count"] == len(pictures) - len(by_pixels)
    assert found["leaks_count"] == sum(
        any(
            order.index(other.place.split) < order.index(seen.place.split) for other in by_pixels[seen.pixels]
        )
        for seen in pictures
    )
    assert found["conflicts_count"] == sum(
        len({seen.place.class_name for seen in group}) > 1 for group in by_pixels.values()
    )
    edges, counts = found["shorter_side"]["edges"], found["shorter_side"]["counts"]
    sides = [min(seen.width, seen.height) for seen in pictures]
    assert counts == [sum(low <= side < high for side in sides) for low, high in itertools.pairwise(edges)]
    assert sum(counts) == sum(found["formats"].values()) == len(pictures)


def test_the_digest_is_of_all_pixels_and_their_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "STRIP_BYTES", 3 * 4 * 6)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    original = pixel_digest(Image.fromarray(pixels))
    assert pixel_digest(Image.fromarray(pixels.copy())) == original
    assert pixel_digest(Image.fromarray(pixels.reshape(6, 8, 3))) != original
    for row in range(8):
        changed = pixels.copy()
        changed[row, 5, 2] ^= 1
        assert pixel_digest(Image.fromarray(changed)) != original
