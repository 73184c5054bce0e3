"""A file's job and its children, done by workers: split, scored in parts, put together, tidied up."""

import gzip
import signal
import uuid
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, registry, retention, storage
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job
from jobyard.workers import kinds
from jobyard.workers.runtime.attempt import Attempt, Finish, Split
from jobyard.workers.runtime.context import Context
from jobyard.workers.sentiment import plans, several
from tests.factories import get_children, get_job, new_job, put_file
from tests.workers import exit_code_of, make_context, run_queue, run_queue_until_killed, work_until_stopped

ROWS = 700
PART_BYTES = 1_500


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MIN_PART_BYTES", PART_BYTES)
    monkeypatch.setattr(plans, "MAX_PART_BYTES", PART_BYTES)


@pytest.fixture
def upload(context: Context, tmp_path: Path) -> uuid.UUID:
    path = tmp_path / "reviews.csv"
    rows = (f'{number},"good, or ""bad""\nnumber {number}"' for number in range(ROWS))
    path.write_text("number,text\n" + "\n".join(rows))
    return put_file(context, "reviews.csv", path).id


def scored(context: Context, job_id: uuid.UUID) -> bytes:
    with context.database.read() as session:
        (file,) = storage.artifacts(session, job_id)
    return context.storage.open(file.storage_key).read()


def stored_folders(context: Context) -> list[str]:
    folder = context.settings.home / "storage"
    return sorted(path.parent.name for path in folder.glob("*/*") if path.is_file())


