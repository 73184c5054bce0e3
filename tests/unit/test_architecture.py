"""docs/architecture.md says what the code does."""

import re
from pathlib import Path

import pytest

from jobyard.shared import jobs

ROOT = Path(__file__).parents[2]
ABOUT_THE_CODE = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md")),
    *sorted((ROOT / "docs/adr").glob("*.md")),
]
TEXT = (ROOT / "docs" / "architecture.md").read_text()


def test_the_diagram_has_exactly_the_moves_of_the_code() -> None:
    (diagram,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", TEXT, re.DOTALL)
    arrows = re.findall(r"^ +(\S+) --> (\S+)", diagram, re.MULTILINE)
    assert len(set(arrows)) == len(arrows)
    moves = {(str(state), str(target)) for state, targets in jobs.MOVES.items() for target in targets}
    starts_and_ends = {("[*]", "queued"), ("succeeded", "[*]")}
    assert set(arrows) == moves | starts_and_ends


def test_the_glosses_are_those_of_the_code() -> None:
    (table,) = re.findall(r"^\| state \| meaning \|\n(.*?)\n\n", TEXT, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)
    assert dict(rows) == {str(state): gloss for state, gloss in jobs.GLOSS.items()}


@pytest.mark.parametrize("page", ABOUT_THE_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|yml|toml|md))`", page.read_text())
    # Folders of the storage and of HOME are not the repository's.
    elsewhere = {"cache/", "scratch/", "LISTEN/NOTIFY", "utils.py"}
    assert [name for name in named if name not in elsewhere and not is_there(name)] == []


def is_there(name: str) -> bool:
    """A file, a folder, or a module without its suffix."""
    return (ROOT / name).exists() or (ROOT / f"{name}.py").exists()


def test_every_decision_is_listed_and_numbered_in_turn() -> None:
    records = sorted(path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    listed = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", (ROOT / "docs/adr/README.md").read_text(), re.MULTILINE
    )
    assert [name for _, _, name in listed] == records
    for number, title, name in listed:
        assert (ROOT / "docs/adr" / name).read_text().startswith(f"# {number}. {title}\n")


def test_every_storage_folder_is_named() -> None:
    code = "".join(path.read_text() for room in ("web", "workers") for path in (ROOT / room).rglob("*.py"))
    written = set(re.findall(r"\.(?:put|put_file|move_file|_?store)\(\s*\"(\w+)\"", code))
    assert written == set(re.findall(r"^\| `(\w+)/<uuid>`", TEXT, re.MULTILINE))


def test_the_layout_names_every_package() -> None:
    (tree,) = re.findall(r"```text\njobyard/(.*?)```", TEXT, re.DOTALL)
    parents, named = [""], set()
    for line in f"jobyard/{tree}".splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        folders = re.findall(r"([\w/]+)/(?=\s|$)", re.split(r" {3,}", line.strip())[0])
        parents = [*parents[: depth + 1], folders[0] if folders else ""]
        named |= {"/".join(filter(None, [*parents[1 : depth + 1], folder])) for folder in folders}
    assert [name for name in named if not (ROOT / name).is_dir()] == []
    rooms = [ROOT / room for room in ("jobyard", "shared", "web", "workers")]
    packages = {
        folder.relative_to(ROOT).as_posix()
        for room in rooms
        for folder in room.iterdir()
        if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith("__")
    }
    # A package may be named by the folders in it, as workers/sentiment is.
    assert [
        one for one in packages if not any(name == one or name.startswith(f"{one}/") for name in named)
    ] == []


def test_a_text_goes_through_at_most_14_files() -> None:
    (way,) = re.findall(r"In files, from the POST of a text to its row:\n\n(.*?)\n\n", TEXT, re.DOTALL)
    steps = re.findall(r"^\d+\. `([^`]+)`", way, re.MULTILINE)
    assert len(set(steps)) == len(steps) == len(way.splitlines()) <= 14
