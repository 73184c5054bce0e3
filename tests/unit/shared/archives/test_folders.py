"""A folder is read without following a link out of it, also where it changes in that moment."""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from jobyard.shared.archives import limits
from jobyard.shared.archives.folders import identity, open_folder, walk_folder
from jobyard.shared.archives.members import DAMAGED, Member
from jobyard.shared.archives.walk import walk
from jobyard.shared.errors import WorkError

HUGE = 1 << 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A class of one picture, in a folder beside a secret."""
    made = tmp_path / "pictures"
    (made / "cats").mkdir(parents=True)
    (made / "cats" / "a.png").write_bytes(b"a cat")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.png").write_bytes(b"a secret")
    return made


def read(member: Member) -> bytes:
    with member.open() as file:
        return file.read()


def named(folder: Path) -> dict[str, Member]:
    return {member.name: member for member in walk(folder, HUGE)}


def file_for_a_link(folder: Path) -> None:
    (folder / "cats" / "a.png").unlink()
    (folder / "cats" / "a.png").symlink_to(folder.parent / "secret" / "a.png")


def file_for_a_pipe(folder: Path) -> None:
    (folder / "cats" / "a.png").unlink()
    os.mkfifo(folder / "cats" / "a.png")


@pytest.mark.parametrize("exchange", [file_for_a_link, file_for_a_pipe])
def test_a_file_that_becomes_something_else_is_not_read(
    folder: Path, exchange: Callable[[Path], None]
) -> None:
    for member in walk(folder, HUGE):
        if not member.folder:
            exchange(folder)
            with pytest.raises(DAMAGED):
                read(member)


def test_a_folder_that_becomes_a_link_is_the_one_that_it_was(folder: Path) -> None:
    for member in walk(folder, HUGE):
        if member.folder:
            (folder / "cats").rename(folder / "old")
            (folder / "cats").symlink_to(folder.parent / "secret")
        else:
            assert read(member) == b"a cat"


def test_a_folder_that_is_a_link_when_its_turn_comes_is_refused(folder: Path) -> None:
    (folder / "dogs").mkdir()
    members = walk(folder, HUGE)
    assert [next(members).name, next(members).name] == ["cats", "cats/a.png"]
    (folder / "dogs").rmdir()
    (folder / "dogs").symlink_to(folder.parent / "secret")
    with pytest.raises(WorkError, match="dogs can't be read"):
        next(members)


def test_the_target_of_a_link_that_becomes_a_link_is_not_read(folder: Path) -> None:
    (folder / "dogs").mkdir()
    (folder / "dogs" / "b.png").symlink_to(folder / "cats" / "a.png")
    for member in walk(folder, HUGE):
        if member.name == "dogs/b.png":
            assert read(member) == b"a cat"
            (folder / "cats").rename(folder / "old")
            (folder / "cats").symlink_to(folder.parent / "secret")
            with pytest.raises(DAMAGED):
                read(member)


def test_what_is_no_file_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "cats" / "pipe.png")
    (folder / "cats" / "device.png").symlink_to("/dev/zero")
    (folder / "cats" / "around.png").symlink_to("around.png")
    problems = {name: member.problem for name, member in named(folder).items() if member.problem}
    assert problems["cats/pipe.png"] == "not a file"
    assert problems["cats/device.png"] == "a link that leads out of the folder"
    assert "can't be read" in str(problems["cats/around.png"])


def test_a_folder_that_is_a_link_is_followed_inside_the_folder_only(folder: Path) -> None:
    (folder / "all").mkdir()
    (folder / "dogs").symlink_to(folder / "cats")
    (folder / "all" / "cats").symlink_to("../cats")
    (folder / "all" / "back").symlink_to("..")
    (folder / "cats" / "itself").symlink_to(".")
    (folder / "birds").symlink_to(folder.parent / "secret")
    found = named(folder)
    assert [name for name, member in found.items() if not member.folder and not member.problem] == [
        "dogs/a.png",
        "all/cats/a.png",
        "cats/a.png",
    ]
    assert {name: member.problem for name, member in found.items() if member.link} == {
        "birds": "a link that leads out of the folder",
        "dogs/itself": "a link to a folder that it lies in",
        "all/back": "a link to a folder that it lies in",
        "all/cats/itself": "a link to a folder that it lies in",
        "cats/itself": "a link to a folder that it lies in",
    }
    for member in walk(folder, HUGE):
        if member.name.endswith("a.png"):
            assert read(member) == b"a cat"


def test_two_links_that_lead_to_each_other_come_to_an_end(folder: Path) -> None:
    (folder / "dogs").mkdir()
    (folder / "dogs" / "b.png").touch()
    (folder / "dogs" / "cats").symlink_to(folder / "cats")
    (folder / "cats" / "dogs").symlink_to(folder / "dogs")
    found = named(folder)
    assert [name for name in found if name.endswith("b.png")] == ["cats/dogs/b.png", "dogs/b.png"]
    assert found["cats/dogs/cats"].problem == "a link to a folder that it lies in"


def test_a_folder_that_becomes_a_link_on_the_way_of_another_link_is_not_entered(folder: Path) -> None:
    (folder / "store" / "birds").mkdir(parents=True)
    (folder / "birds").symlink_to(folder / "store" / "birds")
    (folder.parent / "secret" / "birds").mkdir()
    (folder.parent / "secret" / "birds" / "secret.png").touch()
    resolve = Path.resolve

    def exchanged(path: Path, strict: bool = False) -> Path:
        target = resolve(path, strict)
        if path.name == "birds" and not (folder / "store").is_symlink():
            (folder / "store").rename(folder / "old")
            (folder / "store").symlink_to(folder.parent / "secret")
        return target

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "resolve", exchanged)
        members = walk(folder, HUGE)
        (linked,) = [next(members)]
    assert (linked.name, linked.folder, linked.link) == ("birds", False, True)
    assert str(linked.problem).startswith("can't be read")


def test_hidden_folders_are_not_entered(folder: Path) -> None:
    (folder / ".git").mkdir(mode=0o000)
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "x.png").touch()
    assert list(named(folder)) == ["cats", "cats/a.png"]
    (folder / ".again").symlink_to("cats")
    (folder / "@eaDir").symlink_to("cats")
    assert list(named(folder)) == [".again", "@eaDir", "cats", "cats/a.png"]


def test_a_private_folder_is_neither_entered_nor_reached_by_a_link(folder: Path) -> None:
    private = folder / "home"
    (private / "models").mkdir(parents=True)
    for secret in (private / "token", private / "models" / "token"):
        secret.write_bytes(b"a secret")
    (folder / "cats" / "token.png").symlink_to(private / "token")
    (folder / "birds").symlink_to(private)
    (folder / "dogs").symlink_to(private / "models")
    with closing(open_folder(private)) as closed:
        found = identity(closed.descriptor)
    with closing(open_folder(folder)) as opened:
        for member in walk_folder(replace(opened, private=frozenset([found]))):
            assert not member.name.endswith("/token")
            if member.name in ("birds", "dogs", "home"):
                assert not member.folder
                assert "Jobyard's own" in str(member.problem)
            elif member.name == "cats/token.png":
                with pytest.raises(DAMAGED, match="Jobyard's own"):
                    read(member)


def test_folders_in_each_other_are_followed_to_the_limit(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a"] * limits.MAX_DEPTH)
    deep.mkdir(parents=True)
    assert len(named(tmp_path)) == limits.MAX_DEPTH
    (deep / "a").mkdir()
    with pytest.raises(WorkError, match="a path should have at most 32 names"):
        named(tmp_path)


def test_a_folder_of_too_many_files_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MEMBERS", 3)
    for number in range(4):
        (folder / "cats" / f"{number}.png").touch()
    with pytest.raises(WorkError, match="at most 3 members"):
        named(folder)


def test_no_descriptor_is_left_open(folder: Path) -> None:
    (folder / "cats" / "b.png").symlink_to(folder / "cats" / "a.png")
    before = descriptors()
    for member in walk(folder, HUGE):
        read(member)
    members = walk(folder, HUGE)
    next(members)
    members.close()  # type: ignore[attr-defined]
    assert descriptors() == before


def descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())
