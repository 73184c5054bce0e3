"""The layout that is found in a tree of names is the one that whole paths say, whatever their depth costs."""

import io
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from jobyard.shared.archives import limits
from jobyard.shared.archives.gathering import gather
from jobyard.shared.archives.layout import Layout, lay_out_folders
from jobyard.shared.archives.left_out import MAX_LISTED
from jobyard.shared.archives.members import Member
from jobyard.shared.errors import WorkError
from tests.allocations import allocated
from tests.unit.shared.archives.reference import Path, naive_classes


def member(path: Path, *, folder: bool = False) -> Member:
    return Member(path, folder, 0, io.BytesIO)


def laid_out(files: Iterable[Path], folders: Iterable[Path] = ()) -> Layout:
    members = [*(member(path) for path in files), *(member(path, folder=True) for path in folders)]
    return lay_out_folders(gather(members))


NAMES = st.sampled_from(
    [
        "train",
        "Train",
        "Training_set",
        "val",
        "test",
        "test1",
        "seg_pred",
        "cats",
        "dogs",
        "a",
        ".git",
        "__MACOSX",
        "cat.0.png",
        "dog.1.png",
        "x.png",
        "readme.txt",
    ]
)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(tuple)
# Without one of these, hardly any choice of paths would be a data set.
SETS: list[list[Path]] = [
    [("train", "cats", "1.png"), ("train", "dogs", "1.png")],
    [
        ("val", "cats", "2.png"),
        ("val", "dogs", "2.png"),
        ("train", "cats", "1.png"),
        ("train", "dogs", "1.png"),
    ],
    [("cats", "1.png"), ("dogs", "1.png")],
    [("cat.0.png",), ("dog.0.png",)],
    [("train", "cat.0.png"), ("train", "dog.0.png"), ("test1", "1.png")],
    [
        ("cats", "train", "1.png"),
        ("cats", "test", "2.png"),
        ("dogs", "train", "1.png"),
        ("dogs", "test", "2.png"),
    ],
    [("cats", "a", "1.png"), ("dogs", "b", "1.png")],
    [
        ("cats", "1.png"),
        ("dogs", "1.png"),
        ("again", "cats", "1.png"),
        ("again", "dogs", "1.png"),
    ],
    [("a", "train", "cats", "1.png"), ("a", "train", "dogs", "1.png"), ("test", "test", "1.png")],
]


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.sampled_from(SETS),
    st.lists(NAMES, max_size=2).map(tuple),
    st.lists(PATHS, max_size=4),
    st.lists(PATHS, max_size=2),
)
def test_the_layout_is_the_one_that_whole_paths_say(
    honest: list[Path], outer: Path, odd: list[Path], folders: list[Path]
) -> None:
    files = [*(outer + path for path in honest), *odd]
    try:
        layout = laid_out(files, folders)
    except WorkError:
        reject()
    expected = naive_classes(files, folders)
    taken = {path: place for path in set(files) if (place := layout.take(path)) is not None}
    assert layout.pictures == len(taken) == len(expected)
    assert {path: (place.split, place.class_name) for path, place in taken.items()} == {
        path: (split, class_name) for path, (split, class_name, _) in expected.items()
    }
    names = [(place.split, place.class_name, place.file_name.casefold()) for place in taken.values()]
    assert len(set(names)) == len(names)
    for path, place in taken.items():
        stem, dot, suffix = expected[path][2].rpartition(".")
        assert place.file_name.startswith(stem if dot else suffix)
    assert all(layout.take(path) is None for path in files), "each is taken once"


@given(st.lists(PATHS, min_size=1, max_size=12))
def test_the_order_of_the_members_is_no_part_of_the_layout(files: list[Path]) -> None:
    def told(paths: Iterable[Path]) -> list[object] | str:
        try:
            layout = laid_out(paths)
        except WorkError as error:
            return error.message
        return [layout.classes, *(layout.take(path) for path in sorted(set(files)))]

    assert told(files) == told(reversed(files))


def test_deep_paths_cost_what_their_names_do() -> None:
    """Each folder is one node, by however many paths it is reached."""
    deep = tuple(f"folder-{depth}" for depth in range(limits.MAX_DEPTH - 2))
    files = [(name, *deep, f"{number:05}.png") for name in ("cats", "dogs") for number in range(10_000)]
    with allocated() as peak:
        assert laid_out(files).pictures == 20_000
    assert peak.bytes < 10_000_000


def test_too_many_folders_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FOLDERS", 10)
    with pytest.raises(WorkError, match="at most 10 folders"):
        laid_out((f"{number}", "a.png") for number in range(11))


def test_files_without_a_class_are_listed_up_to_a_limit_and_all_counted() -> None:
    layout = laid_out([("cats", "1.png"), ("dogs", "1.png"), *((f"{n}.png",) for n in range(MAX_LISTED + 5))])
    assert len(layout.left_out.listed) == MAX_LISTED
    assert layout.left_out.count == MAX_LISTED + 5
