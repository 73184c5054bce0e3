"""Trees as people have them: what is meant is found, and what can't be known is refused with the reason."""

import io
from collections import Counter

import pytest

from jobyard.shared.archives import splits
from jobyard.shared.archives.gathering import gather
from jobyard.shared.archives.layout import FolderLayout, lay_out_folders
from jobyard.shared.archives.members import Member
from jobyard.shared.archives.splits import split_of, splits_among
from jobyard.shared.errors import WorkError

Path = tuple[str, ...]


def paths(*patterns: str, count: int = 2) -> list[Path]:
    """`count` files of each pattern, whose # is a number of its own."""
    numbers = iter(range(10_000))
    return [tuple(one.replace("#", str(next(numbers))).split("/")) for one in patterns for _ in range(count)]


def laid_out(files: list[Path]) -> FolderLayout:
    return lay_out_folders(gather([Member(path, False, 0, io.BytesIO) for path in files]))


def counted(files: list[Path]) -> dict[str, dict[str, int]]:
    """Pictures by split and class."""
    layout = laid_out(files)
    found: dict[str, Counter[str]] = {split: Counter() for split in layout.classes}
    for path in files:
        if (place := layout.take(path)) is not None:
            found[place.split][place.class_name] += 1
    return {split: dict(classes) for split, classes in found.items()}


