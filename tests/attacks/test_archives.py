"""Archives that are made to do harm: web opens none, and their jobs fail in a moment with the cause."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobyard import Client, Job, JobFailed
from jobyard.shared.archives import limits
from tests import hostile
from tests.acceptance.conftest import Stack
from tests.attacks.measuring import MIB, growth, web
from tests.factories import draw_dataset, zipped
from tests.hostile import BZIP2, END_OF_TAR, TAR_BOMBS, entry, tar_gz

# Where each of the workers' processes has not opened an archive yet, it loads what it needs for that.
WORKER_GROWTH = 120 * MIB
WEB_GROWTH = 10 * MIB


def bombs() -> Iterator[tuple[str, bytes, str]]:
    """A name, the archive, and a part of what its job should say."""
    yield "200 deep paths", hostile.deep_paths(200, 2_000), "a path should have at most 32 names"
    too_many = entry(b"x", b"") * (limits.MAX_MEMBERS + 1)
    yield "many members", hostile.zip64_of(too_many, limits.MAX_MEMBERS + 1), "at most 500,000 members"
    yield "many members, and an end that lies", hostile.zip_of(too_many, 10), "at most 500,000 members"
    yield "members that overlap", hostile.overlapping_zip(1_000, 100_000), "members that overlap"
    zeros = hostile.bzip2_of_zeros(256 * MIB)
    lying = hostile.zip_of_one(b"cats/a.png", zeros, method=BZIP2, size=1_000)
    yield "256 MiB that say that they are a kilobyte", lying, "there is only one class, 'cats'"
    yield "a zip in a zip", zipped({f"{name}/x.png": lying for name in ("cats", "dogs")}), "can be decoded"
    for name, pieces in TAR_BOMBS.items():
        yield name, tar_gz([*pieces, END_OF_TAR]), "archive"


def failed(job: Job) -> str:
    with pytest.raises(JobFailed):
        job.wait()
    assert job.raw["attempt"] == 1
    message: str = job.raw["error"]["message"]
    assert "\n" not in message
    return message


def test_bombs_cost_web_nothing_and_a_worker_little(stack: Stack, client: Client, tmp_path: Path) -> None:
    sent: list[tuple[str, Path, str]] = []
    for number, (name, content, words) in enumerate(bombs()):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(content)
        sent.append((name, path, words))
    warm = draw_dataset(tmp_path / "warm", per_class=1)
    client.import_pictures("warm", warm).wait()
    with growth(web(stack)) as of_web, growth(stack.processes("cpu")) as of_workers:
        jobs = [
            (name, client.submit("import", {"name": "bomb", "file": path}), words)
            for name, path, words in sent
        ]
        for name, job, words in jobs:
            assert words in failed(job), name
    assert of_web.bytes < WEB_GROWTH
    assert of_workers.bytes < WORKER_GROWTH


def test_the_command_line_says_why_in_one_line(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "deep.tar.gz"
    path.write_bytes(hostile.deep_paths(1, 2_000))
    done = stack.run("train", str(path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "at most 32 names" in line]
    assert line.startswith("jobyard: ")


@pytest.mark.parametrize("path", ["/etc", "/proc/self/root/etc", "/"])
def test_a_folder_outside_of_the_roots_is_not_listed(client: Client, path: str) -> None:
    with pytest.raises(Exception, match="is not in a folder that imports may read"):
        client.submit("import", {"name": "etc", "path": path})


def test_jobyards_own_folder_and_links_out_of_the_roots_are_not_read(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    draw_dataset(tmp_path / "set", per_class=1)
    (tmp_path / "set" / "discs" / "passwd.png").symlink_to("/etc/passwd")
    (tmp_path / "etc").symlink_to("/etc")
    assert "of Jobyard's own" in failed(client.submit("import", {"name": "own", "path": str(stack.home)}))
    link = client.submit("import", {"name": "etc", "path": str(tmp_path / "etc")})
    assert "is not in a folder that imports may read" in failed(link)
    spec = {"name": "set", "path": str(tmp_path / "set"), "allow_partial": True}
    job = client.submit("import", spec).wait()
    assert job.result["rejected"] == [
        {"file": "discs/passwd.png", "reason": "a link that leads out of the folder"}
    ]
