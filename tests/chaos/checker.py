"""What must be true after everything: read from the database and the artifacts, by nobody's word.

Every function takes what it judges and returns what is wrong with it; none changes anything. The rules
are written down here a second time on purpose, and not taken from `shared.jobs`.
"""

import csv
import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow.json import read_json
from sqlalchemy.orm import Session

from jobyard.shared.jobs import Job
from jobyard.shared.metrics import SYSTEM, Metric
from jobyard.shared.registry import Dataset, Model, Prediction
from jobyard.shared.storage import File, PendingKey
from tests.chaos import timelines
from tests.chaos.findings import TERMINAL, Answer, Violation, Wish
from tests.chaos.keys import present
from tests.chaos.timelines import check_timelines, intervals, named

# How a job may end that the faults alone ended.
EXPECTED_FAILURES = {"WorkerLost"}
# How a job ends that can't be done.
DOOMED_FAILURES = {"WorkError"}


def check(
    session: Session,
    storage: Path,
    asked: Iterable[str],
    answers: Sequence[Answer],
    wishes: Sequence[Wish] = (),
    doomed: Iterable[str] = (),
) -> list[Violation]:
    """All checks.

    `asked` are all keys that were sent, whether or not an answer came back; `doomed` those of them
    whose jobs can't be done; `wishes` all that was asked of jobs.
    """
    return [
        *check_accepted(session, set(asked), answers),
        *check_ended(session),
        *check_timelines(session, wishes),
        *check_outcomes(session, set(doomed)),
        *check_metrics(session),
        *check_scored_files(session, storage),
        *check_predictions(session),
        *check_models(session, storage),
        *check_storage(session, storage),
    ]


# ---- jobs


def check_accepted(session: Session, asked: set[str], answers: Sequence[Answer]) -> Iterator[Violation]:
    """Each accepted job is there, one per key, and nothing is there that nobody asked for."""
    rows = session.execute(sa.select(Job.id, Job.idempotency_key).where(Job.parent_id.is_(None))).all()
    ids = {job_id for job_id, _ in rows}
    by_key = Counter(_given(key) for _, key in rows)
    for job_id in dict.fromkeys(answer.job_id for answer in answers):
        if job_id not in ids:
            yield Violation("lost", f"job {job_id}", "was accepted and has no row")
    for key, group in groupby(sorted(answers, key=lambda one: one.key), key=lambda one: one.key):
        named = {answer.job_id for answer in group}
        if len(named) > 1:
            yield Violation("doubled", f"key {key}", f"was answered with {len(named)} jobs")
    for key, count in by_key.items():
        if key not in asked:
            yield Violation("doubled", f"key {key}", "has a job, but nobody asked for it")
        elif count > 1:
            yield Violation("doubled", f"key {key}", f"has {count} jobs")


def _given(key: str | None) -> str | None:
    """A key as its client sent it: it is kept behind the name of the token."""
    return key and key.rpartition("\n")[2]


def check_ended(session: Session) -> Iterator[Violation]:
    """Everything has ended."""
    for job in session.scalars(sa.select(Job).where(Job.state.not_in(TERMINAL)).order_by(Job.id)):
        yield Violation(
            "stuck",
            named(job),
            f"is {job.state}, attempt {job.attempt} of {job.max_attempts}, on {job.worker}",
        )


def check_outcomes(session: Session, doomed: set[str]) -> Iterator[Violation]:
    """Success has its result, and failure is the lost workers' alone, or that of who can't succeed."""
    for job in session.scalars(sa.select(Job).where(Job.state.in_(TERMINAL))):
        is_doomed = _given(job.idempotency_key) in doomed
        expected = EXPECTED_FAILURES | (DOOMED_FAILURES if is_doomed else set())
        match job.state:
            case "succeeded" if is_doomed:
                yield Violation("spoiled", named(job), "succeeded, but can't be done")
            case "succeeded" if not job.result:
                yield Violation("spoiled", named(job), "succeeded without a result")
            case "succeeded" if job.kind == "sentiment" and job.spec.get("texts"):
                scores = (job.result or {}).get("scores", [])
                if len(scores) != len(job.spec["texts"]):
                    yield Violation(
                        "damaged", named(job), f"has {len(scores)} scores of {len(job.spec['texts'])}"
                    )
            case "failed" if job.error_type not in expected:
                yield Violation("spoiled", named(job), f"failed: {job.error_type}: {job.error_message}")
            case "cancelled" if job.cancel_requested_at is None:
                yield Violation("spoiled", named(job), "is cancelled without a time at which that was asked")


# ---- what jobs leave


def check_metrics(session: Session) -> Iterator[Violation]:
    """A succeeded training has each step of each metric, and no row was written by who held no lease."""
    query = sa.select(Metric).order_by(Metric.job_id, Metric.name, Metric.step)
    histories = {key: list(rows) for key, rows in groupby(session.scalars(query), key=lambda one: one.job_id)}
    trainings = list(session.scalars(sa.select(Job).where(Job.kind == "train")))
    events = timelines.of_jobs(session, [job.id for job in trainings])
    for job in trainings:
        rows = histories.get(job.id, [])
        if job.state == "succeeded":
            # What it used is sampled by the clock, and not by its steps.
            yield from _check_steps(job, [row for row in rows if not row.name.startswith(SYSTEM)])
        held = intervals(events.get(job.id, []))
        stray = [row for row in rows if not any(one.covers(row.at) for one in held)]
        if stray:
            first = stray[0]
            yield Violation(
                "damaged", named(job), f"{len(stray)} metric rows ({first.name} {first.step}) without a lease"
            )


