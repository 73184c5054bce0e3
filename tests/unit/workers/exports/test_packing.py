"""The zip of a folder: the same bytes of the same files."""

import os
import zipfile
from pathlib import Path

from jobyard.workers.exports.packing import pack

FILES = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"index",
    "variables/data": os.urandom(3_000_000),
}


def folder(path: Path, names: list[str]) -> Path:
    (path / "assets").mkdir(parents=True)
    for name in names:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(FILES[name])
    return path


def test_it_has_the_files_under_the_path(tmp_path: Path) -> None:
    pack(folder(tmp_path / "one", list(FILES)), tmp_path / "one.zip", "pets/3")
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert packed.testzip() is None
        assert packed.namelist() == [
            "pets/3/assets/",
            "pets/3/saved_model.pb",
            "pets/3/variables/",
            "pets/3/variables/data",
            "pets/3/variables/variables.index",
        ]
        for name, content in FILES.items():
            assert packed.read(f"pets/3/{name}") == content


def test_it_depends_on_the_files_only(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one", list(FILES)), folder(tmp_path / "other", list(reversed(FILES)))
    os.utime(one / "saved_model.pb", (10**9, 10**9))
    (other / "saved_model.pb").chmod(0o600)
    pack(one, tmp_path / "one.zip", "pets/3")
    pack(other, tmp_path / "other.zip", "pets/3")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
