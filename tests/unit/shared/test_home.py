"""HOME is its user's alone, or nothing starts in it."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobyard.shared.errors import ConfigError
from jobyard.shared.home import protect


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_and_what_is_created_anywhere_is_for_this_user_only(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "new" / "home", tmp_path / "storage"
    protect(home)
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    assert [mode(path) for path in (home, home.parent, elsewhere, elsewhere / "file")] == [
        *(0o700, 0o700, 0o700, 0o600)
    ]


@pytest.mark.parametrize("before", [0o755, 0o711, 0o770, 0o777, 0o2750, 0o704])
def test_a_home_that_others_can_enter_is_tightened_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, before: int
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(before)
    with caplog.at_level(logging.WARNING):
        protect(home)
        protect(home)
    assert mode(home) & 0o777 == 0o700
    assert caplog.messages == [
        f"JOBYARD_HOME: others could read {home} (mode {before:04o}); it is this user's alone now"
    ]


def test_of_a_link_the_folder_is_tightened(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    protect(tmp_path / "home")
    assert mode(tmp_path / "disk") == 0o700


def test_the_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(ConfigError, match=f"belongs to the user {mine}, and this process is of the user"):
        protect(tmp_path)


@pytest.mark.parametrize("fails", [True, False], ids=["refused", "without effect"])
def test_a_home_that_can_not_be_tightened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def chmod(path: Path, mode: int) -> None:
        if fails:
            raise OSError(30, "Read-only file system")

    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", chmod)
    with pytest.raises(ConfigError, match=r"others can read .* \(mode 0755\), and that can't be changed"):
        protect(tmp_path)


def test_a_home_that_can_not_be_created_is_left_to_what_needs_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    protect(tmp_path / "file" / "home")
