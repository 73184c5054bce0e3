"""Names in archives and on servers, of paths of Windows and of Unix."""

import ntpath
import posixpath
from pathlib import PurePath, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.cli.tables import looks_like_a_path, looks_like_a_pattern
from jobyard.client.system_paths import common_folder, names_in, told_apart, with_slashes

NAMES = st.lists(st.sampled_from(["a", "b", "c.d", "E"]), min_size=1, max_size=4)


def windows(*paths: str) -> list[PureWindowsPath]:
    return [PureWindowsPath(path) for path in paths]


@given(st.lists(NAMES, min_size=1, max_size=4), st.sampled_from([PureWindowsPath, PurePosixPath]))
def test_the_common_folder_is_that_of_the_standard_library(
    folders: list[list[str]], flavour: type[PurePath]
) -> None:
    system, top = (ntpath, "C:\\") if flavour is PureWindowsPath else (posixpath, "/")
    paths = [flavour(top, *names) for names in folders]
    root = common_folder(paths)
    assert root == flavour(system.commonpath([str(path) for path in paths]))
    assert [flavour(root, *names_in(path, root)) for path in paths] == paths


def test_files_on_several_drives_and_shares_have_them_before_their_folders() -> None:
    paths = windows(
        "C:\\photos\\rex.jpg", "D:\\rex.jpg", "\\\\nas\\pictures\\dogs\\rex.jpg", "\\\\?\\E:\\a.jpg"
    )
    assert common_folder([path.parent for path in paths]) is None
    assert ["/".join(names_in(path, None)) for path in paths] == [
        "C/photos/rex.jpg",
        "D/rex.jpg",
        "nas_pictures/dogs/rex.jpg",
        "E/a.jpg",
    ]


def test_files_of_one_name_are_told_apart_also_by_their_drives() -> None:
    first, second, third = windows("C:\\data\\x.csv", "D:\\data\\x.csv", "D:\\more\\x.csv")
    assert told_apart({1: first, 2: second}) == {1: "C-data-x.csv", 2: "D-data-x.csv"}
    assert told_apart({2: second, 3: third}) == {2: "data-x.csv", 3: "more-x.csv"}
    assert told_apart({1: PurePosixPath("/a/x.csv"), 2: PurePosixPath("/x.csv")}) == {
        1: "a-x.csv",
        2: "x.csv",
    }


@pytest.mark.parametrize(
    ("path", "is_pattern", "is_path"),
    [
        ("data\\*", True, False),
        ("C:\\data\\part-?", True, False),
        (".\\missing", False, True),
        ("~\\missing", False, True),
        ("data\\", False, True),
        ("fine\\good *", False, False),
        ("great", False, False),
    ],
)
def test_backslashes_separate_folders_on_windows(path: str, is_pattern: bool, is_path: bool) -> None:
    assert looks_like_a_pattern(path, "\\") == is_pattern
    if not is_pattern:
        assert looks_like_a_path(path, "\\") == is_path
    assert with_slashes(path, "\\") == path.replace("\\", "/")
    assert with_slashes(path, "/") == path
