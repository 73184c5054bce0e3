"""The commands of docs/how-to/back-up.md, typed while jobs run: what they restore has everything."""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobyard.client import Job
from tests.acceptance.conftest import LONG, PATIENCE, Stack, environment, until
from tests.factories import draw_dataset
from tests.samples import ROOT, samples

PAGE = ROOT / "docs/how-to/back-up.md"
LAST = "jobyard up\n"


def commands(word: str) -> str:
    """The page's block that has this word."""
    (found,) = [sample.code for sample in samples(PAGE) if word in sample.code]
    return found


def typed(code: str, home: Path, folder: Path) -> None:
    """As a user of that home types it, in a shell in which the virtual environment is active."""
    given = {name: value for name, value in environment(home).items() if not name.startswith("JOBYARD_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{code}"],
        cwd=folder,
        env=given | {"HOME": str(home), "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for a socket's path is limited."""
    with tempfile.TemporaryDirectory(prefix="jy-") as name:
        yield Path(name)


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[Stack]:
    stack = Stack(home / ".jobyard")
    stack.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    stack.start(*arguments)
    try:
        yield stack
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()


@contextmanager
def busy(stack: Stack, table: Path) -> Iterator[list[str]]:
    """Scores files and deletes nothing; the ids of the jobs that were submitted."""
    made: list[str] = []
    ended = threading.Event()

    def submit() -> None:
        with stack.client() as client:
            while not ended.is_set():
                made.append(str(client.score(file=table, column="text").id))

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield made
    finally:
        ended.set()
        thread.join()


def files_of(job: Job, folder: Path) -> dict[str, str]:
    """The job's files by name, each with the SHA-256 of what is downloaded, which is that of its row."""
    found = {}
    for file in job.files():
        content = job.download(file["name"], folder / "downloaded").read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        found[file["name"]] = file["sha256"]
    return found


def test_a_backup_that_is_made_while_jobs_run_restores_all_of_it_elsewhere(folder: Path) -> None:
    first, second = folder / "a", folder / "b"
    table = folder / "table.csv"
    table.write_text("text\n" + "I love it\nIt broke after a day\n" * 500)
    draw_dataset(folder / "photos", per_class=12, size=32)
    with running(first) as stack, stack.client() as client:
        dataset = client.import_pictures("photos", folder / "photos").wait().result["dataset"]
        training = client.train(dataset, **LONG)
        until(lambda: training.refresh().state == "running" and training.metrics("loss"), "an epoch")
        until(lambda: list((stack.home / "storage/checkpoints").glob("*")), "a checkpoint")
        with busy(stack, table) as submitted:
            until(lambda: len(submitted) > 3, "submits")
            ended = [client.job(id_).wait() for id_ in submitted[:3]]
            typed(commands("jobyard backup"), first, folder)
        kept = {job.id: files_of(job, folder) for job in ended}
        assert all(kept.values())

    restore = commands("jobyard restore")
    assert restore.endswith(LAST)
    typed(restore.removesuffix(LAST), second, folder)
    with running(second) as stack, stack.client() as client:
        assert {job_id: files_of(client.job(job_id), folder) for job_id in kept} == kept
        assert client.dataset(dataset)["reference"] == dataset
        again = client.job(training.id)
        until(lambda: again.refresh().state == "running", "the training runs again", show=stack.log)
        # From its checkpoint: what replaced it meanwhile could not delete it.
        restored = again.metrics("loss")
        until(lambda: again.metrics("loss") != restored, "it learns", show=stack.log)
        again.cancel()
        jobs = {str(job.id): job for job in client.jobs()}
        for job in jobs.values():
            job.wait(check=False)
            if job.state == "succeeded":
                files_of(job, folder)
        others = [job.raw for job in jobs.values() if job.state not in ("succeeded", "cancelled")]
        assert others == []
        assert client.score(file=table, column="text").wait().files()
        assert "Nothing is deleted" not in stack.log.read_text()


def test_a_second_database_is_refused_until_it_adopts_the_storage(folder: Path) -> None:
    """What a mistyped name or staging on the same bucket does: one line, and nothing is deleted."""
    table = folder / "table.csv"
    table.write_text("text\nI love it\n")
    with running(folder) as stack, stack.client() as client:
        client.score(file=table, column="text").wait()
    files = [path for path in (stack.home / "storage").rglob("*") if path.is_file()]
    assert len(files) == 3  # the upload, the scores, the identity
    for path in files:
        os.utime(path, (0, 0))
    other = environment(stack.home, DATABASE_URL=f"sqlite:///{folder}/other.db")
    line = [sys.executable, "-m", "jobyard.cli", "up"]
    refused = subprocess.run(line, env=other, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert refused.returncode != 0
    (said,) = refused.stderr.splitlines()
    for word in ("JOBYARD_STORAGE_URL", "another database", "JOBYARD_DATABASE_URL", "jobyard up --adopt"):
        assert word in said
    assert all(path.is_file() for path in files)
    for process in ("sweeper", "cpu"):
        line = [sys.executable, "-m", "jobyard.workers", process]
        done = subprocess.run(line, env=other, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, "another database" in done.stderr.splitlines()[-1]) == (2, True)
    line = [*(sys.executable, "-m", "gunicorn", "-c", "python:jobyard.web.gunicorn")]
    line.append("jobyard.web.app:create_app()")
    web = subprocess.run(line, env=other, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert web.returncode != 0
    assert "another database" in web.stderr
    assert "Traceback" not in web.stderr
    stack.settings["DATABASE_URL"] = f"sqlite:///{folder}/other.db"
    stack.start("--adopt")
    try:
        until(lambda: "2 orphans of" in stack.log.read_text(), "the sweeper counts what it does not know")
        assert all(path.is_file() for path in files)
    finally:
        stack.stop()
