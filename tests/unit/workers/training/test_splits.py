import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.workers.datasets import identical
from jobyard.workers.training import splits
from tests.factories import draw_colours


def test_the_data_sets_own_validation_folder_is_used(tmp_path: Path) -> None:
    split = splits.find(draw_colours(tmp_path, ["red", "blue"], train=4, validation=2), 0.5, seed=0)

    assert split.classes == ["blue", "red"]
    assert split.counts() == {"train": {"blue": 4, "red": 4}, "validation": {"blue": 2, "red": 2}}
    assert all(path.parts[-3] == "validation" for path, _ in split.validation)


def test_the_same_share_of_every_class_is_held_out_without_overlap(tmp_path: Path) -> None:
    draw_colours(tmp_path, ["red"], train=20)
    draw_colours(tmp_path, ["blue"], train=10)
    split = splits.find(tmp_path, 0.2, seed=0)

    assert split.counts() == {"train": {"blue": 8, "red": 16}, "validation": {"blue": 2, "red": 4}}
    assert len({path for path, _ in split.train + split.validation}) == 30
    assert all(split.classes[label] == path.parent.name for path, label in split.train)


def test_the_seed_decides_which_pictures_are_held_out(tmp_path: Path) -> None:
    draw_colours(tmp_path, ["red", "blue"])

    assert splits.find(tmp_path, 0.2, seed=1) == splits.find(tmp_path, 0.2, seed=1)
    assert splits.find(tmp_path, 0.2, seed=1) != splits.find(tmp_path, 0.2, seed=2)


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_both_parts_have_a_picture_of_every_class(tmp_path: Path, share: float) -> None:
    split = splits.find(draw_colours(tmp_path, ["red", "blue"], train=2), share, seed=0)

    assert split.counts() == {"train": {"blue": 1, "red": 1}, "validation": {"blue": 1, "red": 1}}


def test_the_first_validation_pictures_are_of_all_classes(tmp_path: Path) -> None:
    split = splits.find(draw_colours(tmp_path, ["red", "blue"], train=1, validation=30), 0.2, seed=0)

    assert {label for _, label in split.validation[:10]} == {0, 1}


def test_one_class_is_refused(tmp_path: Path) -> None:
    draw_colours(tmp_path, ["red"])

    with pytest.raises(WorkError, match="only the class 'red': should have at least two folders"):
        splits.find(tmp_path, 0.2, seed=0)


def test_a_single_picture_of_a_class_is_refused(tmp_path: Path) -> None:
    draw_colours(tmp_path, ["red"])
    draw_colours(tmp_path, ["blue"], train=1)

    with pytest.raises(WorkError, match="the class 'blue' has 1 picture: should have at least 2"):
        splits.find(tmp_path, 0.2, seed=0)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_an_empty_class_is_refused(tmp_path: Path, part: str) -> None:
    draw_colours(tmp_path, ["red", "blue"], train=2, validation=2)
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    for file in (tmp_path / part / "blue").iterdir():
        file.unlink()

    with pytest.raises(WorkError, match=f"the class 'blue' has no pictures in {part}/"):
        splits.find(tmp_path, 0.2, seed=0)


def test_a_class_that_only_validation_has_is_refused(tmp_path: Path) -> None:
    draw_colours(tmp_path, ["red", "blue"], train=2, validation=2)
    (tmp_path / "validation" / "green").mkdir()

    with pytest.raises(WorkError, match=r"validation/ has the class 'green', train/ does not"):
        splits.find(tmp_path, 0.2, seed=0)


def test_a_folder_without_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="no train/ folder"):
        splits.find(tmp_path, 0.2, seed=0)


def test_pictures_of_test_are_kept_out_of_the_training(tmp_path: Path) -> None:
    draw_colours(tmp_path, ["red", "blue"], train=10)
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    split = splits.find(tmp_path, 0.2, seed=0)

    assert split.counts()["test"] == {"blue": 10, "red": 10}
    assert {path.parts[-3] for path, _ in split.test} == {"test"}
    assert {path.parts[-3] for path, _ in split.train + split.validation} == {"train"}


