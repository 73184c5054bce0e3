"""Which folder the demo may delete."""

from pathlib import Path

import pytest

from jobyard.demo.server import make_folder
from jobyard.shared.errors import ConfigError


def test_only_a_demos_own_folder_is_deleted(tmp_path: Path) -> None:
    home = tmp_path / ".demo"
    make_folder(home)
    (home / "jobyard.db").touch()
    make_folder(home)
    assert not (home / "jobyard.db").exists()

    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="was not made by a demo"):
        make_folder(other)
    assert (other / "thesis.txt").exists()