def at_once(context: Context, upload: uuid.UUID, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> Job:
    """The same file, scored by one run."""
    with monkeypatch.context() as patch:
        patch.setattr(plans, "MIN_PARTS", 10**9)
        job_id = new_job(context.database, spec={"file": str(upload), **spec})
        run_queue(context, kinds.WORKS["sentiment"])
    return get_job(context.database, job_id)


@pytest.mark.parametrize("scored_as", ["parquet", "csv", "jsonl"])
def test_a_file_that_is_split_has_the_result_and_the_bytes_of_one_that_is_not(
    context: Context, upload: uuid.UUID, monkeypatch: pytest.MonkeyPatch, scored_as: str
) -> None:
    once = at_once(context, upload, monkeypatch, format=scored_as)
    job_id = new_job(context.database, spec={"file": str(upload), "format": scored_as})
    attempts = run_queue(context, kinds.WORKS["sentiment"])
    job = get_job(context.database, job_id)
    assert job.state == "succeeded"
    assert job.result == once.result
    assert scored(context, job_id) == scored(context, once.id)
    parts = get_children(context.database, job_id)
    assert len(parts) > 5
    assert {part.state for part in parts} == {"succeeded"}
    assert attempts.begun == [job_id, *(part.id for part in parts), job_id]
    assert job.attempt == 1
    # Neither plan nor parts are left, and nobody can download what was one.
    assert stored_folders(context) == ["files", "scored", "scored"]
    with context.database.read() as session:
        assert [storage.artifacts(session, part.id) for part in parts] == [[]] * len(parts)
        # In the order in which it was, though the last part and the claim after it were one transaction.
        states = [state for state, _ in groupby(event.state for event in jobs.events(session, job_id))]
    assert states == ["queued", "running", "waiting", "queued", "running", "succeeded"]


@pytest.mark.parametrize("scored_as", ["parquet", "csv", "jsonl"])
def test_several_files_are_scored_in_parts_as_at_once(
    context: Context, upload: uuid.UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scored_as: str
) -> None:
    path = tmp_path / "more.csv.gz"
    path.write_bytes(gzip.compress(b"text,number\n" + b"fine,1\n" * 500))
    both = {"files": [str(upload), str(put_file(context, "more.csv.gz", path).id)], "group_by": "source"}
    with monkeypatch.context() as patch:
        patch.setattr(several, "MIN_PARTS", 10**9)
        once = new_job(context.database, spec=both | {"format": scored_as})
        run_queue(context, kinds.WORKS["sentiment"])
    job_id = new_job(context.database, spec=both | {"format": scored_as})
    monkeypatch.setattr(several, "MIN_PART_BYTES", PART_BYTES)
    run_queue(context, kinds.WORKS["sentiment"])
    job, alone = (get_job(context.database, one) for one in (job_id, once))
    assert (job.state, job.error_message) == ("succeeded", None)
    assert job.result == alone.result
    assert job.result is not None
    assert (job.result["rows"], job.result["groups"]) == (ROWS + 500, 2)
    assert scored(context, job_id) == scored(context, once)
    assert len(get_children(context.database, job_id)) > 5
    assert get_children(context.database, once) == []
    assert stored_folders(context) == ["files", "files", "scored", "scored"]


def test_a_small_file_is_scored_at_once(
    context: Context, upload: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "MIN_PART_BYTES", ROWS * 20)
    monkeypatch.setattr(plans, "MAX_PART_BYTES", ROWS * 20)
    job_id = new_job(context.database, spec={"file": str(upload)})
    assert run_queue(context, kinds.WORKS["sentiment"]).begun == [job_id]
    assert get_job(context.database, job_id).state == "succeeded"


def test_a_bad_row_fails_the_file_as_it_would_at_once(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = ['{"text": "good"}'] * ROWS
    rows[333] = '{"text": [5]}'
    path.write_text("\n".join(rows))
    stored = context.storage.put_file("files", path)
    with context.database.write() as session:
        file = storage.add_file(session, stored, name="rows.jsonl", media_type="text/plain").id
    job_id = new_job(context.database, spec={"file": str(file)})
    run_queue(context, kinds.WORKS["sentiment"])
    job = get_job(context.database, job_id)
    assert job.state == "failed"
    assert job.error_type == "WorkError"
    assert job.error_message == "line 334: the text is [5]; should be a string, a number or null"
    found = [part.state for part in get_children(context.database, job_id)]
    assert found.count("failed") == 1
    assert found[-1] == "cancelled"
    # What is left goes with the next sweeps; the upload is the owner's.
    with context.database.write() as session:
        keys = jobs.forget_checkpoints(session)
    assert context.storage.remove(keys, storage.Reason.ENDED) == len(keys)
    assert stored_folders(context) == ["files"]
    with context.database.write() as session:
        assert jobs.forget_checkpoints(session) == []


def test_parts_are_in_use_while_their_file_needs_them_and_not_after_a_cancel(
    context: Context, upload: uuid.UUID
) -> None:
    job_id = new_job(context.database, spec={"file": str(upload)})
    done = 0

    def three(attempt: Attempt, spec: Any) -> Finish | Split:
        nonlocal done
        made = kinds.WORKS["sentiment"](attempt, spec)
        done += 1
        if done == 4:
            with context.database.write() as session:
                jobs.cancel(session, job_id)
        return made

    def keys() -> list[str]:
        with context.database.read() as session:
            found = session.scalars(sa.select(Job.checkpoint_key).where(Job.checkpoint_key.is_not(None)))
            return list(found)

    def in_use() -> set[str]:
        with context.database.read() as session:
            return retention.in_use(session, keys())

    seen: list[set[str]] = []

    def look(attempt: Attempt, spec: Any) -> Finish | Split:
        with context.database.write() as session:
            assert jobs.forget_checkpoints(session) == []
        seen.append(in_use())
        return three(attempt, spec)

    run_queue(context, look)
    assert [len(found) for found in seen] == [0, 1, 2, 3]
    assert get_job(context.database, job_id).state == "cancelled"
    assert in_use() == set()
    with context.database.write() as session:
        left = jobs.forget_checkpoints(session)
    assert sorted(key.split("/")[0] for key in left) == ["parts", "parts", "parts", "plans"]


def test_a_worker_killed_in_a_part_changes_nothing_in_the_output(
    context: Context, upload: uuid.UUID, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = at_once(context, upload, monkeypatch, format="csv")
    job_id = new_job(context.database, spec={"file": str(upload), "format": "csv"})
    assert exit_code_of(work_until_killed, context.settings.home, database_url) == -signal.SIGKILL
    assert get_job(context.database, job_id).state == "waiting"
    (lost,) = [part for part in get_children(context.database, job_id) if part.state == "running"]
    with context.database.write() as session:
        long_ago = {"lease_expires_at": utcnow(-60)}
        session.execute(sa.update(Job.__table__).where(Job.id == lost.id).values(**long_ago))
        assert [job.id for job in jobs.rescue(session)] == [lost.id]
        session.execute(sa.update(Job.__table__).where(Job.id == lost.id).values(available_at=utcnow(-1)))
    run_queue(context, kinds.WORKS["sentiment"])
    job = get_job(context.database, job_id)
    assert (job.state, get_job(context.database, lost.id).attempt) == ("succeeded", 2)
    assert job.result == once.result
    assert scored(context, job_id) == scored(context, once.id)


def work_until_killed(home: Path, url: str) -> None:
    """In a process of its own: dies in the middle of the third part."""
    plans.MIN_PART_BYTES = plans.MAX_PART_BYTES = PART_BYTES
    run_queue_until_killed(make_context(Database(url), home), "sentiment", 4)


def test_a_cancel_stops_parts_that_run(context: Context, upload: uuid.UUID) -> None:
    job_id = new_job(context.database, spec={"file": str(upload)})

    def slow(attempt: Attempt, spec: Any) -> Finish | Split:
        if attempt.claim.parent_id is None:
            return kinds.WORKS["sentiment"](attempt, spec)
        with context.database.write() as session:
            jobs.cancel(session, job_id)
        return work_until_stopped(attempt)

    run_queue(context, slow)
    assert get_job(context.database, job_id).state == "cancelled"
    assert {part.state for part in get_children(context.database, job_id)} == {"cancelled"}


def test_a_packed_file_is_unpacked_once_and_nothing_of_that_is_left(
    context: Context, upload: uuid.UUID, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    once = at_once(context, upload, monkeypatch, format="csv")
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress((tmp_path / "reviews.csv").read_bytes()))
    stored = context.storage.put_file("files", path)
    with context.database.write() as session:
        packed = storage.add_file(session, stored, name="reviews.csv.gz", media_type="application/gzip").id
    job_id = new_job(context.database, spec={"file": str(packed), "format": "csv"})
    run_queue(context, kinds.WORKS["sentiment"])
    assert len(get_children(context.database, job_id)) > 5
    read_as = (once.result or {})["read_as"] | {"compression": "gzip"}
    assert get_job(context.database, job_id).result == (once.result or {}) | {"read_as": read_as}
    assert scored(context, job_id) == scored(context, once.id)
    assert stored_folders(context) == ["files", "files", "scored", "scored"]


def test_groups_are_kept_in_order_and_once(
    context: Context, upload: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = at_once(context, upload, monkeypatch, group_by="number")
    job_id = new_job(context.database, spec={"file": str(upload), "group_by": "number"})
    run_queue(context, kinds.WORKS["sentiment"])
    assert get_job(context.database, job_id).result == once.result
    with context.database.write() as session:
        groups = registry.score_groups(session, job_id, limit=ROWS + 1)
        assert [group.position for group in groups] == list(range(ROWS))
        assert [group.value for group in groups] == sorted(str(number) for number in range(ROWS))
        assert {group.rows for group in groups} == {1}
        assert sum(groups[0].histogram) == 1
        assert [group.value for group in registry.score_groups(session, job_id, offset=699, limit=5)] == [
            "99"
        ]
        # Another attempt's take the place of the first one's, and they go with their job.
        again = {name: getattr(groups[0], name) for name in ("value", "rows", "nulls", "labels", "histogram")}
        registry.keep_score_groups(session, job_id, [{**again, "mean": None, "std": None}])
        session.expire_all()
        assert len(registry.score_groups(session, job_id)) == 1
        session.execute(sa.delete(Job.__table__).where(Job.id == job_id))
        assert registry.score_groups(session, job_id) == []


def test_rows_that_are_skipped_in_parts_are_reported_for_the_whole(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,n\n" + "good,1\n" * 400 + "ragged\n" + "bad,2\n" * 400 + 'a,"b"c\n')
    stored = context.storage.put_file("files", path)
    with context.database.write() as session:
        file = storage.add_file(session, stored, name="rows.csv", media_type="text/plain").id
    job_id = new_job(context.database, spec={"file": str(file), "errors": "skip", "quote": "double"})
    run_queue(context, kinds.WORKS["sentiment"])
    result = get_job(context.database, job_id).result or {}
    assert len(get_children(context.database, job_id)) > 2
    assert (result["rows"], result["skipped"]) == (800, 2)
    assert [error["line"] for error in result["errors"]["first"]] == [402, 803]
    assert result["most_negative"][0]["row"] == 400
