"""Other users of the machine: what Jobyard keeps is out of their reach, whatever it found."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Stack, environment

READABLE = 0o077


def open_to_others(folder: Path) -> list[str]:
    """What is there that others could read, were they able to enter the folder."""
    found = [folder, *folder.rglob("*")]
    return [
        f"{stat.S_IMODE(path.lstat().st_mode):04o} {path}"
        for path in found
        if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & READABLE
    ]


def test_a_home_that_others_can_enter_is_closed_and_so_is_what_lies_elsewhere(
    own_stack: Stack, tmp_path: Path
) -> None:
    """With a storage outside HOME and the umask that most systems have."""
    home, elsewhere = own_stack.home, tmp_path / "elsewhere"
    home.chmod(0o755)
    old = home / "old"
    old.mkdir(mode=0o755)
    own_stack.settings["STORAGE_URL"] = f"file://{elsewhere}"
    before = os.umask(0o022)
    try:
        own_stack.start()
    finally:
        os.umask(before)
    with own_stack.client() as client:
        texts = tmp_path / "texts.csv"
        texts.write_text("text\ngood\n")
        client.score(file=texts).wait()
        client.score(["good"]).wait()
    assert f"others could read {home} (mode 0755)" in own_stack.log.read_text()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    # Of what was there nothing else is changed: nobody gets that far.
    written_by_the_test = {own_stack.log, old}
    assert [
        one for one in open_to_others(home) if not any(str(path) in one for path in written_by_the_test)
    ] == []
    assert open_to_others(elsewhere) == []


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "jobyard.workers", "sweeper"],
        ["-m", "jobyard.shared.migrate"],
        ["-m", "gunicorn", "-c", "python:jobyard.web.gunicorn", "jobyard.web.app:create_app()"],
    ],
    ids=lambda command: command[1],
)
def test_a_process_does_not_start_in_a_home_of_another_user(command: list[str], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12_345, -1)
    done = subprocess.run(
        [sys.executable, *command],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode != 0
    assert f"JOBYARD_HOME: {home} belongs to the user 12345" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(home.iterdir()) == []