CATS_AND_DOGS = {"cats": 2, "dogs": 2}
TREES: dict[str, tuple[list[str], dict[str, dict[str, int]]]] = {
    "Kaggle's names in train": (
        ["train/cat.#.jpg", "train/dog.#.jpg", "test1/#.jpg", "sampleSubmission.csv"],
        {"train": {"cat": 2, "dog": 2}},
    ),
    "names in each part": (
        ["train/cat.#.jpg", "train/dog.#.jpg", "val/cat.#.jpg", "val/dog.#.jpg", "test/image.#.jpg"],
        {"train": {"cat": 2, "dog": 2}, "validation": {"cat": 2, "dog": 2}},
    ),
    "names in two folders of one name": (
        ["pets/train/train/cat.#.jpg", "pets/train/train/dog.#.jpg", "pets/test1/test1/#.jpg"],
        {"train": {"cat": 2, "dog": 2}},
    ),
    "names with spaces": (
        ["great dane.#.jpg", "dalmatian.#.jpg", "boston-terrier.#.jpg"],
        {"train": {"great dane": 2, "dalmatian": 2, "boston-terrier": 2}},
    ),
    "names in other scripts, also taken apart": (
        ["A\u0308pfel.#.jpg", "कुत्ता.#.jpg"],
        {"train": {"Äpfel": 2, "कुत्ता": 2}},
    ),
    "Training and Testing": (
        ["Training/cats/#.jpg", "Training/dogs/#.jpg", "Testing/cats/#.jpg", "Testing/dogs/#.jpg"],
        {"train": CATS_AND_DOGS, "test": CATS_AND_DOGS},
    ),
    "sets": (
        ["a/train_set/cats/#.jpg", "a/train_set/dogs/#.jpg", "a/dev_set/cats/#.jpg", "a/dev_set/dogs/#.jpg"],
        {"train": CATS_AND_DOGS, "validation": CATS_AND_DOGS},
    ),
    "segments, twice": (
        [
            "seg_train/seg_train/cats/#.jpg", "seg_train/seg_train/dogs/#.jpg",
            "seg_test/seg_test/cats/#.jpg", "seg_test/seg_test/dogs/#.jpg", "seg_pred/seg_pred/#.jpg",
        ],
        {"train": CATS_AND_DOGS, "test": CATS_AND_DOGS},
    ),
    "with the set's name": (
        ["pets_train/cats/#.jpg", "pets_train/dogs/#.jpg", "pets_eval/cats/#.jpg", "pets_eval/dogs/#.jpg"],
        {"train": CATS_AND_DOGS, "validation": CATS_AND_DOGS},
    ),
    "a folder for all between": (
        ["train/images/cats/#.jpg", "train/images/dogs/#.jpg", "valid/cats/#.jpg", "valid/dogs/#.jpg"],
        {"train": CATS_AND_DOGS, "validation": CATS_AND_DOGS},
    ),
    "deeper": (
        ["cats/kaggle/#.jpg", "cats/own/a/b/#.jpg", "dogs/kaggle/#.jpg", "dogs/#.jpg"],
        {"train": {"cats": 4, "dogs": 4}},
    ),
    "deeper, in parts": (
        ["train/cats/2023/#.jpg", "train/dogs/2024/#.jpg", "test/cats/#.jpg", "test/dogs/x/#.jpg"],
        {"train": CATS_AND_DOGS, "test": CATS_AND_DOGS},
    ),
    "parts in classes": (
        ["cats/train/#.jpg", "cats/test/#.jpg", "dogs/train/#.jpg", "dogs/test/#.jpg"],
        {"train": CATS_AND_DOGS, "test": CATS_AND_DOGS},
    ),
    "documents beside": (
        ["cats/#.jpg", "dogs/#.jpg", "annotations/#.xml", "docs/LICENSE", "README.md"],
        {"train": CATS_AND_DOGS},
    ),
    "documents beside the folder": (
        ["pets/cats/#.jpg", "pets/dogs/#.jpg", "docs/a#.pdf"],
        {"train": CATS_AND_DOGS},
    ),
    "a test of unknown": (
        ["train/cats/#.jpg", "train/dogs/#.jpg", "test/unknown/#.jpg", "val/images/#.jpg"],
        {"train": CATS_AND_DOGS},
    ),
    "a station": (
        ["train_station/#.jpg", "bus_station/#.jpg"],
        {"train": {"train_station": 2, "bus_station": 2}},
    ),
    "a class called test": (["test/#.jpg", "cats/#.jpg"], {"train": {"test": 2, "cats": 2}}),
    "the classes once more": (
        ["set/cats/#.jpg", "set/dogs/#.jpg", "set/set/cats/#.jpg", "set/set/dogs/#.jpg"],
        {"train": CATS_AND_DOGS},
    ),
    "the classes once more, deeper": (
        ["cats/#.jpg", "dogs/#.jpg", "pets/pets/cats/#.jpg", "pets/pets/dogs/#.jpg"],
        {"train": CATS_AND_DOGS},
    ),
    "a set twice in its folder, beside a test": (
        ["a set/a set/train/cats/#.jpg", "a set/a set/train/dogs/#.jpg", "test/test/Cat#.jpg"],
        {"train": CATS_AND_DOGS},
    ),
    "masks beside": (
        ["images/cats/#.jpg", "images/dogs/#.jpg", "masks/cats/#.png", "masks/dogs/#.png"],
        {"train": CATS_AND_DOGS},
    ),
    "masks in classes": (
        ["a/cats/images/#.jpg", "a/cats/masks/#.png", "a/dogs/images/#.jpg", "a/dogs/masks/#.png"],
        {"train": CATS_AND_DOGS},
    ),
    "annotations without suffixes": (
        ["Images/cats/#.jpg", "Images/dogs/#.jpg", "Annotation/cats/#"],
        {"train": CATS_AND_DOGS},
    ),
    "figures beside the folder": (
        ["pets/cats/#.jpg", "pets/dogs/#.jpg", "docs/logo#.png"],
        {"train": CATS_AND_DOGS},
    ),
    "classes that are called after masks": (
        ["mask/#.jpg", "no_mask/#.jpg", "masks/#.jpg"],
        {"train": {"mask": 2, "no_mask": 2, "masks": 2}},
    ),
    "classes that are called after documents": (
        ["photos/#.jpg", "screenshots/#.jpg"],
        {"train": {"photos": 2, "screenshots": 2}},
    ),
    "years in classes": (
        ["cats/2021/#.jpg", "cats/2022/#.jpg", "dogs/2021/#.jpg", "dogs/2022/#.jpg"],
        {"train": {"cats": 4, "dogs": 4}},
    ),
    "names in Unicode": (["猫/#.jpg", "花/#.jpg"], {"train": {"猫": 2, "花": 2}}),
}  # fmt: skip


@pytest.mark.parametrize("tree", TREES)
def test_what_is_meant_is_found(tree: str) -> None:
    patterns, classes = TREES[tree]
    files = list(dict.fromkeys(paths(*patterns)))
    assert counted(files) == classes


