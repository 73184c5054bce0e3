"""A large file on the real stack: scored in parts, and nobody has to wait for it."""

import random
from pathlib import Path

from jobyard import Client, Job
from tests.acceptance.conftest import PATIENCE, Stack, until

ROWS = 2_000_000
SAMPLE = 2_000
WORDS = [
    "good",
    "bad",
    "great",
    "awful",
    "not",
    "very",
    "the",
    "phone",
    "works",
    "and",
    "broke",
    "love",
    "hate",
]
# How many single texts are sent while the file is scored.
SINGLES = 3


def write(path: Path, rows: int) -> Path:
    chosen = random.Random(7)
    texts = [" ".join(chosen.choices(WORDS, k=12)) for _ in range(SAMPLE)]
    with path.open("w") as file:
        file.write("number,text\n")
        file.writelines(f"{number},{texts[number % SAMPLE]}\n" for number in range(rows))
    return path


def parts(client: Client, job: Job) -> dict[str, int]:
    """How many of a job's children are in each state."""
    found: dict[str, int] = {}
    for child in client.jobs(parent=job.id):
        found[child.state] = found.get(child.state, 0) + 1
    return found


def test_single_texts_are_answered_while_a_large_file_is_scored(client: Client, tmp_path: Path) -> None:
    source = write(tmp_path / "large.csv", ROWS)
    job = client.score(file=source, format="csv")
    until(lambda: job.refresh().state == "waiting", "the file is split")
    for number in range(SINGLES):
        single = client.score([f"I love number {number}"]).wait(PATIENCE)
        assert single.result["labels"]["positive"] == 1
        assert job.refresh().state == "waiting", "the single text came after the file"
    until(lambda: (job.refresh().progress or {}).get("eta_seconds"), "the time left is known")
    assert 0 < job.progress["done"] < job.progress["total"] == ROWS
    assert job.progress["per_second"] > 0
    job.wait(5 * PATIENCE)
    assert job.result["rows"] == ROWS == sum(job.result["labels"].values())
    # The first rows are what they are when they are scored alone, in one run.
    alone = client.score(file=write(tmp_path / "sample.csv", SAMPLE), format="csv").wait(PATIENCE)
    lines = job.download(job.result["file"], tmp_path / "scored.csv").read_bytes().splitlines()
    sample = alone.download(alone.result["file"], tmp_path / "sample.scored.csv").read_bytes().splitlines()
    assert lines[: SAMPLE + 1] == sample
    assert len(lines) == ROWS + 1
    assert [line.split(b",", 1)[0] for line in lines[1:]] == [b"%d" % number for number in range(ROWS)]


def test_a_cancel_stops_all_parts(client: Client, tmp_path: Path) -> None:
    job = client.score(file=write(tmp_path / "large.csv", ROWS))
    until(lambda: job.refresh().state == "waiting", "the file is split")
    assert job.cancel().state == "cancelled"
    until(lambda: set(parts(client, job)) <= {"cancelled", "succeeded"}, "its parts have stopped")


def test_a_worker_killed_in_the_middle_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    source = write(tmp_path / "large.csv", ROWS // 4)
    with stack.client() as client:
        whole = client.score(file=source, format="parquet").wait(5 * PATIENCE)
        job = client.score(file=source, format="parquet")
        until(lambda: (job.refresh().progress or {}).get("done"), "some parts are done")
        for process in stack.worker("cpu").children():
            process.kill()
        job.wait(5 * PATIENCE)
        assert job.result == whole.result
        once = whole.download(whole.result["file"], tmp_path / "once").read_bytes()
        assert job.download(job.result["file"], tmp_path / "again").read_bytes() == once
