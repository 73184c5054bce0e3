"""Every sample in README.md and docs/ works as typed, in a fresh folder that has what the pages ask for."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobyard.demo.reviews import write_reviews
from tests.acceptance.conftest import Stack, environment
from tests.factories import draw, draw_dataset
from tests.samples import ROOT, runnable_pages, script

# Only to end a hang.
PATIENCE = 900
PORT_IN_SAMPLES = ":8642"

README = ROOT / "README.md"
# The files of JSON that docs/how-to/score-files.md scores.
DOCUMENTS = {
    "answer.json": {"data": [{"text": "I love it"}, {"text": "It broke"}], "meta": 1},
    "tweets.jsonl": {"user": {"status": {"text": "I love it"}}},
    "two.json": {"reviews": [{"text": "It broke"}], "users": [{"name": "Ann"}]},
}


@dataclass(frozen=True)
class Reader:
    """Types what a page says, in a home with a running server."""

    home: Path
    stack: Stack

    def type(self, commands: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run a script in a shell in which the virtual environment is active."""
        given = {
            name: value for name, value in environment(self.home).items() if not name.startswith("JOBYARD_")
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
        return subprocess.run(
            ["bash", "-c", commands.replace(PORT_IN_SAMPLES, f":{self.stack.url.rpartition(':')[2]}")],
            cwd=folder,
            env=given | {"HOME": str(self.home), "PATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@dataclass
class Server:
    """A server in its default folder, and what the README's samples, typed first, have said."""

    reader: Reader
    readme: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """With a data set and a model called photos, as the README leaves it."""
    with tempfile.TemporaryDirectory(prefix="jy-") as name:
        home = Path(name)
        stack = Stack(home / ".jobyard")
        stack.home.mkdir()
        stack.start()
        try:
            reader = Reader(home, stack)
            yield Server(reader, reader.type(script(README), furnish(home / "first")))
        finally:
            left = stack.stop()
        assert not left


def furnish(folder: Path) -> Path:
    """What the pages ask for: photos/ with a folder per class, rex.jpg, tweets.csv, and DOCUMENTS."""
    draw_dataset(folder / "photos", per_class=12, size=48)
    draw(folder / "rex.jpg", "discs", seed=99)
    write_reviews(folder / "reviews.csv", 200)
    with (folder / "reviews.csv").open(newline="") as source, (folder / "tweets.csv").open("w") as target:
        rows = csv.writer(target)
        rows.writerow(["text", "shop"])
        rows.writerows(
            (row["text"], ("north", "south")[int(row["id"]) % 2]) for row in csv.DictReader(source)
        )
    (folder / "reviews.csv").unlink()
    for name, value in DOCUMENTS.items():
        (folder / name).write_text(json.dumps(value))
    return folder


@pytest.mark.parametrize("page", runnable_pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_sample_works_as_typed(server: Server, tmp_path: Path, page: Path) -> None:
    assert shutil.which("curl"), "the samples need curl"
    done = server.readme if page == README else server.reader.type(script(page), furnish(tmp_path))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    # curl succeeds whatever the answer is. One sample shows what an error looks like.
    problems = re.findall(r'"status":\s*[45]\d\d', done.stdout)
    assert len(problems) == (page.name == "use-the-api-with-curl.md"), done.stdout