REFUSED = {
    "parts without classes": (
        ["train/#.jpg", "test/#.jpg"],
        "test/, train/ are parts of a data set, but nothing says the classes: train/ should have a folder "
        "per class",
    ),
    "no training": (
        ["val/cats/#.jpg", "val/dogs/#.jpg", "test/cats/#.jpg", "test/dogs/#.jpg"],
        "test/, val/ are parts of a data set, but there is no train/ beside them",
    ),
    "two for training": (
        ["train/cats/#.jpg", "train/dogs/#.jpg", "training/cats/#.jpg", "training/dogs/#.jpg"],
        "train/ and training/ are both for train; there should be one folder for each part",
    ),
    "a set beside another folder": (
        ["pets/train/cats/#.jpg", "pets/train/dogs/#.jpg", "more/#.jpg"],
        "pets/train/ lies beside more/, so that the classes can't be known: import pets/ alone",
    ),
    "two sets": (
        ["a/train/cats/#.jpg", "a/train/dogs/#.jpg", "b/train/cats/#.jpg", "b/train/dogs/#.jpg"],
        "a/train/ lies beside b/, so that the classes can't be known: import a/ alone",
    ),
    "numbered parts": (
        ["fold_1/cats/#.jpg", "fold_1/dogs/#.jpg", "fold_2/cats/#.jpg", "fold_2/dogs/#.jpg"],
        "the folders fold_1, fold_2 seem to be parts of one set, with the folders cats, dogs inside",
    ),
    "variants of one set": (
        ["original/cats/#.jpg", "original/dogs/#.jpg", "augmented/cats/#.jpg", "augmented/dogs/#.jpg"],
        "the folders augmented, original seem to be parts of one set, with the folders cats, dogs inside",
    ),
    "the same many folders in each": (
        [
            f"{outer}/{inner}/#.jpg"
            for outer in ("leaf", "bark")
            for inner in ("ash", "elm", "fir", "oak", "yew", "fig")
        ],
        "the folders bark, leaf seem to be parts of one set, with the folders ash, elm, fig, fir, oak … "
        "inside",
    ),
    "pictures in numbered folders": (
        ["images_001/images/#.png", "images_002/images/#.png"],
        "the folders images_001, images_002 seem to be parts of one set, not classes",
    ),
    "pictures in parts": (
        ["skin_images_part_1/#.png", "skin_images_part_2/#.png"],
        "seem to be parts of one set, not classes: there should be a folder per class, or a table labels.csv",
    ),
    "some of the classes once more": (
        ["cats/#.jpg", "dogs/#.jpg", "birds/#.jpg", "more/cats/#.jpg", "more/dogs/#.jpg"],
        "more/ holds folders that are called like those beside it (cats, dogs): move their pictures there",
    ),
    "a set in folders beside another folder": (
        ["a/b/train/cats/#.jpg", "a/b/train/dogs/#.jpg", "more/#.jpg"],
        "a/ holds a whole data set, and lies beside more/, so that the classes can't be known: import a/ "
        "alone",
    ),
    "pictures and masks without classes": (
        ["JPEGImages/#.jpg", "SegmentationClass/#.png", "SegmentationObject/#.png"],
        "there is only one class, 'JPEGImages'",
    ),
    "no pictures": (
        ["data_batch_#", "batches.meta"],
        "none of the files (batches.meta, data_batch_0, data_batch_1) is called like a picture; there are no",
    ),
    "documents": (["cats/#.pdf"], "none of the files (cats/0.pdf, cats/1.pdf) is called like a picture"),
    "clocks": (["Screenshot at 12.#.png", "Screenshot at 13.#.png"], "there are no class folders"),
    "classes and parts in one name": (
        ["cats_train/#.jpg", "cats_test/#.jpg", "dogs_train/#.jpg", "dogs_test/#.jpg"],
        "the folders cats_test, cats_train, dogs_test, dogs_train say a class and a part of the data set",
    ),
    "cameras": (["IMG_#.jpg", "DSC_#.jpg"], "there are no class folders"),
}


@pytest.mark.parametrize("tree", REFUSED)
def test_what_can_not_be_known_is_refused_with_the_reason(tree: str) -> None:
    patterns, message = REFUSED[tree]
    with pytest.raises(WorkError) as raised:
        laid_out(paths(*patterns))
    assert message in raised.value.message


