"""The wheel and the sdist: what is in them."""

import email
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.wheels import ROOT, build_wheel, copy_checkout, run


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    source = copy_checkout(folder / "source")
    built = run(
        sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, source, cwd=folder
    )
    assert built.returncode == 0, built.stderr
    (archive,) = folder.glob("*.tar.gz")
    return archive


def contents(wheel: Path) -> dict[str, bytes]:
    """All files but the list of them."""
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist() if not name.endswith("/RECORD")}


def test_the_wheel_is_all_of_the_package_and_nothing_else(wheel: Path) -> None:
    found = contents(wheel)
    package = ROOT / "jobyard"
    names = [
        path.relative_to(ROOT)
        for room in [package, *(link for link in package.iterdir() if link.is_symlink())]
        for path in room.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {name for name in found if ".dist-info/" not in name} == {name.as_posix() for name in names}
    for name in names:
        assert found[name.as_posix()] == (ROOT / name).read_bytes(), name


def test_it_puts_one_name_into_site_packages(wheel: Path) -> None:
    first = {name.split("/")[0] for name in contents(wheel)}
    assert {name for name in first if not name.endswith(".dist-info")} == {"jobyard"}


@pytest.mark.parametrize(
    "name",
    [
        "jobyard/py.typed",
        "jobyard/up/Procfile",
        "jobyard/web/templates/base.html",
        "jobyard/web/static/favicon.svg",
        "jobyard/migrations/env.py",
        "jobyard/migrations/script.py.mako",
        "jobyard/migrations/versions/0001_first_tables.py",
    ],
)
def test_what_is_no_code_is_there_too(wheel: Path, name: str) -> None:
    assert name in contents(wheel)


def test_no_test_is_in_it(wheel: Path) -> None:
    parts = {part for name in contents(wheel) for part in name.split("/")}
    assert not [part for part in parts if part in ("tests", "conftest.py") or part.startswith("test_")]


def test_its_metadata_says_the_licence_and_the_little_that_a_client_needs(wheel: Path) -> None:
    found = contents(wheel)
    (metadata,) = [
        email.message_from_bytes(text) for name, text in found.items() if name.endswith("/METADATA")
    ]
    assert metadata["License-Expression"] == "Apache-2.0"
    (licence,) = [text for name, text in found.items() if name.endswith(".dist-info/licenses/LICENSE")]
    assert licence == (ROOT / "LICENSE").read_bytes()
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split("<")[0].split(">")[0] for line in needed) == ["click", "httpx", "rich", "tqdm"]
    extras = {"web", "cpu", "gpu", "cuda", "flower", "server", "all", "dev"}
    assert extras <= set(metadata.get_all("Provides-Extra", []))
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_the_sdist_makes_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    again = build_wheel(sdist, tmp_path / "wheel")
    assert again.name == wheel.name
    assert contents(again) == contents(wheel)


def test_the_sdist_has_no_other_folder_than_the_package(sdist: Path) -> None:
    with tarfile.open(sdist) as packed:
        inside = {name.split("/")[1] for name in packed.getnames() if name.count("/") > 1}
    assert inside == {"jobyard", "jobyard.egg-info"}