def _check_steps(job: Job, rows: Sequence[Metric]) -> Iterator[Violation]:
    names = {row.name for row in rows}
    expected = list(range(1, int((job.result or {}).get("epochs", 0)) + 1))
    for name in sorted(names | {"loss", "accuracy", "val_loss", "val_accuracy"}):
        steps = [row.step for row in rows if row.name == name]
        if steps != expected:
            missing = sorted(set(expected) - set(steps))
            yield Violation(
                "damaged", named(job), f"{name} has {len(steps)} of {len(expected)} steps; missing: {missing}"
            )


def check_scored_files(session: Session, storage: Path) -> Iterator[Violation]:
    """Each scored file has the rows of its source, once and in order."""
    files = {file.id: file for file in session.scalars(sa.select(File))}
    numbers: dict[uuid.UUID, list[str]] = {}
    # A child has a part of the rows: its parent has them all.
    query = sa.select(Job).where(Job.kind == "sentiment", Job.state == "succeeded", Job.parent_id.is_(None))
    for job in session.scalars(query):
        if not job.spec.get("file"):
            continue
        artifacts = [file for file in files.values() if file.job_id == job.id]
        if len(artifacts) != 1:
            yield Violation("damaged", named(job), f"has {len(artifacts)} scored files")
            continue
        source = uuid.UUID(job.spec["file"])
        if source not in numbers:
            numbers[source] = _numbers(storage / files[source].storage_key, "csv")
        path = storage / artifacts[0].storage_key
        if not path.is_file():
            continue  # check_storage says so
        try:
            scored = _numbers(path, job.spec["format"])
        except (OSError, ValueError, KeyError) as error:
            yield Violation("damaged", named(job), f"its scored file can't be read: {error}")
            continue
        if scored != numbers[source]:
            yield Violation("damaged", named(job), _difference(scored, numbers[source]))
        if (job.result or {}).get("rows") != len(numbers[source]):
            yield Violation("damaged", named(job), f"says {(job.result or {}).get('rows')} rows")


def _numbers(path: Path, form: str) -> list[str]:
    """The column `number`, which the load gives every table."""
    if form == "parquet":
        return [str(value) for value in pq.read_table(path, columns=["number"])["number"].to_pylist()]
    if form == "jsonl":
        return [str(value) for value in read_json(path)["number"].to_pylist()]
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        place = next(rows).index("number")
        return [row[place] for row in rows if row]


def _difference(found: Sequence[str], expected: Sequence[str]) -> str:
    doubled = [number for number, count in Counter(found).items() if count > 1]
    missing = set(expected) - set(found)
    what = f"its scored file has {len(found)} rows for {len(expected)}"
    if doubled:
        what += f"; doubled: {', '.join(doubled[:5])}"
    if missing:
        what += f"; {len(missing)} are missing"
    return what if doubled or missing else f"{what}, in another order"


def check_predictions(session: Session) -> Iterator[Violation]:
    """Each prediction has every row once."""
    query = sa.select(Prediction.job_id, Prediction.row).order_by(Prediction.job_id, Prediction.row)
    rows = {
        job_id: [row for _, row in group]
        for job_id, group in groupby(session.execute(query), key=lambda one: one[0])
    }
    for job in session.scalars(sa.select(Job).where(Job.kind == "predict", Job.state == "succeeded")):
        found = rows.get(job.id, [])
        if found != list(range((job.result or {}).get("count", 0))):
            yield Violation("damaged", named(job), f"has {len(found)} predictions, or not each once")


def check_models(session: Session, storage: Path) -> Iterator[Violation]:
    """A training that succeeded left one model, any other none; each model's bytes are its SHA-256's."""
    models = list(session.scalars(sa.select(Model)))
    made = Counter(model.job_id for model in models)
    for job in session.scalars(sa.select(Job).where(Job.kind == "train", Job.state.in_(TERMINAL))):
        wanted = int(job.state == "succeeded")
        if made[job.id] != wanted:
            column = "doubled" if made[job.id] > wanted else "damaged"
            yield Violation(column, named(job), f"{job.state} and left {made[job.id]} models")
    for model in models:
        yield from _check_bytes(f"model {model.reference}", storage / model.storage_key, model.sha256)


def check_storage(session: Session, storage: Path) -> Iterator[Violation]:
    """No row without its file, no file without its row; an artifact is written under its job's lease."""
    keys: set[str] = set(session.scalars(sa.select(Model.storage_key)))
    for dataset in session.scalars(sa.select(Dataset)):
        keys.add(dataset.storage_key)
        path = storage / dataset.storage_key
        if not path.is_file() or path.stat().st_size != dataset.bytes:
            yield Violation(
                "damaged", f"data set {dataset.reference}", "its file is missing or has another size"
            )
    events = timelines.of_jobs(session)
    for file in session.scalars(sa.select(File)):
        keys.add(file.storage_key)
        yield from _check_bytes(f"file {file.id} ({file.name})", storage / file.storage_key, file.sha256)
        held = intervals(events.get(file.job_id, [])) if file.job_id else []
        if file.job_id and not any(one.covers(file.created_at) for one in held):
            yield Violation("damaged", f"file {file.id} ({file.name})", "was written without a lease")
    intended = set(session.scalars(sa.select(PendingKey.key)))
    intended |= set(session.scalars(sa.select(Job.checkpoint_key).where(Job.checkpoint_key.is_not(None))))
    for key in sorted(present(storage) - keys):
        size = f"{(storage / key).stat().st_size} bytes without a row"
        if key in intended:
            yield Violation("rubbish", f"file {key}", size)
        else:
            yield Violation("orphans", f"file {key}", f"{size} or an intent: nothing will ever delete it")


def _check_bytes(subject: str, path: Path, sha256: str) -> Iterator[Violation]:
    if not path.is_file():
        yield Violation("damaged", subject, "its file is missing")
        return
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            yield Violation("damaged", subject, "its bytes don't match its SHA-256")