def test_pictures_that_lie_deeper_are_counted_and_named() -> None:
    (warning,) = laid_out(paths("cats/kaggle/#.jpg", "cats/#.jpg", "dogs/own/#.jpg")).warnings
    assert warning == (
        "4 of 6 pictures lie deeper than the folder of their class (cats/kaggle/0.jpg is taken as 'cats'): "
        "if the inner folders (kaggle, own) are the classes, put them at the top"
    )
    assert laid_out(paths("cats/#.jpg", "dogs/#.jpg")).warnings == []
    (warning,) = laid_out([("cats", "own", "0.jpg"), *paths("cats/#.jpg", "dogs/#.jpg")]).warnings
    assert warning.startswith("1 of 5 pictures lies deeper than the folder of its class (cats/own/0.jpg")


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (
            ["Training/cats/#.jpg", "Training/dogs/#.jpg", "Testing/cats/#.jpg", "Testing/dogs/#.jpg"],
            "train from Training/, test from Testing/; 2 classes: cats, dogs",
        ),
        (["pets/cats/#.jpg", "pets/dogs/#.jpg"], "the folders in pets/; 2 classes: cats, dogs"),
        (["cats/#.jpg", "dogs/#.jpg"], "the folders; 2 classes: cats, dogs"),
        (["cat.#.jpg", "dog.#.jpg"], "the beginnings of names; 2 classes: cat, dog"),
        (
            ["train/cat.#.jpg", "train/dog.#.jpg"],
            "the beginnings of names: train from train/; 2 classes: cat, dog",
        ),
    ],
)
def test_what_is_taken_as_what_is_said(patterns: list[str], said: str) -> None:
    assert laid_out(paths(*patterns)).read_as == said


def test_what_lies_beside_pictures_and_parts_is_left_out_with_the_reason() -> None:
    masked = laid_out(paths("images/cats/#.jpg", "images/dogs/#.jpg", "masks/cats/#.png"))
    assert masked.left_out.sentences(4) == [
        "2 of 6 files were left out: in a folder beside the pictures (2, as masks/cats/4.png)"
    ]
    again = laid_out(paths("cats/#.jpg", "dogs/#.jpg", "set/cats/#.jpg", "set/dogs/#.jpg"))
    assert again.left_out.reasons() == "in a folder that holds the classes once more (4, as set/cats/4.jpg)"
    other = laid_out(paths("train/cats/#.jpg", "train/dogs/#.jpg", "holdout/cats/#.jpg"))
    assert other.left_out.reasons() == (
        "beside train/, but not called validation or test (2, as holdout/cats/4.jpg)"
    )


def test_a_folder_of_pictures_in_a_class_is_not_worth_a_word() -> None:
    assert laid_out(paths("cats/images/#.jpg", "cats/#.jpg", "dogs/images/#.jpg")).warnings == []


def test_parts_without_classes_and_documents_are_told_apart_from_what_may_be_missed() -> None:
    files = paths("train/cats/#.jpg", "train/dogs/#.jpg", "test/#.jpg", "loose/#.jpg", "notes.txt")
    left_out = laid_out(list(dict.fromkeys(files))).left_out
    assert (left_out.count, left_out.unexpected) == (5, 2)
    assert left_out.sentences(4) == [
        "2 of 6 files were left out: beside train/, but not called validation or test (2, as loose/6.jpg)",
        "2 pictures without a class were left out, as of a test whose answers are secret (test/4.jpg)",
        "1 document was left out (notes.txt)",
    ]


@pytest.mark.parametrize(
    ("part", "is_expected"),
    [("test", True), ("test1", True), ("seg_pred", True), ("val/images", False), ("train_more", False)],
)
def test_only_tests_have_no_classes_on_purpose(part: str, is_expected: bool) -> None:
    left_out = laid_out(paths("train/cats/#.jpg", "train/dogs/#.jpg", f"{part}/#.jpg")).left_out
    assert (left_out.count, left_out.unexpected) == (2, 0 if is_expected else 2)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("TRAIN", "train"),
        ("trainSet", "train"),
        ("testset", "test"),
        ("Test 2", "test"),
        ("images-val", "validation"),
        ("evaluation", "validation"),
        ("unlabeled", "unlabelled"),
        ("trains", None),
        ("train_station", None),
        ("invalid", None),
        ("training_test", None),
        ("", None),
    ],
)
def test_the_names_of_parts_are_known_by_their_words(name: str, split: str | None) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize("endings", [("set", "dataset"), ("dataset", "set")])
def test_the_order_of_endings_which_differs_between_processes_means_nothing(
    endings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "_BESIDES", endings)
    assert [split_of(name) for name in ("traindataset", "ValDataset", "testset")] == [
        "train",
        "validation",
        "test",
    ]


def test_a_word_that_all_parts_share_is_no_class() -> None:
    assert splits_among(["pets_train", "pets_test", "docs"]) == {"pets_train": "train", "pets_test": "test"}
    assert splits_among(["train_station", "bus_station"]) == {}
    assert splits_among(["cats_train", "cats_test", "dogs_train", "dogs_test"]) == {}