@given(
    st.lists(st.lists(st.sampled_from("ABCDEF-------"), min_size=2, max_size=30), min_size=1, max_size=3),
    st.floats(0.05, 0.9),
    st.integers(0, 5),
)
def test_pictures_that_are_the_same_are_held_out_together(
    classes: list[list[str]], share: float, seed: int
) -> None:
    """A letter is a group of pictures that are the same, in whatever class; - is a picture of its own."""
    files = {str(name): [f"{name}/{n}" for n in range(len(one))] for name, one in enumerate(classes)}
    group = {f"{name}/{n}": letter for name, one in enumerate(classes) for n, letter in enumerate(one)}

    def group_of(picture: str) -> str | None:
        return group[picture] if group[picture] != "-" else None

    refusal = ""
    try:
        train, validation = splits.hold_out(files, share, seed, group_of)
    except WorkError as error:
        refusal = error.message
    if refusal:
        assert "are the same as each other" in refusal
        assert set(group.values()) - {"-"}
        return
    held = {group_of(picture) for one in validation.values() for picture in one} - {None}
    kept = {group_of(picture) for one in train.values() for picture in one} - {None}
    assert not held & kept
    for name, pictures in files.items():
        assert sorted(train[name] + validation[name]) == sorted(pictures)
        assert train[name]
        assert validation[name]


def test_without_copies_the_same_pictures_are_held_out_as_ever() -> None:
    files = {"cats": [f"c{n}" for n in range(11)], "dogs": [f"d{n}" for n in range(7)]}
    order = np.random.default_rng(3)
    expected = {name: [files[name][index] for index in order.permutation(len(files[name]))] for name in files}
    train, validation = splits.hold_out(files, 0.3, 3)
    assert validation == {"cats": expected["cats"][:3], "dogs": expected["dogs"][:2]}
    assert train == {"cats": expected["cats"][3:], "dogs": expected["dogs"][2:]}


def test_of_groups_that_are_larger_than_the_share_the_smallest_is_held_out() -> None:
    files = {"cats": [f"{group}{n}" for group, size in (("a", 6), ("b", 4)) for n in range(size)]}
    for seed in range(4):
        _, validation = splits.hold_out(files, 0.2, seed, lambda picture: picture[0])
        assert sorted(validation["cats"]) == ["b0", "b1", "b2", "b3"]


def test_what_is_held_out_with_another_class_is_part_of_the_share() -> None:
    """Whichever of the cats is held out, one of the dogs equals it, and is all that dogs have to give."""
    files = {"cats": ["a", "b"], "dogs": ["a again", "b again", "c", "d"]}
    for seed in range(4):
        _, validation = splits.hold_out(
            files, 0.25, seed, lambda picture: picture[0] if picture[0] in "ab" else None
        )
        assert validation["dogs"] == [f"{validation['cats'][0]} again"]


def test_a_class_of_one_picture_many_times_is_refused() -> None:
    files = {"cats": ["a", "b", "c"], "dogs": ["d", "e"]}
    with pytest.raises(WorkError, match="'cats' has 3 pictures, but they are the same as each other"):
        splits.hold_out(files, 0.3, 0, lambda picture: "one" if picture in "abc" else None)


def test_copies_in_an_unpacked_data_set_are_known(tmp_path: Path) -> None:
    draw_colours(tmp_path, ["red", "blue"], train=10)
    names = [f"train/red/{path.name}" for path in sorted((tmp_path / "train" / "red").iterdir())]
    identical.write(tmp_path, dict.fromkeys(names[:5], "one"))
    for seed in range(8):
        split = splits.find(tmp_path, 0.2, seed)
        copies = {Path(name).name for name in names[:5]}
        kept = {path.name for path, label in split.train if split.classes[label] == "red"}
        assert copies <= kept or not copies & kept
